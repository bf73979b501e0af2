/** Servers that say what they must not, close, or say nothing: each is one error with a sentence, and no harm. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { MqttError } from '../../src/index.js'
import { CONNACK, cleanUp, client, next, serverThat } from './support.js'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

/** The errors of a client that makes one attempt, until it is closed. */
async function errorsOf(url: string, options = {}): Promise<MqttError[]> {
  const one = client(url, { reconnectPeriod: 0, protocolVersion: 5, ...options })
  const errors: MqttError[] = []
  one.on('error', (error) => errors.push(error as MqttError))
  await next(one, 'close')
  for (const error of errors) {
    expect(error).toBeInstanceOf(MqttError)
    expect(error.message).toMatch(/^[A-Zm].*\.$/s)
  }
  return errors
}

const wrongs: [string, Buffer, string][] = [
  ['a packet type that does not exist', hex('00 00'), 'ERR_MQTT_MALFORMED_PACKET'],
  ['a Remaining Length without end', hex('20 ff ff ff ff 7f'), 'ERR_MQTT_MALFORMED_PACKET'],
  ['a message before CONNACK', hex('30 05 00 01 61 00 78'), 'ERR_MQTT_PROTOCOL_ERROR'],
  ['a second CONNACK', Buffer.concat([CONNACK, CONNACK]), 'ERR_MQTT_PROTOCOL_ERROR'],
  ['an answer to nothing', Buffer.concat([CONNACK, hex('40 02 00 07')]), 'ERR_MQTT_PROTOCOL_ERROR'],
  [
    'a message of QoS 3',
    Buffer.concat([CONNACK, hex('36 07 00 01 61 00 01 00 78')]),
    'ERR_MQTT_MALFORMED_PACKET',
  ],
  [
    'a topic that is not UTF-8',
    Buffer.concat([CONNACK, hex('30 04 00 01 ff 00')]),
    'ERR_MQTT_MALFORMED_PACKET',
  ],
  ['a topic with a wildcard', Buffer.concat([CONNACK, hex('30 04 00 01 23 00')]), 'ERR_MQTT_PROTOCOL_ERROR'],
  [
    'an alias that was never set',
    Buffer.concat([CONNACK, hex('30 06 00 00 03 23 00 01')]),
    'ERR_MQTT_PROTOCOL_ERROR',
  ],
  ['an alias of 0', Buffer.concat([CONNACK, hex('30 07 00 01 61 03 23 00 00')]), 'ERR_MQTT_PROTOCOL_ERROR'],
  [
    'an alias beyond what the client takes',
    Buffer.concat([CONNACK, hex('30 07 00 01 61 03 23 ff ff')]),
    'ERR_MQTT_PROTOCOL_ERROR',
  ],
  ['reserved flags in CONNACK', hex('20 03 02 00 00'), 'ERR_MQTT_MALFORMED_PACKET'],
  ['flags in the head of a CONNACK', hex('21 03 00 00 00'), 'ERR_MQTT_MALFORMED_PACKET'],
  ['an answer to nothing before CONNACK', hex('40 02 00 07'), 'ERR_MQTT_PROTOCOL_ERROR'],
  ['text', Buffer.from('hello, who is there?'), 'ERR_MQTT_MALFORMED_PACKET'],
  ['HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), 'ERR_MQTT_CONNECT'],
  ['a packet of a client', Buffer.concat([CONNACK, hex('c0 00')]), 'ERR_MQTT_PROTOCOL_ERROR'],
  ['a refusal', hex('20 03 00 87 00'), 'ERR_MQTT_CONNECTION_REFUSED'],
]

// [MQTT-4.13.2-1]
test.each(wrongs)(
  '%s is one error, and the next connection is as good as any',
  async (_what, bytes, code) => {
    const { url } = await serverThat((socket, count) => {
      socket.once('data', () => socket.write(count === 0 ? bytes : CONNACK))
    })
    const one = client(url, { protocolVersion: 5 })
    const errors: MqttError[] = []
    one.on('error', (error) => errors.push(error as MqttError))
    await next(one, 'close')
    if (!one.connected) await next(one, 'connect')
    expect(errors.map((error) => error.code)).toEqual([code])
    expect(errors[0]).toBeInstanceOf(MqttError)
    expect(errors[0]?.message).toMatch(/^[A-Zm].*\.$/s)
    expect(one.connected).toBe(true)
  },
)

test('a server that closes at each byte is tried again, with one error where it had not accepted', async () => {
  const bytes = Buffer.concat([
    CONNACK,
    hex('30 05 00 01 61 00 78'),
    hex('30 14 00 01 62 00'),
    Buffer.alloc(16),
  ])
  const { url } = await serverThat((socket, count) => {
    socket.once('data', () => socket.write(bytes.subarray(0, count)))
    if (count < bytes.length) socket.once('data', () => socket.end())
  })
  const one = client(url, { protocolVersion: 5, reconnectPeriod: 1, reconnectPeriodMax: 2 })
  const errors: string[] = []
  const messages: string[] = []
  let count = 0
  one.on('error', (error) => errors.push((error as MqttError).code))
  one.on('connect', () => {
    count += 1
  })
  await new Promise<void>((resolve) => {
    one.on('message', (topic) => {
      messages.push(topic)
      if (topic === 'b') resolve()
    })
  })
  expect(errors).toEqual(CONNACK.toJSON().data.map(() => 'ERR_MQTT_CONNECTION_LOST'))
  expect(count).toBe(bytes.length + 1 - CONNACK.length)
  expect(messages.filter((topic) => topic === 'a')).toHaveLength(bytes.length + 1 - CONNACK.length - 7)
  expect(messages.at(-1)).toBe('b')
})

test('a packet that says it is larger than allowed is refused before it is read', async () => {
  const { url } = await serverThat((socket) => {
    socket.once('data', () => socket.write(Buffer.concat([CONNACK, hex('30 ff ff ff 7f')])))
  })
  const errors = await errorsOf(url, { maximumPacketSizeBytes: 1_000_000 })
  expect(errors.map((error) => error.code)).toEqual(['ERR_MQTT_PACKET_TOO_LARGE'])
})

test('a server that closes before it has accepted', async () => {
  const { url } = await serverThat((socket) => {
    socket.once('data', () => socket.end())
  })
  const errors = await errorsOf(url)
  expect(errors.map((error) => error.code)).toEqual(['ERR_MQTT_CONNECTION_LOST'])
})

test('a server that says nothing at all', async () => {
  const { url } = await serverThat((socket) => {
    socket.resume()
  })
  const errors = await errorsOf(url, { connectTimeout: 100 })
  expect(errors.map((error) => error.code)).toEqual(['ERR_MQTT_TIMEOUT'])
})

test('a server that falls silent is found out by the Keep Alive', async () => {
  const { url } = await serverThat((socket) => {
    socket.once('data', () => socket.write(CONNACK))
  })
  const errors = await errorsOf(url, { keepalive: 1 })
  expect(errors.map((error) => error.code)).toEqual(['ERR_MQTT_TIMEOUT'])
}, 10_000)

test('every byte sequence is taken in any pieces', async () => {
  const bytes = Buffer.concat([
    CONNACK,
    hex('30 05 00 01 61 00 78'),
    hex('30 05 00 01 62 00 79'),
    hex('30 04 00 01 ff 00'),
  ])
  for (let cut = 1; cut < bytes.length; cut += 1) {
    const { url } = await serverThat((socket) => {
      socket.once('data', () => {
        socket.write(bytes.subarray(0, cut))
        setTimeout(() => socket.write(bytes.subarray(cut)), 2)
      })
    })
    const one = client(url, { reconnectPeriod: 0, protocolVersion: 5 })
    const said: string[] = []
    one.on('message', (topic, payload) => said.push(`${topic}${payload}`))
    one.on('error', (error) => said.push((error as MqttError).code))
    await next(one, 'close')
    expect(said, `cut at ${cut}`).toEqual(['ax', 'by', 'ERR_MQTT_MALFORMED_PACKET'])
  }
})

test('nobody listens at the port', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  server.close()
  await once(server, 'close')
  const errors = await errorsOf(`mqtt://127.0.0.1:${port}`)
  expect(errors.map((error) => error.code)).toEqual(['ERR_MQTT_CONNECT'])
})

test('errors that nobody listens for are not thrown', async () => {
  const { url } = await serverThat((socket) => {
    socket.once('data', () => socket.write(hex('00 00')))
  })
  const one = client(url, { reconnectPeriod: 0 })
  cleanUp(() => one.end(true))
  await next(one, 'close')
})
