import { describe, expect, test } from 'vitest'
import type { MqttClient } from '../../src/index.js'
import { client, connected, startBroker } from './support.js'

/** What is told from now on, in its order: `>` is sent, `<` is received. */
function told(of: MqttClient): string[] {
  const packets: string[] = []
  of.on('packetsend', ({ cmd }) => packets.push(`> ${cmd}`))
  of.on('packetreceive', ({ cmd }) => packets.push(`< ${cmd}`))
  return packets
}

describe('packetsend and packetreceive', () => {
  // [MQTT-3.1.0-1, 3.14.4-1, 4.3.3-4]
  test('tell of the packets of a connection from the first to the last', async () => {
    const { url } = await startBroker()
    const one = client(url)
    const packets = told(one)
    await one.publishAsync('a', 'x', { qos: 2 })
    await one.endAsync()
    expect(packets).toEqual(['> connect', '< connack', '> publish', '> pubrel', '< pubcomp', '> disconnect'])
  })

  test('can be listened for later, and after a reconnect', async () => {
    const { url } = await startBroker()
    const one = await connected(url)
    const packets = told(one)
    await one.publishAsync('a', 'x', { qos: 1 })
    await one.endAsync()
    one.reconnect()
    await one.publishAsync('a', 'x', { qos: 1 })
    const of = ['> publish', '< puback']
    expect(packets).toEqual([...of, '> disconnect', '> connect', '< connack', ...of])
  })

  test('a message that is sent is shown with its payload and its properties, which are the listener’s to keep', async () => {
    const { url } = await startBroker()
    const one = await connected(url)
    const shown: unknown[] = []
    one.on('packetsend', (packet) => shown.push(packet))
    const payload = Buffer.alloc(300_000, 'x')
    await one.publishAsync('a/b', payload, {
      qos: 1,
      retain: true,
      properties: { contentType: 'text/plain' },
    })
    await one.publishAsync('c', 'y', { qos: 1 })
    expect(shown).toMatchObject([
      {
        cmd: 'publish',
        topic: 'a/b',
        qos: 1,
        retain: true,
        messageId: 1,
        properties: { contentType: 'text/plain' },
      },
      { cmd: 'publish', topic: 'c' },
    ])
    expect((shown[0] as { payload: Buffer }).payload.equals(payload)).toBe(true)
  })
})
