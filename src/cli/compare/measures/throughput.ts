/** The most messages a second from one publisher to one subscriber, and what each costs the server then. */
import { setTimeout as sleep } from 'node:timers/promises'
import { numbered } from '../peer.js'
import { PAYLOAD_BYTES, TOPIC_BYTES } from '../plan.js'
import type { Sample } from '../results.js'
import type { Qos } from '../ways.js'
import { nextTopic, openPair, type Reachable, type Site, Stopwatch } from './site.js'

/** Under way at most. What is acknowledged is limited by servers that let no more than 20 be under way. */
const WINDOW: Readonly<Record<Qos, number>> = { 0: 1_000, 1: 16, 2: 16 }
const WARM_UP_SHARE = 0.4

export async function measureThroughput(site: Site, reachable: Reachable): Promise<void> {
  const { secs, qos } = site.plan.throughput
  for (const level of qos) {
    if (!reachable.way.qos.includes(level)) continue
    site.collector.add({
      measure: 'throughput',
      way: reachable.way.id,
      conditions: { qos: level, payloadBytes: PAYLOAD_BYTES },
      values: await run(site, reachable, level, secs),
    })
  }
}

/** Lets both ends compile, and fill caches, before anything counts. */
export async function warmUp(site: Site, reachable: Reachable): Promise<void> {
  for (const qos of site.plan.throughput.qos) {
    if (reachable.way.qos.includes(qos)) await run(site, reachable, qos, site.plan.warmUpSecs)
  }
}

async function run(site: Site, reachable: Reachable, qos: Qos, secs: number): Promise<Sample['values']> {
  const { way } = reachable
  const window = WINDOW[qos]
  const payload = numbered(0, PAYLOAD_BYTES)
  let sent = 0
  let received = 0
  let acknowledged = 0
  let isOver = false
  let isDue = false
  // Half a window at a time, at the end of a turn: as an application has it that answers what it has read.
  const refill = () => {
    isDue = false
    const done = qos === 0 ? received : Math.min(received, acknowledged)
    if (isOver || sent - done > window / 2) return
    publisher.together(() => {
      for (; sent - done < window; sent++) publisher.publish(payload)
    })
  }
  const refillSoon = () => {
    if (isDue) return
    isDue = true
    setImmediate(refill)
  }
  const { publisher, subscriber } = await openPair(reachable, nextTopic(TOPIC_BYTES), qos, {
    onMessage: () => {
      received += 1
      refillSoon()
    },
    onAcknowledged: () => {
      acknowledged += 1
      refillSoon()
    },
  })
  try {
    refill()
    await sleep(secs * 1_000 * WARM_UP_SHARE)
    const stopwatch = new Stopwatch(site.server(way))
    await stopwatch.start()
    const before = received
    await sleep(secs * 1_000)
    return await stopwatch.stop(() => received - before)
  } finally {
    isOver = true
    publisher.end()
    subscriber.end()
  }
}
