/** A subscriber that never reads costs only itself: not the others' messages, and memory within its limit. */
import { afterEach, describe, expect, it } from 'vitest'
import { Broker } from '../src/index.js'
import { connect, publish, publishWithId, subscribe } from './support/mqtt-bytes.js'
import { RawClient } from './support/raw-client.js'
import { until } from './support/until.js'

const PAYLOAD = Buffer.alloc(4096, 'x')
const MESSAGES = 10_000
const OUT_BUFFER_BYTES = 1_000_000

let broker: Broker
const clients: RawClient[] = []

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  await broker.close({ drainTimeoutMs: 0 })
})

async function dial(port: number, clientId: string): Promise<RawClient> {
  const client = await RawClient.connect(port)
  clients.push(client)
  client.send(connect(clientId))
  await until(() => client.received[0] === 0x20, `CONNACK for ${clientId}`)
  return client
}

async function startWithFrozen(qos: 0 | 1): Promise<{ publisher: RawClient; healthy: RawClient }> {
  broker = await Broker.start({
    port: 0,
    host: '127.0.0.1',
    limits: {
      maximumOutBufferBytes: OUT_BUFFER_BYTES,
      maximumQueuedMessages: 500,
      maximumQueuedBytes: 4_000_000,
    },
  })
  const port = broker.addresses[0]?.port ?? 0
  const frozen = await dial(port, 'frozen')
  frozen.send(subscribe('t', qos))
  await until(() => broker.metrics().subscriptions === 1, 'its subscription')
  frozen.socket.pause()
  const healthy = await dial(port, 'healthy')
  healthy.send(subscribe('t', 0))
  await until(() => broker.metrics().subscriptions === 2, 'the other subscription')
  return { publisher: await dial(port, 'publisher'), healthy }
}

/** Publishes in steps that the healthy subscriber keeps up with, and counts what it gets. */
async function publishAll(
  publisher: RawClient,
  healthy: RawClient,
  packet: (n: number) => Buffer,
): Promise<number> {
  let bytes = 0
  healthy.socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length
  })
  const each = publish('t', PAYLOAD).length
  for (let n = 0; n < MESSAGES; n += 100) {
    publisher.send(Buffer.concat(Array.from({ length: 100 }, (_, step) => packet(n + step))))
    await until(() => bytes >= (n + 100) * each, `message ${n + 100} at the healthy subscriber`)
  }
  return bytes / each
}

describe('a frozen subscriber', () => {
  it('with QoS 0 loses its own messages, and the healthy one none', async () => {
    const { publisher, healthy } = await startWithFrozen(0)
    const before = process.memoryUsage().rss
    const count = await publishAll(publisher, healthy, () => publish('t', PAYLOAD))
    expect(count).toBe(MESSAGES)
    const metrics = broker.metrics()
    expect(metrics['dropped.outBufferFull']).toBeGreaterThan(MESSAGES / 2)
    expect(metrics.outBufferBytes).toBeLessThanOrEqual(OUT_BUFFER_BYTES + PAYLOAD.length)
    // 40 MB went through; what stays is the limit, what sockets hold, and the noise of a process.
    expect(process.memoryUsage().rss - before).toBeLessThan(150_000_000)
  })

  it('with QoS 1 fills its own queue, and the healthy one gets everything', async () => {
    const { publisher, healthy } = await startWithFrozen(1)
    let id = 0
    const packet = (): Buffer => {
      id = (id % 65_535) + 1
      return publishWithId('t', PAYLOAD, 1, id)
    }
    const count = await publishAll(publisher, healthy, packet)
    expect(count).toBe(MESSAGES)
    const metrics = broker.metrics()
    expect(metrics['dropped.queueFull']).toBeGreaterThan(0)
    expect(metrics.queuedMessages).toBeLessThanOrEqual(500)
    expect(metrics.queuedBytes).toBeLessThanOrEqual(4_000_000)
  })

  it('is not waited for when the broker closes', async () => {
    const { publisher, healthy } = await startWithFrozen(0)
    await publishAll(publisher, healthy, () => publish('t', PAYLOAD))
    const began = performance.now()
    await broker.close({ drainTimeoutMs: 200 })
    expect(performance.now() - began).toBeLessThan(3_000)
  })
})
