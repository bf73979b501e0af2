/** Subscriptions and retained messages: overlapping, shared, by the hundred thousand, and in a storm. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Broker } from '../../src/index.js'
import { until } from '../support/until.js'
import { properties, WireClient, type WireConnect } from '../support/wire-client.js'
import { property, type, type WirePacket } from '../support/wire-packets.js'

const AN_HOUR = properties.sessionExpiryInterval(3_600)

let broker: Broker
let port: number
const clients: WireClient[] = []

beforeEach(async () => {
  broker = await Broker.start({
    port: 0,
    host: '127.0.0.1',
    sysIntervalSecs: 0,
    limits: { maximumQueuedMessages: 10, maximumOutBufferBytes: 1_000_000 },
  })
  port = broker.addresses[0]?.port ?? 0
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.cut()
  await broker.close({ drainTimeoutMs: 0 })
})

async function connect(options: WireConnect): Promise<WireClient> {
  const client = await WireClient.connect(port, options)
  clients.push(client)
  return client
}

const texts = (packets: readonly WirePacket[]) => packets.map(({ payload }) => payload.toString())

describe('overlapping subscriptions', () => {
  it('5.0: one copy, with the highest QoS and all Subscription Identifiers', async () => {
    const client = await connect({ clientId: 'c' })
    await client.subscribe([['a/+', 0]], properties.subscriptionIdentifier(1))
    await client.subscribe([['a/#', 2]], properties.subscriptionIdentifier(2))
    await client.subscribe([['a/b', 1]], properties.subscriptionIdentifier(3))
    await client.subscribe([['other', 2]], properties.subscriptionIdentifier(4))
    await broker.publish('a/b', 'x', { qos: 2 })
    const [message] = await client.publishes(1)
    expect(message?.qos).toBe(2)
    expect([...(message?.properties.get(property.subscriptionIdentifier) ?? [])].sort()).toEqual([1, 2, 3])
    await client.ping()
    expect(client.rest()).toEqual([])
  })

  it('3.1.1: one copy, with the highest QoS', async () => {
    const client = await connect({ clientId: 'c', version: 4 })
    await client.subscribe([
      ['a/+', 0],
      ['a/#', 2],
      ['a/b', 1],
    ])
    await broker.publish('a/b', 'x', { qos: 2 })
    expect(await client.publishes(1)).toMatchObject([{ qos: 2 }])
    await client.ping()
    expect(client.rest()).toEqual([])
  })
})

describe('a shared subscription', () => {
  const member = async (clientId: string, extra: readonly number[] = []) => {
    const client = await connect({ clientId, clean: false, properties: [...AN_HOUR, ...extra] })
    await client.subscribe([['$share/group/work', 1]])
    return client
  }

  /** Takes and acknowledges so many messages. */
  const work = async (client: WireClient, count: number): Promise<string[]> => {
    const taken = await client.publishes(count)
    for (const { packetId } of taken) client.acknowledge(type.puback, packetId)
    return texts(taken)
  }

  const publish = async (from: number, to: number) => {
    for (let n = from; n < to; n += 1) await broker.publish('work', `${n}`, { qos: 1 })
  }

  it('with a member offline gives everything to those who are there', async () => {
    const [here, gone] = [await member('here'), await member('gone')]
    await gone.disconnect()
    await publish(0, 50)
    expect((await work(here, 50)).map(Number)).toEqual(Array.from({ length: 50 }, (_, n) => n))
    const back = await member('gone')
    await back.ping()
    expect(back.texts()).toEqual([])
    await publish(50, 60)
    expect((await work(here, 5)).length + (await work(back, 5)).length).toBe(10)
  })

  it('with a member leaving loses nothing that was published while it left', async () => {
    const [staying, leaving] = [await member('staying'), await member('leaving')]
    await publish(0, 10)
    const taken = [...(await work(staying, 5)), ...(await work(leaving, 5))]
    await leaving.unsubscribe('$share/group/work')
    await publish(10, 20)
    taken.push(...(await work(staying, 10)))
    await leaving.ping()
    expect(leaving.texts()).toEqual([])
    expect(taken.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n))
  })

  it('with a member full gives the rest to the others', async () => {
    const free = await member('free')
    const full = await member('full', properties.receiveMaximum(1))
    await publish(0, 2)
    const held = await full.publishes(1)
    const taken = await work(free, 1)
    await publish(2, 32)
    taken.push(...(await work(free, 30)))
    expect([...texts(held), ...taken].map(Number).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 32 }, (_, n) => n),
    )
    expect(broker.metrics()['dropped.queueFull']).toBe(0)
    full.acknowledge(type.puback, held[0]?.packetId ?? 0)
    await full.ping()
    await publish(32, 34)
    expect((await work(full, 1)).length + (await work(free, 1)).length).toBe(2)
  })

  it('with all members full says so, and goes on when one has room', async () => {
    const only = await member('only', properties.receiveMaximum(1))
    const publisher = await connect({ clientId: 'publisher' })
    const codes = []
    for (let n = 0; n < 13; n += 1) codes.push(await publisher.publishAcknowledged('work', `${n}`))
    expect(codes).toEqual([...Array<number>(11).fill(0), 0x97, 0x97])
    const taken = []
    for (let n = 0; n < 11; n += 1) taken.push(...(await work(only, 1)))
    expect(taken.map(Number)).toEqual(Array.from({ length: 11 }, (_, n) => n))
    expect(await publisher.publishAcknowledged('work', 'again')).toBe(0)
    expect(await work(only, 1)).toEqual(['again'])
  })
})

describe('100,000 retained messages against a wildcard subscribe', () => {
  it('all come, within the out-buffer, and others are served meanwhile', async () => {
    // More than the sockets of both ends hold.
    const count = 100_000
    for (let n = 0; n < count; n += 1)
      void broker.publish(`r/${n % 100}/${n}`, `${n}`.padEnd(200), { retain: true })
    await until(() => broker.metrics().retainedMessages === count, 'that all are retained')
    const [reader, bystander] = [
      await connect({ clientId: 'reader' }),
      await connect({ clientId: 'bystander' }),
    ]
    await bystander.subscribe([['safe', 0]])
    let mostBytes = 0
    reader.freeze()
    const granted = reader.subscribe([['r/+/#', 0]])
    await until(() => (broker.metrics().outBufferBytes ?? 0) > 0, 'that the reader is owed something')
    for (let turn = 0; turn < 20; turn += 1) {
      await broker.publish('safe', `${turn}`)
      expect(texts(await bystander.publishes(1))).toEqual([`${turn}`])
      mostBytes = Math.max(mostBytes, broker.metrics().outBufferBytes ?? 0)
    }
    expect(mostBytes).toBeLessThan(1_100_000)
    reader.thaw()
    expect(await granted).toEqual([0])
    const got = new Set<string>()
    while (got.size < count) {
      const before = got.size
      await until(() => {
        for (const text of reader.texts()) got.add(text)
        return got.size > before
      }, `a retained message after ${before}`)
    }
    expect(broker.metrics()['dropped.outBufferFull']).toBe(0)
  })
})

describe('the expiry of a retained message', () => {
  it('is decremented on delivery, and what has expired is not sent', async () => {
    const publisher = await connect({ clientId: 'publisher' })
    for (const [topicName, secs] of [
      ['r/long', 100],
      ['r/short', 1],
    ] as const) {
      const expiry = properties.messageExpiryInterval(secs)
      publisher.publish(topicName, 'x', { retain: true, properties: expiry })
    }
    await publisher.ping()
    await new Promise((resolve) => setTimeout(resolve, 1_300))
    await publisher.subscribe([['r/#', 0]])
    const [message] = await publisher.publishes(1)
    expect(message?.topicName).toBe('r/long')
    const [left] = message?.properties.get(property.messageExpiryInterval) ?? []
    expect(left).toBeGreaterThanOrEqual(80)
    expect(left).toBeLessThan(100)
    await publisher.ping()
    expect(publisher.rest()).toEqual([])
  })
})

describe('a storm of subscribe and unsubscribe', () => {
  it('is answered in order, leaves nothing behind, and the others are served meanwhile', async () => {
    const bystander = await connect({ clientId: 'bystander' })
    await bystander.subscribe([['safe/+', 0]])
    const storm = async (clientId: string) => {
      const client = await connect({ clientId })
      for (let round = 0; round < 20; round += 1) {
        const turns = Array.from({ length: 50 }, (_, n) => `${clientId}/${round % 3}/+/${n}/#`)
        const granted = turns.map((filter) => client.subscribe([[filter, 1]]))
        const gone = turns.map((filter) => client.unsubscribe(filter))
        for (const codes of await Promise.all(granted)) expect(codes).toEqual([1])
        await Promise.all(gone)
      }
      expect(client.rest()).toEqual([])
    }
    const storms = Promise.all(Array.from({ length: 10 }, (_, n) => storm(`storm-${n}`)))
    for (let turn = 0; turn < 50; turn += 1) {
      await broker.publish(`safe/${turn}`, `${turn}`)
      expect(texts(await bystander.publishes(1))).toEqual([`${turn}`])
    }
    await storms
    expect(broker.metrics().subscriptions).toBe(1)
  })
})
