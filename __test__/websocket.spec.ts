/** MQTT over WebSocket against a running broker: chapter 6 of the standard. */
import { once } from 'node:events'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { Broker } from '../src/index.js'
import { connect, subscribe } from './support/mqtt-bytes.js'
import { until } from './support/until.js'

const PINGREQ = Buffer.of(0xc0, 0)

let broker: Broker

beforeAll(async () => {
  broker = await Broker.start({ port: 0, host: '127.0.0.1' })
})

afterAll(() => broker.close({ drainTimeoutMs: 0 }))

/** A client, and the frames that it has got. */
async function open(subprotocols: readonly string[] = ['mqtt']) {
  const port = broker.addresses[0]?.port ?? 0
  const socket = new WebSocket(`ws://127.0.0.1:${port}/mqtt`, [...subprotocols])
  const frames: { data: Buffer; isBinary: boolean }[] = []
  socket.on('message', (data: Buffer, isBinary) => frames.push({ data, isBinary }))
  await once(socket, 'open')
  return { socket, frames, received: () => Buffer.concat(frames.map(({ data }) => data)) }
}

// [MQTT-6.0.0-2], v3.1.1 [MQTT-6.0.0-2]
it('a CONNECT may come in frames of one byte', async () => {
  const { socket, received } = await open()
  for (const byte of Buffer.concat([connect('bytes'), PINGREQ])) socket.send(Buffer.of(byte))
  await until(() => received().subarray(-2).equals(Buffer.of(0xd0, 0)), 'PINGRESP')
  expect(received()[0]).toBe(0x20)
  socket.terminate()
})

// [MQTT-6.0.0-2], v3.1.1 [MQTT-6.0.0-2]
it('a frame may hold CONNECT, a SUBSCRIBE and the beginning of a packet that ends in the next one', async () => {
  const { socket, received } = await open()
  socket.send(Buffer.concat([connect('together'), subscribe('t', 0), PINGREQ.subarray(0, 1)]))
  await until(() => received().includes(Buffer.of(0x90)), 'SUBACK')
  socket.send(Buffer.concat([PINGREQ.subarray(1), PINGREQ]))
  await until(
    () =>
      received()
        .subarray(-4)
        .equals(Buffer.of(0xd0, 0, 0xd0, 0)),
    'both PINGRESPs',
  )
  socket.terminate()
})

// [MQTT-6.0.0-1], v3.1.1 [MQTT-6.0.0-1]
it('CONNACK and what follows it come in binary frames', async () => {
  const { socket, frames, received } = await open()
  socket.send(Buffer.concat([connect('binary'), PINGREQ]))
  await until(() => received().subarray(-2).equals(Buffer.of(0xd0, 0)), 'PINGRESP')
  expect(frames.every(({ isBinary }) => isBinary)).toBe(true)
  socket.terminate()
})

// [MQTT-6.0.0-1], v3.1.1 [MQTT-6.0.0-1]
it('a CONNECT in a text frame closes the connection unanswered', async () => {
  const { socket, frames } = await open()
  socket.send(connect('text').toString('latin1'))
  const [code] = await once(socket, 'close')
  expect({ code, frames }).toEqual({ code: 1003, frames: [] })
})

// [MQTT-6.0.0-1], v3.1.1 [MQTT-6.0.0-1]
it('a text frame behind CONNECT closes the connection as well', async () => {
  const { socket, received } = await open()
  socket.send(connect('late'))
  await until(() => received()[0] === 0x20, 'CONNACK')
  socket.send('ping')
  const [code] = await once(socket, 'close')
  expect(code).toBe(1003)
})

// [MQTT-6.0.0-4], v3.1.1 [MQTT-6.0.0-4]
it.each([
  [['mqtt'], 'mqtt'],
  [['mqttv3.1', 'mqtt'], 'mqtt'],
  [['other', 'mqtt'], 'mqtt'],
])('of the subprotocols %j mqtt is chosen, and CONNECT is answered', async (offered, chosen) => {
  const { socket, received } = await open(offered)
  socket.send(connect('named'))
  await until(() => received()[0] === 0x20, 'CONNACK')
  expect(socket.protocol).toBe(chosen)
  socket.terminate()
})
