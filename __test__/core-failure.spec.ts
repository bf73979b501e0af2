/** A bug in the native core ends that broker, not the process: connections are cut, promises rejected, and it is said. */
import { once } from 'node:events'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Broker, MqttError, type SocketDriver } from '../src/index.js'
import { connect } from './support/mqtt-bytes.js'
import { RawClient } from './support/raw-client.js'
import { until } from './support/until.js'

const fault = vi.hoisted(() => ({ isDue: false }))

vi.mock('../src/native.js', async (importOriginal) => {
  const native = await importOriginal<typeof import('../src/native.js')>()
  /** Panics, as the addon reports it, on the next chunk; of a socket that it reads itself, with the next call. */
  class FaultyBroker extends native.NativeBroker {
    override status(): number {
      if (fault.isDue) throw Object.assign(new Error('a bug for the test'), { code: 'ERR_MQTT_PANIC' })
      return super.status()
    }

    override receive(connection: number, chunk: Uint8Array, length: number, now: number): number {
      if (fault.isDue) throw Object.assign(new Error('a bug for the test'), { code: 'ERR_MQTT_PANIC' })
      return super.receive(connection, chunk, length, now)
    }
  }
  return { ...native, NativeBroker: FaultyBroker }
})

afterEach(() => {
  fault.isDue = false
})

type Failing = { broker: Broker; client: RawClient }

async function failing(logged: object[], socketDriver: SocketDriver): Promise<Failing> {
  const logger = { debug() {}, info() {}, warn() {}, error: (fields: object) => logged.push(fields) }
  const broker = await Broker.start({ port: 0, host: '127.0.0.1', logger, socketDriver })
  const client = await RawClient.connect(broker.addresses[0]?.port ?? 0)
  client.send(connect('c'))
  await until(() => client.received.length > 0, 'CONNACK')
  fault.isDue = true
  return { broker, client }
}

// What makes the core look, and JavaScript hear of it.
const DISCONNECT = Buffer.from([0xe0, 0x00])

describe.each(['core', 'node'] as const)('a bug in the core, with sockets driven by %s', (socketDriver) => {
  it('cuts the connections, rejects what is asked and tells the owner', async () => {
    const logged: object[] = []
    const { broker, client } = await failing(logged, socketDriver)
    const stream = broker.messages('a').next()
    const told = once(broker as unknown as NodeJS.EventEmitter, 'error').catch((error: unknown) => [error])
    client.send(DISCONNECT)
    await until(() => client.closed || client.ended, 'the cut')
    expect((await told)[0]).toMatchObject({ code: 'ERR_MQTT_PANIC' })
    expect(logged).toEqual([expect.objectContaining({ code: 'ERR_MQTT_PANIC' })])
    await expect(broker.publish('a', 'b')).rejects.toMatchObject({ code: 'ERR_MQTT_PANIC' })
    expect(() => broker.subscribe('a', () => {})).toThrow(MqttError)
    expect((await stream).done).toBe(true)
    await broker.close()
  })

  it('does not end a process that has no listener for errors', async () => {
    const logged: object[] = []
    const { broker, client } = await failing(logged, socketDriver)
    client.send(DISCONNECT)
    await until(() => logged.length === 1, 'the line in the log')
    await broker.close()
  })
})
