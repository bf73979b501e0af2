/** There and back: one connection, one message at a time, which the server sends back to the one that sent it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Latencies } from '../../bench/latency.js'
import { numbered, openPeer } from '../peer.js'
import { PAYLOAD_BYTES } from '../plan.js'
import type { Qos } from '../ways.js'
import { nextClientId, nextEchoTopic, type Reachable, type Site, Stopwatch } from './site.js'

/** Compiles, and fills caches, before anything counts. */
const WARM_UP_SHARE = 0.3

export async function measureEcho(site: Site, reachable: Reachable): Promise<void> {
  const { secs, qos } = site.plan.echo
  for (const level of qos) {
    if (reachable.way.qos.includes(level)) await measureQos(site, reachable, level, secs * 1_000)
  }
}

async function measureQos(site: Site, reachable: Reachable, qos: Qos, ms: number): Promise<void> {
  const { way } = reachable
  let latencies = new Latencies()
  let back = 0
  let sentMs = 0
  let isOver = false
  const send = () => {
    sentMs = performance.now()
    peer.publish(numbered(back, PAYLOAD_BYTES))
  }
  // The next one leaves when the last one is back and, with QoS, acknowledged: one of both comes first.
  let missing = 0
  const proceed = () => {
    missing -= 1
    if (missing > 0 || isOver) return
    missing = qos === 0 ? 1 : 2
    send()
  }
  const peer = await openPeer({
    ...reachable,
    topic: nextEchoTopic(way),
    qos,
    listens: true,
    clientId: nextClientId(),
    onMessage: () => {
      latencies.record(performance.now() - sentMs)
      back += 1
      proceed()
    },
    onAcknowledged: proceed,
  })
  try {
    proceed()
    await sleep(ms * WARM_UP_SHARE)
    const stopwatch = new Stopwatch(site.server(way))
    await stopwatch.start()
    latencies = new Latencies()
    const before = back
    await sleep(ms)
    const summary = latencies.summary()
    const { perSecond, cpuMicros } = await stopwatch.stop(() => back - before)
    site.collector.add({
      measure: 'echo',
      way: way.id,
      conditions: { qos, payloadBytes: PAYLOAD_BYTES },
      values: { p50: summary?.p50, p99: summary?.p99, p999: summary?.p999, perSecond, cpuMicros },
    })
  } finally {
    isOver = true
    peer.end()
  }
}
