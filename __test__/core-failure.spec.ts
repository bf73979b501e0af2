/** A bug in the native core ends that broker, not the process: connections are cut, promises rejected, and it is said. */
import { once } from 'node:events'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Broker, MqttError } from '../src/index.js'
import { connect } from './support/mqtt-bytes.js'
import { RawClient } from './support/raw-client.js'
import { until } from './support/until.js'

const fault = vi.hoisted(() => ({ isDue: false }))

vi.mock('../src/native.js', async (importOriginal) => {
  const native = await importOriginal<typeof import('../src/native.js')>()
  /** Panics, as the addon reports it, on the next chunk. */
  class FaultyBroker extends native.NativeBroker {
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

async function failing(logged: object[]): Promise<{ broker: Broker; client: RawClient }> {
  const logger = { debug() {}, info() {}, warn() {}, error: (fields: object) => logged.push(fields) }
  const broker = await Broker.start({ port: 0, host: '127.0.0.1', logger })
  const client = await RawClient.connect(broker.addresses[0]?.port ?? 0)
  client.send(connect('c'))
  await until(() => client.received.length > 0, 'CONNACK')
  fault.isDue = true
  return { broker, client }
}

describe('a bug in the core', () => {
  it('cuts the connections, rejects what is asked and tells the owner', async () => {
    const logged: object[] = []
    const { broker, client } = await failing(logged)
    const stream = broker.messages('a').next()
    const told = once(broker as unknown as NodeJS.EventEmitter, 'error').catch((error: unknown) => [error])
    client.send(Buffer.from([0xc0, 0x00]))
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
    const { broker, client } = await failing(logged)
    client.send(Buffer.from([0xc0, 0x00]))
    await until(() => logged.length === 1, 'the line in the log')
    await broker.close()
  })
})
