/** The edges of the encoding: the longest and deepest topics, lengths that lie, and properties that come twice. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Broker } from '../../src/index.js'
import { packet, string } from '../support/mqtt-bytes.js'
import { connectBytes, properties, WireClient, type WireConnect } from '../support/wire-client.js'
import { property, type } from '../support/wire-packets.js'

const MALFORMED = 0x81
const PROTOCOL_ERROR = 0x82
const TOPIC_FILTER_INVALID = 0x8f
const TOPIC_NAME_INVALID = 0x90

let broker: Broker
let port: number
const clients: WireClient[] = []

beforeAll(async () => {
  broker = await Broker.start({ port: 0, host: '127.0.0.1', sysIntervalSecs: 0 })
  port = broker.addresses[0]?.port ?? 0
})

afterEach(() => {
  for (const client of clients.splice(0)) client.cut()
})

afterAll(() => broker.close({ drainTimeoutMs: 0 }))

async function connect(options: WireConnect): Promise<WireClient> {
  const client = await WireClient.connect(port, options)
  clients.push(client)
  return client
}

/** Sends bytes from a client that is in; what DISCONNECT says before the end. */
async function disconnected(bytes: Uint8Array): Promise<number | undefined> {
  const client = await connect({ clientId: 'c' })
  client.send(bytes)
  const { reasonCodes } = await client.next(type.disconnect)
  await client.closed()
  return reasonCodes[0]
}

/** Sends a CONNECT; what CONNACK says before the end. */
async function refused(connectProperties: readonly number[]): Promise<number | undefined> {
  const client = await WireClient.dial(port)
  clients.push(client)
  client.send(connectBytes({ clientId: 'c', properties: connectProperties }))
  const { reasonCodes } = await client.next(type.connack)
  await client.closed()
  return reasonCodes[0]
}

describe('a topic of 128 levels', () => {
  const levels = (count: number) => Array.from({ length: count }, (_, n) => `${n % 10}`).join('/')

  it('is subscribed to, published and delivered', async () => {
    const client = await connect({ clientId: 'c' })
    const plusses = Array<string>(127).fill('+').join('/')
    for (const filter of [levels(128), `${plusses}/+`, `${plusses}/#`]) {
      expect(await client.subscribe([[filter, 0]])).toEqual([0])
      client.publish(levels(128), 'deep')
      expect((await client.publishes(1))[0]?.topicName).toBe(levels(128))
      await client.unsubscribe(filter)
    }
  })

  it('and one more is refused: 0x8F for the filter, 0x90 for the name', async () => {
    const client = await connect({ clientId: 'c' })
    expect(await client.subscribe([[levels(129), 0]])).toEqual([TOPIC_FILTER_INVALID])
    client.publish(levels(129), 'too deep')
    expect((await client.next(type.disconnect)).reasonCodes).toEqual([TOPIC_NAME_INVALID])
    await client.closed()
  })
})

describe('a topic of 65,535 bytes', () => {
  it.each([4, 5] as const)('is subscribed to, published and delivered (version %i)', async (version) => {
    const client = await connect({ clientId: 'c', version })
    const topicName = `t/${'é'.repeat(32_766)}x`
    expect(Buffer.byteLength(topicName)).toBe(65_535)
    expect(await client.subscribe([[topicName, 1]])).toEqual([1])
    expect(await client.publishAcknowledged(topicName, 'long')).toBe(0)
    expect((await client.publishes(1))[0]?.topicName).toBe(topicName)
  })
})

describe('a variable byte integer that is longer than allowed', () => {
  const longProperty = [0x82, 0x80, 0x80, 0x80, 0x00]

  it.each([
    ['the Remaining Length', Buffer.of(0x30, 0x80, 0x80, 0x80, 0x80, 0x01)],
    ['the Remaining Length, in more bytes than it needs', Buffer.of(0xc0, 0x80, 0x00)],
    ['a Property Length', packet(0x30, string('t'), longProperty, [1, 1])],
    ['a Property Length, in more bytes than it needs', packet(0x30, string('t'), [0x82, 0x00], [1, 1])],
    [
      'a Subscription Identifier',
      packet(0x82, [0, 1], [6, 0x0b, 0xff, 0xff, 0xff, 0xff, 0x01], string('t'), [0]),
    ],
  ])('in %s ends the connection (0x81)', async (_, bytes) => {
    expect(await disconnected(bytes)).toBe(MALFORMED)
  })

  it('in front of CONNECT ends the connection as well', async () => {
    const client = await WireClient.dial(port)
    client.send(Buffer.of(0x10, 0xff, 0xff, 0xff, 0xff, 0x01))
    await client.closed()
  })
})

describe('a property that comes twice', () => {
  it('in CONNECT is refused (0x82)', async () => {
    const once = properties.receiveMaximum(5)
    expect(await refused([...once, ...once])).toBe(PROTOCOL_ERROR)
  })

  it('in PUBLISH ends the connection (0x82), and User Properties may', async () => {
    const once = properties.messageExpiryInterval(5)
    expect(await disconnected(packet(0x30, string('t'), [10, ...once, ...once]))).toBe(PROTOCOL_ERROR)
    const client = await connect({ clientId: 'c' })
    await client.subscribe([['t', 0]])
    const user = [0x26, 0, 1, 107, 0, 1, 118]
    client.publish('t', 'x', { properties: [...user, ...user] })
    expect((await client.publishes(1))[0]?.properties.get(0x26)).toEqual(['k=v', 'k=v'])
  })

  it('in SUBSCRIBE ends the connection (0x82)', async () => {
    const once = properties.subscriptionIdentifier(5)
    const bytes = packet(0x82, [0, 1], [4, ...once, ...once], string('t'), [0])
    expect(await disconnected(bytes)).toBe(PROTOCOL_ERROR)
  })
})

describe('a Maximum Packet Size of 0', () => {
  it('is answered with 0x82', async () => {
    expect(await refused(properties.maximumPacketSize(0))).toBe(PROTOCOL_ERROR)
  })
})

describe("a publisher's topic alias", () => {
  it('is not forwarded: subscribers get the name', async () => {
    const subscriber = await connect({ clientId: 'subscriber' })
    const resumed = { clientId: 'resumed', clean: false, properties: properties.sessionExpiryInterval(60) }
    const offline = await connect(resumed)
    for (const client of [subscriber, offline]) await client.subscribe([['long/name', 1]])
    await offline.disconnect()
    const publisher = await connect({ clientId: 'publisher' })
    const alias = properties.topicAlias(7)
    await publisher.publishAcknowledged('long/name', 'sets', { properties: alias })
    await publisher.publishAcknowledged('', 'uses', { properties: alias })
    publisher.publish('', 'uses', { properties: alias, qos: 1, retain: true })
    for (const client of [subscriber, await connect(resumed)]) {
      for (const message of await client.publishes(3)) {
        expect(message.topicName).toBe('long/name')
        expect(message.properties.has(property.topicAlias)).toBe(false)
      }
    }
    const late = await connect({ clientId: 'late' })
    await late.subscribe([['long/+', 0]])
    expect(await late.publishes(1)).toMatchObject([{ topicName: 'long/name', retain: true }])
  })
})
