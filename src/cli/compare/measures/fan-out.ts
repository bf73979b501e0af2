/** One message to many: what each delivery costs the server, how many there are a second, and when the last one has it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Latencies } from '../../bench/latency.js'
import { numbered, openPeer, type Peer } from '../peer.js'
import { PAYLOAD_BYTES, TOPIC_BYTES } from '../plan.js'
import { nextClientId, nextTopic, type Reachable, type Site, Stopwatch, waitUntil } from './site.js'

/** Messages under way. */
const WINDOW = 8
/** One by one, for the time until the last subscriber has it. */
const SINGLE = 20
const AT_ONCE = 50
const PATIENCE_MS = 10_000

export async function measureFanOut(site: Site, reachable: Reachable): Promise<void> {
  for (const subscribers of site.plan.fanOut.subscribers) await measureSize(site, reachable, subscribers)
}

async function measureSize(site: Site, reachable: Reachable, size: number): Promise<void> {
  const { way } = reachable
  const topic = nextTopic(TOPIC_BYTES)
  let delivered = 0
  let sent = 0
  let isOver = true
  const peers: Peer[] = []
  const refill = () => {
    while (!isOver && sent - Math.floor(delivered / size) < WINDOW) {
      publisher.publish(payload)
      sent += 1
    }
  }
  const payload = numbered(0, PAYLOAD_BYTES)
  const publisher = await openPeer({
    ...reachable,
    topic,
    qos: 0,
    listens: false,
    clientId: nextClientId(),
  })
  try {
    peers.push(
      ...(await openMany(size, () => ({
        ...reachable,
        topic,
        qos: 0,
        listens: true,
        clientId: nextClientId(),
        onMessage: () => {
          delivered += 1
          if (delivered % size === 0) refill()
        },
      }))),
    )
    const untilLast = new Latencies()
    for (let index = 0; index < SINGLE; index++) {
      const startedMs = performance.now()
      publisher.publish(payload)
      sent += 1
      const isThere = () => delivered >= sent * size
      if (!(await waitUntil(isThere, PATIENCE_MS, 0))) throw new Error('a message did not arrive')
      untilLast.record(performance.now() - startedMs)
    }
    isOver = false
    refill()
    await sleep(site.plan.fanOut.secs * 300)
    const stopwatch = new Stopwatch(site.server(way))
    await stopwatch.start()
    const before = delivered
    await sleep(site.plan.fanOut.secs * 1_000)
    const values = await stopwatch.stop(() => delivered - before)
    isOver = true
    site.collector.add({
      measure: 'fanOut',
      way: way.id,
      conditions: { subscribers: size, payloadBytes: PAYLOAD_BYTES },
      values: { ...values, untilLastMs: untilLast.summary()?.p50 },
    })
  } finally {
    isOver = true
    publisher.end()
    for (const peer of peers) peer.destroy()
  }
}

/** Some at a time: a queue of connections is short. */
export async function openMany(
  count: number,
  options: () => Parameters<typeof openPeer>[0],
): Promise<Peer[]> {
  const peers: Peer[] = []
  while (peers.length < count) {
    const size = Math.min(AT_ONCE, count - peers.length)
    peers.push(...(await Promise.all(Array.from({ length: size }, () => openPeer(options())))))
  }
  return peers
}
