/**
 * Hostile and broken bytes against a running broker, over TCP and over WebSocket: no crash, the right close, one line
 * in the log, and the other clients go on.
 */
import { once } from 'node:events'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { Broker } from '../src/index.js'
import { connect, packet, publish, publishWithId, string, subscribe } from './support/mqtt-bytes.js'
import { RawClient } from './support/raw-client.js'
import { until } from './support/until.js'

let broker: Broker
let port: number
let witness: RawClient
const warnings: string[] = []

beforeAll(async () => {
  const logger = { debug() {}, info() {}, warn: (_: object, text: string) => warnings.push(text), error() {} }
  broker = await Broker.start({
    port: 0,
    host: '127.0.0.1',
    limits: { maximumPacketSizeBytes: 4096 },
    logger,
  })
  port = broker.addresses[0]?.port ?? 0
  witness = await RawClient.connect(port)
  witness.send(connect('witness')).send(subscribe('witness', 0))
  await until(() => broker.metrics().subscriptions === 1, 'the witness')
})

beforeEach(() => {
  warnings.length = 0
})

afterAll(async () => {
  witness.destroy()
  await broker.close({ drainTimeoutMs: 0 })
})

/** The others are unharmed: a message still comes through. */
async function expectUnharmed(): Promise<void> {
  const before = witness.received.length
  await broker.publish('witness', 'still here')
  await until(() => witness.received.length > before, 'a message for the witness')
}

/** Sends bytes on a connection of its own and returns what came back until the broker closed it. */
async function overTcp(bytes: Uint8Array): Promise<Buffer> {
  const client = await RawClient.connect(port)
  client.send(bytes)
  return client.end()
}

async function overWebSocket(bytes: Uint8Array): Promise<Buffer> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/mqtt`, 'mqtt')
  const chunks: Buffer[] = []
  socket.on('message', (data: Buffer) => chunks.push(data))
  await once(socket, 'open')
  socket.send(bytes)
  await once(socket, 'close')
  return Buffer.concat(chunks)
}

const CONNACK_OK_5 = 0x20

/** What follows a good CONNECT, and the Reason Code that DISCONNECT names. */
const afterConnect: [string, Buffer, number][] = [
  ['packet type 0', packet(0x00), 0x81],
  ['a second CONNECT', connect('again'), 0x82],
  ['CONNACK', packet(0x20, [0, 0, 0]), 0x82],
  ['PUBLISH with QoS 3', packet(0x36, string('a'), [0, 1, 0]), 0x81],
  ['PUBLISH with DUP and QoS 0', packet(0x38, string('a'), [0]), 0x81],
  ['PUBLISH with packet identifier 0', packet(0x32, string('a'), [0, 0, 0]), 0x82],
  ['PUBLISH with a wildcard', publish('a/+', 'x'), 0x90],
  ['PUBLISH without a topic', publish('', 'x'), 0x82],
  ['PUBLISH with U+0000 in its topic', publish('a\0b', 'x'), 0x81],
  ['PUBLISH with broken UTF-8', packet(0x30, [0, 2, 0xc3, 0x28], [0]), 0x81],
  ['PUBLISH with a topic longer than the packet', packet(0x30, [0xff, 0xff, 0x61]), 0x81],
  ['PUBLISH with a topic alias of 0', packet(0x30, string('a'), [3, 0x23, 0, 0]), 0x94],
  ['PUBLISH with a topic alias too high', packet(0x30, string('a'), [3, 0x23, 0xff, 0xff]), 0x94],
  ['PUBLISH with an unknown topic alias', packet(0x30, string(''), [3, 0x23, 0, 7]), 0x82],
  ['PUBLISH with a subscription identifier', packet(0x30, string('a'), [2, 0x0b, 1]), 0x82],
  ['PUBLISH with a property twice', packet(0x30, string('a'), [4, 0x01, 1, 0x01, 1]), 0x82],
  ['PUBLISH with a property of another packet', packet(0x30, string('a'), [5, 0x11, 0, 0, 0, 1]), 0x81],
  ['PUBLISH with properties longer than itself', packet(0x30, string('a'), [0x7f]), 0x81],
  ['PUBACK without an identifier', packet(0x40, [0]), 0x81],
  ['PUBACK with flags', packet(0x41, [0, 1]), 0x81],
  ['PUBREL without its flags', packet(0x60, [0, 1]), 0x81],
  ['PUBREC with a Reason Code that is none', packet(0x50, [0, 1, 0x42]), 0x82],
  ['SUBSCRIBE without its flags', packet(0x80, [0, 1, 0], string('a'), [0]), 0x81],
  ['SUBSCRIBE without a filter', packet(0x82, [0, 1, 0]), 0x82],
  ['SUBSCRIBE with QoS 3', packet(0x82, [0, 1, 0], string('a'), [3]), 0x82],
  ['SUBSCRIBE with reserved bits', packet(0x82, [0, 1, 0], string('a'), [0xc0]), 0x81],
  ['SUBSCRIBE shared with No Local', packet(0x82, [0, 1, 0], string('$share/g/a'), [0x04]), 0x82],
  ['SUBACK', packet(0x90, [0, 1, 0, 0]), 0x82],
  ['UNSUBSCRIBE without a filter', packet(0xa2, [0, 1, 0]), 0x82],
  ['UNSUBACK', packet(0xb0, [0, 1, 0, 0]), 0x82],
  ['PINGREQ with a body', packet(0xc0, [0]), 0x81],
  ['PINGRESP', packet(0xd0), 0x82],
  ['DISCONNECT with flags', packet(0xe1), 0x81],
  ['DISCONNECT that keeps a session', packet(0xe0, [0, 5, 0x11, 0, 0, 0, 9]), 0x82],
  ['AUTH', packet(0xf0, [0x18, 0]), 0x82],
  ['a Remaining Length of five bytes', Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x01]), 0x81],
  ['an over-long Remaining Length', Buffer.from([0xc0, 0x80, 0x00]), 0x81],
  [
    'a packet that is too large, of which only the length has come',
    Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]),
    0x95,
  ],
]

/** Bytes instead of a CONNECT, and the Reason Code of the CONNACK; none where it is not worth an answer. */
const insteadOfConnect: [string, Buffer, number | undefined][] = [
  ['PUBLISH', publish('a', 'x'), undefined],
  ['PINGREQ', packet(0xc0), undefined],
  ['CONNECT with a reserved flag', packet(0x10, string('MQTT'), [5, 0x03, 0, 60, 0], string('c')), 0x81],
  [
    'CONNECT with a will of QoS 3',
    packet(0x10, string('MQTT'), [5, 0x1e, 0, 60, 0], string('c'), [0], string('w'), string('x')),
    0x81,
  ],
  ['CONNECT of version 6', packet(0x10, string('MQTT'), [6, 0x02, 0, 60, 0], string('c')), 0x84],
  ['CONNECT of another protocol', packet(0x10, string('AMQP'), [5, 0x02, 0, 60, 0], string('c')), undefined],
  [
    'CONNECT with Receive Maximum 0',
    packet(0x10, string('MQTT'), [5, 0x02, 0, 60], [3, 0x21, 0, 0], string('c')),
    0x82,
  ],
  [
    'CONNECT with Maximum Packet Size 0',
    packet(0x10, string('MQTT'), [5, 2, 0, 60], [5, 0x27, 0, 0, 0, 0], string('c')),
    0x82,
  ],
  [
    'CONNECT with an unknown authentication method',
    packet(0x10, string('MQTT'), [5, 2, 0, 60], [4, 0x15], string('x'), string('c')),
    0x8c,
  ],
  ['CONNECT with bytes behind it', packet(0x10, string('MQTT'), [5, 0x02, 0, 60, 0], string('c'), [1]), 0x81],
]

for (const [transport, exchange] of [
  ['TCP', overTcp],
  ['WebSocket', overWebSocket],
] as const) {
  describe(`over ${transport}, after CONNECT`, () => {
    it.each(afterConnect)('%s ends the connection with its Reason Code', async (_name, bytes, reasonCode) => {
      const errors: unknown[] = []
      const listener = (event: unknown) => errors.push(event)
      broker.on('protocolError', listener)
      const answer = await exchange(Buffer.concat([connect(`mal-${transport}`), bytes]))
      broker.off('protocolError', listener)
      expect(answer[0]).toBe(CONNACK_OK_5)
      const disconnect = answer.subarray(2 + (answer[1] ?? 0))
      expect([...disconnect.subarray(0, 3)]).toEqual([0xe0, disconnect[1], reasonCode])
      expect(errors).toEqual([expect.objectContaining({ clientId: `mal-${transport}`, reasonCode })])
      await expectUnharmed()
    })
  })

  describe(`over ${transport}, instead of CONNECT`, () => {
    it.each(insteadOfConnect)('%s is answered as it deserves', async (_name, bytes, reasonCode) => {
      const isSniffed = transport === 'TCP' && bytes[0] !== 0x10
      const answer = await exchange(bytes)
      if (reasonCode === undefined) expect(answer.length === 0 || answer[3] !== 0 || isSniffed).toBe(true)
      else expect([answer[0], answer[2], answer[3]]).toEqual([0x20, 0, reasonCode])
      await expectUnharmed()
    })
  })
}

describe('a valid packet', () => {
  const conversation = Buffer.concat([
    connect('split'),
    subscribe('split/#', 1),
    publish('split/a', 'zero'),
    publishWithId('split/a', 'one', 1, 5),
    publishWithId('split/a', 'two', 2, 6),
    packet(0x62, [0, 6]),
    packet(0xa2, [0, 2, 0], string('split/#')),
    packet(0xc0),
  ])

  it('may be cut off after any byte: the connection is lost, and that is all', async () => {
    for (let length = 1; length < conversation.length; length += 1) {
      const client = await RawClient.connect(port)
      client.send(conversation.subarray(0, length))
      client.socket.end()
      await until(() => client.ended || client.closed, `the end after ${length} bytes`)
      client.destroy()
    }
    await until(() => broker.metrics().clientsConnected === 1, 'all but the witness to be gone')
    await expectUnharmed()
  })

  it('may come in any two pieces, and byte by byte', async () => {
    const whole = await RawClient.connect(port)
    whole.send(conversation)
    await until(() => whole.received.at(-2) === 0xd0, 'PINGRESP')
    whole.destroy()
    const expected = whole.received
    for (let cut = 1; cut < conversation.length; cut += 7) {
      const client = await RawClient.connect(port)
      client.send(conversation.subarray(0, cut))
      await new Promise((resolve) => setTimeout(resolve, 2))
      client.send(conversation.subarray(cut))
      await until(() => client.received.length >= expected.length, `the answers with a cut at ${cut}`)
      expect(client.received).toEqual(expected)
      client.destroy()
    }
    const slow = await RawClient.connect(port)
    await slow.sendSlowly(conversation)
    await until(() => slow.received.length >= expected.length, 'the answers byte by byte')
    expect(slow.received).toEqual(expected)
    slow.destroy()
  })
})

describe('the wrong protocol', () => {
  it('TLS is closed, and the log says what to do in one line', async () => {
    const answer = await overTcp(Buffer.from('16030100c8010000c40303', 'hex'))
    expect(answer).toHaveLength(0)
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatch(/TLS/)
    await expectUnharmed()
  })

  it('HTTP is answered in HTTP', async () => {
    const answer = await overTcp(Buffer.from('GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'))
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 404 /)
    await expectUnharmed()
  })

  it('anything else is closed, with one line in the log', async () => {
    await overTcp(Buffer.from([0xff, 0x00, 0x01]))
    expect(warnings).toHaveLength(1)
    await expectUnharmed()
  })
})
