/** How long it takes until a subscriber that was cut off has what it missed, or hears again, over a line with a delay. */
import { setTimeout as sleep } from 'node:timers/promises'
import { BadNetwork, PERFECT } from '../network.js'
import { numbered, openPeer } from '../peer.js'
import { PAYLOAD_BYTES, TOPIC_BYTES } from '../plan.js'
import type { Qos } from '../ways.js'
import { nextClientId, nextTopic, type Reachable, type Site, waitUntil } from './site.js'

const PATIENCE_MS = 10_000

export async function measureReconnect(site: Site, { way, place }: Reachable): Promise<void> {
  const { delayMs, missed } = site.plan.reconnect
  const keepsSession = way.qos.includes(1)
  const qos: Qos = keepsSession ? 1 : 0
  const network = await BadNetwork.listen(place, { ...PERFECT, delayMs }, 1)
  const far = { ...place, host: '127.0.0.1', port: network.port }
  const topic = nextTopic(TOPIC_BYTES)
  const clientId = nextClientId()
  const received = new Set<number>()
  let acknowledged = 0
  const onMessage = (index: number) => void received.add(index)
  const listener = { way, topic, qos, clientId, keepsSession, onMessage }
  const publisher = await openPeer({
    way,
    place,
    topic,
    qos,
    listens: false,
    clientId: nextClientId(),
    onAcknowledged: () => {
      acknowledged += 1
    },
  })
  try {
    const first = await openPeer({ ...listener, place: far, listens: true })
    first.destroy()
    // Until the server has noticed.
    await sleep(2 * delayMs + 50)
    for (let index = 0; index < missed; index++) publisher.publish(numbered(index, PAYLOAD_BYTES))
    if (qos > 0) await waitUntil(() => acknowledged >= missed, PATIENCE_MS)
    else await sleep(20)
    const startedMs = performance.now()
    const second = await openPeer({ ...listener, place: far, listens: !keepsSession })
    const connectedMs = performance.now() - startedMs
    publisher.publish(numbered(missed, PAYLOAD_BYTES))
    if (!(await waitUntil(() => received.has(missed), PATIENCE_MS, 0)))
      throw new Error('a message did not arrive')
    const resumedMs = performance.now() - startedMs
    received.delete(missed)
    site.collector.add({
      measure: 'reconnect',
      way: way.id,
      conditions: { qos, roundTripMs: 2 * delayMs, missed },
      values: { connectedMs, resumedMs, caughtUp: received.size },
    })
    second.end()
    // Leaves no session behind.
    if (keepsSession) (await openPeer({ ...listener, place, keepsSession: false, listens: false })).end()
  } finally {
    publisher.end()
    await network.close()
  }
}
