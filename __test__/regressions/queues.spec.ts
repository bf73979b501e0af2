/** Queues and windows: what others got wrong when a client was away, slow, small or greedy. */
import { afterEach, describe, expect, it } from 'vitest'
import { Broker, type BrokerOptions } from '../../src/index.js'
import { until } from '../support/until.js'
import { properties, WireClient, type WireConnect } from '../support/wire-client.js'
import { property, type } from '../support/wire-packets.js'

const QUEUE_FULL = 0x97
const FOR_EVER = properties.sessionExpiryInterval(0xffffffff)

let broker: Broker
let port: number
const clients: WireClient[] = []

async function start(options: BrokerOptions = {}): Promise<void> {
  broker = await Broker.start({ port: 0, host: '127.0.0.1', sysIntervalSecs: 0, ...options })
  port = broker.addresses[0]?.port ?? 0
}

async function connect(options: WireConnect): Promise<WireClient> {
  const client = await WireClient.connect(port, options)
  clients.push(client)
  return client
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.cut()
  await broker.close({ drainTimeoutMs: 0 })
})

/** A session with a subscription whose client is away. */
async function away(clientId: string, topicFilter: string, qos: 1 | 2): Promise<void> {
  const client = await connect({ clientId, clean: false, properties: FOR_EVER })
  expect(await client.subscribe([[topicFilter, qos]])).toEqual([qos])
  await client.disconnect()
}

const back = (clientId: string, extra: readonly number[] = []) =>
  connect({ clientId, clean: false, properties: [...FOR_EVER, ...extra] })

describe('an offline persistent client beside live load', () => {
  it('keeps its bound and its oldest messages, and the live one misses nothing', async () => {
    await start({ limits: { maximumQueuedMessages: 100 } })
    await away('offline', 'load', 1)
    const live = await connect({ clientId: 'live' })
    await live.subscribe([['load', 1]])
    const publisher = await connect({ clientId: 'publisher' })
    const got: number[] = []
    for (let n = 0; n < 3_000; n += 100) {
      for (let step = n; step < n + 100; step += 1) publisher.publish('load', `${step}`, { qos: 1 })
      for (const { payload, packetId } of await live.publishes(100)) {
        got.push(Number(payload))
        live.acknowledge(type.puback, packetId)
      }
    }
    expect(got).toEqual(Array.from({ length: 3_000 }, (_, n) => n))
    expect(broker.metrics().queuedMessages).toBe(100)
    const offline = await back('offline')
    expect((await offline.publishes(100)).map(({ payload }) => Number(payload))).toEqual(got.slice(0, 100))
  })
})

describe('the Reason Code on queue overflow', () => {
  it('is 0x97 at QoS 1 and 2, and the identifier is free again', async () => {
    await start({ limits: { maximumQueuedMessages: 2 } })
    await away('full', 'q', 2)
    const publisher = await connect({ clientId: 'publisher' })
    expect(await publisher.publishAcknowledged('q', '1')).toBe(0)
    expect(await publisher.publishAcknowledged('q', '2')).toBe(0)
    expect(await publisher.publishAcknowledged('q', '3')).toBe(QUEUE_FULL)
    for (const packetId of [77, 77]) {
      publisher.publish('q', 'refused', { qos: 2, packetId })
      expect(await publisher.next(type.pubrec)).toMatchObject({ packetId, reasonCodes: [QUEUE_FULL] })
    }
    expect(broker.metrics()['dropped.queueFull']).toBe(3)
    const full = await back('full')
    expect((await full.publishes(2)).map(({ payload }) => payload.toString())).toEqual(['1', '2'])
  })

  it('cannot be told to a 3.1.1 publisher, which goes on; the counter tells', async () => {
    await start({ limits: { maximumQueuedMessages: 1 } })
    await away('full', 'q', 1)
    const publisher = await connect({ clientId: 'publisher', version: 4 })
    for (let n = 0; n < 3; n += 1) expect(await publisher.publishAcknowledged('q', `${n}`)).toBe(0)
    expect(broker.metrics()['dropped.queueFull']).toBe(2)
  })
})

describe('message expiry while a QoS 2 exchange is past PUBREC', () => {
  it('does not end the exchange: PUBREL is sent again and its identifier becomes free', async () => {
    await start()
    const first = await back('slow')
    await first.subscribe([['q', 2]])
    const publisher = await connect({ clientId: 'publisher' })
    const expiry = properties.messageExpiryInterval(1)
    await publisher.publishAcknowledged('q', 'expires', { properties: expiry })
    publisher.publish('q', 'expires too', { qos: 2, properties: expiry })
    const [atQos1, atQos2] = await first.publishes(2)
    first.acknowledge(type.puback, atQos1?.packetId ?? 0)
    first.acknowledge(type.pubrec, atQos2?.packetId ?? 0)
    await first.next(type.pubrel)
    first.cut()
    await new Promise((resolve) => setTimeout(resolve, 1_200))

    const second = await back('slow')
    expect((await second.next(type.pubrel)).packetId).toBe(atQos2?.packetId)
    second.acknowledge(type.pubcomp, atQos2?.packetId ?? 0)
    await second.ping()
    expect(second.rest()).toEqual([])
    second.cut()
    const third = await back('slow')
    await third.ping()
    expect(third.rest()).toEqual([])
  })
})

describe("a message over the client's Maximum Packet Size at the head of its queue", () => {
  it('is left out as if it had been sent, and what is behind it comes', async () => {
    await start()
    await away('small', 'q', 1)
    const publisher = await connect({ clientId: 'publisher' })
    for (const payload of ['x'.repeat(500), 'behind it']) {
      expect(await publisher.publishAcknowledged('q', payload)).toBe(0)
    }
    const small = await back('small', properties.maximumPacketSize(100))
    const [behind] = await small.publishes(1)
    expect(behind?.payload.toString()).toBe('behind it')
    small.acknowledge(type.puback, behind?.packetId ?? 0)
    await publisher.publishAcknowledged('q', 'y'.repeat(500))
    await publisher.publishAcknowledged('q', 'live')
    expect((await small.publishes(1))[0]?.payload.toString()).toBe('live')
    expect(broker.metrics()['dropped.tooLarge']).toBe(2)
    expect(broker.metrics().queuedMessages).toBe(0)
  })
})

describe('a Receive Maximum of 1', () => {
  it.each([1, 2] as const)(
    'towards the client: one message at a time at QoS %i, all of them in order',
    async (qos) => {
      await start()
      const slow = await connect({ clientId: 'slow', properties: properties.receiveMaximum(1) })
      await slow.subscribe([['q', qos]])
      const publisher = await connect({ clientId: 'publisher' })
      for (let n = 0; n < 20; n += 1) publisher.publish('q', `${n}`, { qos })
      for (let n = 0; n < 20; n += 1) {
        const [message] = await slow.publishes(1)
        expect(message?.payload.toString()).toBe(`${n}`)
        await slow.ping()
        expect(slow.rest()).toEqual([])
        const id = message?.packetId ?? 0
        if (qos === 1) {
          slow.acknowledge(type.puback, id)
          continue
        }
        slow.acknowledge(type.pubrec, id)
        await slow.next(type.pubrel)
        // Until PUBCOMP the exchange counts [MQTT-3.3.4-9].
        await slow.ping()
        expect(slow.rest()).toEqual([])
        slow.acknowledge(type.pubcomp, id)
      }
    },
  )

  it('towards the broker: any number one after the other, and 0x93 for two at once', async () => {
    await start({ limits: { receiveMaximum: 1 } })
    const publisher = await WireClient.connect(port, { clientId: 'publisher' })
    clients.push(publisher)
    expect(publisher.connack.properties.get(property.receiveMaximum)).toEqual([1])
    for (let n = 0; n < 50; n += 1) {
      const id = publisher.publish('q', `${n}`, { qos: 2 })
      await publisher.next(type.pubrec)
      publisher.acknowledge(type.pubrel, id)
      await publisher.next(type.pubcomp)
    }
    publisher.publish('q', 'open', { qos: 2, packetId: 100 })
    publisher.publish('q', 'one too many', { qos: 2, packetId: 101 })
    expect((await publisher.next(type.disconnect)).reasonCodes).toEqual([0x93])
    await publisher.closed()
  })
})

describe('a QoS 2 flood in one chunk', () => {
  const flood = (client: WireClient, count: number): Buffer =>
    Buffer.concat(
      Array.from({ length: count }, (_, n) => client.publishBytes('q', `${n}`, { qos: 2, packetId: n + 1 })),
    )

  it('within the window is answered whole and delivered once', async () => {
    await start({ limits: { receiveMaximum: 2_000 } })
    const subscriber = await connect({ clientId: 'subscriber' })
    await subscriber.subscribe([['q', 0]])
    const publisher = await connect({ clientId: 'publisher' })
    const bytes = flood(publisher, 2_000)
    publisher.send(Buffer.concat([bytes, bytes]))
    for (let n = 1; n <= 2_000; n += 1) expect((await publisher.next(type.pubrec)).packetId).toBe(n)
    for (let n = 1; n <= 2_000; n += 1) publisher.acknowledge(type.pubrel, n)
    for (let n = 1; n <= 2_000; n += 1) expect((await publisher.next(type.pubcomp)).packetId).toBe(n)
    const got = (await subscriber.publishes(2_000)).map(({ payload }) => Number(payload))
    expect(got).toEqual(Array.from({ length: 2_000 }, (_, n) => n))
    await subscriber.ping()
    expect(subscriber.rest()).toEqual([])
  })

  it('over the window ends with 0x93 after as many PUBRECs as there was room for', async () => {
    await start({ limits: { receiveMaximum: 100 } })
    const publisher = await connect({ clientId: 'publisher' })
    publisher.send(flood(publisher, 60_000))
    expect((await publisher.next(type.disconnect)).reasonCodes).toEqual([0x93])
    await publisher.closed()
    expect(publisher.rest().map(({ packetId }) => packetId)).toEqual(
      Array.from({ length: 100 }, (_, n) => n + 1),
    )
    await until(() => broker.metrics().connections === 0, 'the end of the connection')
  })
})
