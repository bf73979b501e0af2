/** The memory of the server for each connection that does nothing: with one subscription, after collecting garbage. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Peer } from '../peer.js'
import { TOPIC_BYTES } from '../plan.js'
import { ServerProcess } from '../servers.js'
import { openMany } from './fan-out.js'
import { nextClientId, nextTopic, type Reachable, type Site } from './site.js'

/** Connections that are there before the first reading: the first ones pay for what all of them use. */
const BASE_SHARE = 0.3
const SETTLE_MS = 100
/** Else the room for new objects, of up to 48 MiB, grows and shrinks between both readings, which is nobody's. */
const STEADY = ['--no-memory-reducer', '--min-semi-space-size=1', '--max-semi-space-size=1']

export async function measureMemory(site: Site, { way, place }: Reachable): Promise<void> {
  if (site.server(way) === undefined) return
  // One of its own, since memory that was used once is seldom given back.
  const kind = way.protocol === 'bare' ? 'bare' : 'broker'
  const server = await ServerProcess.start(kind, site.certificate, STEADY)
  const peers: Peer[] = []
  try {
    const there = { ...place, port: way.tls ? server.ports.tls : server.ports.plain }
    const open = async (count: number) => {
      const opened = await openMany(count, () => ({
        way,
        place: there,
        topic: nextTopic(TOPIC_BYTES),
        qos: 0,
        listens: true,
        clientId: nextClientId(),
      }))
      peers.push(...opened)
      await sleep(SETTLE_MS)
      return (await server.usage(true)).residentBytes
    }
    const { connections } = site.plan.memory
    const before = await open(Math.ceil(connections * BASE_SHARE))
    const after = await open(connections)
    site.collector.add({
      measure: 'memory',
      way: way.id,
      conditions: { connections },
      values: { bytesPerConnection: (after - before) / connections, residentBytes: after },
    })
  } finally {
    for (const peer of peers) peer.destroy()
    server.kill()
  }
}
