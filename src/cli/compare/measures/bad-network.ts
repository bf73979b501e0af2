/** What becomes of messages when both ends are behind a bad network: lost, doubled, late. All ways at the same time. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Latencies } from '../../bench/latency.js'
import { Pump } from '../../bench/schedule.js'
import { BadNetwork } from '../network.js'
import { openPersistent } from '../persistent.js'
import { type NamedNetwork, PAYLOAD_BYTES, TOPIC_BYTES } from '../plan.js'
import type { Sample } from '../results.js'
import type { Qos } from '../ways.js'
import { nextClientId, nextTopic, type Reachable, type Site, waitUntil, waitUntilStill } from './site.js'

/** After the last message nothing is cut any more, and what is to come has time to come. */
const CALM_MS = 15_000
const STILL_MS = 1_500
/** Of the subscription, before the first message. */
const SETTLE_MS = 300

export async function measureNetworks(site: Site, all: readonly Reachable[]): Promise<void> {
  const conversations = site.plan.network.networks.flatMap((network) =>
    all.flatMap((reachable) => reachable.way.qos.map((qos) => converse(site, reachable, qos, network))),
  )
  // In this order, whichever ends first.
  for (const sample of await Promise.all(conversations)) site.collector.add(sample)
}

async function converse(
  site: Site,
  { way, place }: Reachable,
  qos: Qos,
  { name, profile }: NamedNetwork,
): Promise<Sample> {
  const { ratePerSec, secs, lateMs } = site.plan.network
  const limit = Math.ceil(ratePerSec * secs)
  // The lines of a round are cut at the same times for every way, those of the two ends at different ones.
  const seed = site.round * 2
  const networks = await Promise.all([
    BadNetwork.listen(place, profile, seed),
    BadNetwork.listen(place, profile, seed + 1),
  ])
  const [near, far] = networks.map(({ port }) => ({ ...place, host: '127.0.0.1', port }))
  const topic = nextTopic(TOPIC_BYTES)
  const dueMs = new Float64Array(limit)
  const times = new Uint32Array(limit)
  const latencies = new Latencies()
  let arrived = 0
  let late = 0
  const onMessage = (index: number) => {
    if (!(index < limit)) return
    arrived += 1
    times[index] = (times[index] ?? 0) + 1
    if (times[index] !== 1) return
    const ms = performance.now() - (dueMs[index] ?? 0)
    latencies.record(ms)
    if (ms > lateMs) late += 1
  }
  const common = { way, topic, qos, payloadBytes: PAYLOAD_BYTES }
  const open = (at: typeof place, listens: boolean) =>
    openPersistent({
      ...common,
      place: at,
      listens,
      clientId: nextClientId(),
      onMessage: listens ? onMessage : () => undefined,
    })
  const [subscriber, publisher] = await Promise.all([open(far ?? place, true), open(near ?? place, false)])
  try {
    await sleep(SETTLE_MS)
    const pump = new Pump({
      intervalMs: 1_000 / ratePerSec,
      limit,
      isFull: () => false,
      run: (index, due) => {
        dueMs[index] = due
        publisher.publish(index)
      },
    })
    pump.start()
    await pump.finished
    for (const network of networks) network.calm()
    const isComplete = () => publisher.unacknowledged === 0 && times.every((count) => count > 0)
    if (qos > 0) await waitUntil(isComplete, CALM_MS)
    await waitUntilStill(() => arrived, STILL_MS)
    const summary = latencies.summary()
    return {
      measure: 'network',
      way: way.id,
      conditions: { network: name, qos, messages: limit },
      values: {
        lost: times.filter((count) => count === 0).length,
        doubled: times.filter((count) => count > 1).length,
        late,
        p50: summary?.p50,
        p99: summary?.p99,
        max: summary?.max,
        cuts: networks.reduce((sum, network) => sum + network.cuts, 0),
      },
    }
  } finally {
    await Promise.all([publisher.close(), subscriber.close()])
    await Promise.all(networks.map((network) => network.close()))
  }
}
