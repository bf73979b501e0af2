/** Latency at fixed rates: messages are due by the clock, and measured from when they were due. */
import { Latencies } from '../../bench/latency.js'
import { Pump } from '../../bench/schedule.js'
import { numbered, type Peer } from '../peer.js'
import { PAYLOAD_BYTES, TOPIC_BYTES } from '../plan.js'
import type { Qos } from '../ways.js'
import { nextTopic, openPair, type Reachable, type Site, Stopwatch, waitUntil } from './site.js'

/** Compiles, and fills caches, before anything counts. */
const WARM_UP = 200
const PATIENCE_MS = 5_000

export async function measureLatency(site: Site, reachable: Reachable): Promise<void> {
  const { ratesPerSec, qos } = site.plan.latency
  for (const rate of ratesPerSec) {
    for (const level of qos) {
      if (reachable.way.qos.includes(level)) await measureRate(site, reachable, rate, level)
    }
  }
}

async function measureRate(site: Site, reachable: Reachable, rate: number, qos: Qos): Promise<void> {
  const { way } = reachable
  const limit = Math.ceil(rate * site.plan.latency.secs)
  const dueMs = new Float64Array(limit)
  const latencies = new Latencies()
  let warm = 0
  let isWarm = false
  let arrived = 0
  const { publisher, subscriber } = await openPair(reachable, nextTopic(TOPIC_BYTES), qos, {
    onMessage: (index) => {
      if (!isWarm) warm += 1
      else {
        latencies.record(performance.now() - (dueMs[index] ?? 0))
        arrived += 1
      }
    },
  })
  try {
    await warmUp(publisher, () => warm)
    isWarm = true
    const stopwatch = new Stopwatch(site.server(way))
    await stopwatch.start()
    const pump = new Pump({
      intervalMs: 1_000 / rate,
      limit,
      isFull: () => false,
      run: (index, due) => {
        dueMs[index] = due
        publisher.publish(numbered(index, PAYLOAD_BYTES))
      },
    })
    pump.start()
    await pump.finished
    await waitUntil(() => arrived >= limit, PATIENCE_MS)
    const { cpuMicros, generatorBusy } = await stopwatch.stop(() => arrived)
    const summary = latencies.summary()
    site.collector.add({
      measure: 'latency',
      way: way.id,
      conditions: { qos, ratePerSec: rate, payloadBytes: PAYLOAD_BYTES },
      values: {
        p50: summary?.p50,
        p99: summary?.p99,
        p999: summary?.p999,
        missing: limit - arrived,
        cpuMicros,
        generatorBusy,
      },
    })
  } finally {
    publisher.end()
    subscriber.end()
  }
}

/** One by one, so that a small window of unacknowledged messages is no matter. */
async function warmUp(publisher: Peer, arrived: () => number): Promise<void> {
  for (let sent = 0; sent < WARM_UP; sent += 8) {
    for (let index = 0; index < 8; index++) publisher.publish(numbered(index, PAYLOAD_BYTES))
    await waitUntil(() => arrived() >= sent + 8, PATIENCE_MS, 0)
  }
}
