/** A topic as a URL for a thousand browsers: each gets everything, and one that reads nothing harms none of them. */
import { once } from 'node:events'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { Broker, connectAsync } from '../../src/index.js'
import { until } from '../support/until.js'
import { portOf } from './live-client.js'

const CLIENTS = 1_000
const MESSAGES = 20
const PAYLOAD_BYTES = 2_048
/** What only the frozen one is sent with each: more in all than its socket takes. */
const HEAVY = Buffer.alloc(1_000_000)
/** Dialled at a time. */
const STEP = 100
const PATIENCE_MS = 60_000

let broker: Broker
const sockets: WebSocket[] = []

beforeAll(async () => {
  broker = await Broker.start({
    port: 0,
    host: '127.0.0.1',
    limits: { maximumOutBufferBytes: 2_000_000 },
  })
})

afterAll(async () => {
  for (const socket of sockets) socket.terminate()
  await broker.close({ drainTimeoutMs: 0 })
})

async function dial(count: number, filter: string): Promise<WebSocket[]> {
  const opened = Array.from({ length: count }, () => {
    const socket = new WebSocket(`ws://127.0.0.1:${portOf(broker)}/topics/${filter}`)
    socket.on('error', () => {})
    sockets.push(socket)
    return socket
  })
  await Promise.all(opened.map((socket) => once(socket, 'open')))
  return opened
}

it('every message of one MQTT publisher reaches a thousand plain WebSockets', async () => {
  const [frozen] = await dial(1, 'news/%23')
  frozen?.pause()
  /** How many messages each has had, in their order. */
  const counts: number[] = []
  for (let dialled = 0; dialled < CLIENTS; dialled += STEP) {
    for (const socket of await dial(STEP, 'news/today')) {
      const index = counts.push(0) - 1
      socket.on('message', (data: Buffer) => {
        if (Number(data.toString('latin1', 0, 8)) === counts[index]) counts[index] = (counts[index] ?? 0) + 1
      })
    }
  }
  await until(() => broker.metrics().subscriptions === CLIENTS + 1, 'the subscriptions', PATIENCE_MS)

  const publisher = await connectAsync(`mqtt://127.0.0.1:${portOf(broker)}`)
  const filler = 'x'.repeat(PAYLOAD_BYTES - 8)
  for (let n = 0; n < MESSAGES; n += 1) {
    await publisher.publishAsync('news/heavy', HEAVY)
    await publisher.publishAsync('news/today', `${String(n).padStart(8, '0')}${filler}`, { qos: 1 })
    // In step with the readers, who share this process: what is tested is that none of them misses any.
    await until(() => counts.every((count) => count === n + 1), `message ${n} at all of them`, PATIENCE_MS)
  }
  expect(counts).toEqual(Array.from({ length: CLIENTS }, () => MESSAGES))
  expect(broker.metrics()['dropped.outBufferFull']).toBeGreaterThan(0)
  await publisher.endAsync()
}, 180_000)
