/** Sessions and wills: take-overs in all their haste, and what a will carries. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Broker } from '../../src/index.js'
import { until } from '../support/until.js'
import { connectBytes, properties, WireClient, type WireConnect } from '../support/wire-client.js'
import { property, type } from '../support/wire-packets.js'

const TAKEN_OVER = 0x8e
const AN_HOUR = properties.sessionExpiryInterval(3_600)

let broker: Broker
let port: number
const clients: WireClient[] = []

beforeEach(async () => {
  broker = await Broker.start({ port: 0, host: '127.0.0.1', sysIntervalSecs: 0 })
  port = broker.addresses[0]?.port ?? 0
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.cut()
  await broker.close({ drainTimeoutMs: 0 })
})

async function connect(options: WireConnect): Promise<Awaited<ReturnType<typeof WireClient.connect>>> {
  const client = await WireClient.connect(port, options)
  clients.push(client)
  return client
}

async function witness(topicFilter: string): Promise<WireClient> {
  const client = await connect({ clientId: 'witness' })
  await client.subscribe([[topicFilter, 0]])
  return client
}

describe('a take-over', () => {
  it.each([true, false])('tells the old client (0x8E) and publishes its will (clean: %s)', async (clean) => {
    const watching = await witness('will')
    const will = { topicName: 'will', payload: 'gone' }
    const first = await connect({ clientId: 'c', clean, properties: AN_HOUR, will })
    const second = await connect({ clientId: 'c', clean, properties: AN_HOUR })
    expect((await first.next(type.disconnect)).reasonCodes).toEqual([TAKEN_OVER])
    await first.closed()
    expect(second.connack.sessionPresent).toBe(!clean)
    expect((await watching.publishes(1))[0]?.payload.toString()).toBe('gone')
    await second.ping()
  })

  it('does not publish a will whose delay the new connection outruns', async () => {
    const watching = await witness('will')
    const will = { topicName: 'will', payload: 'gone', properties: properties.willDelayInterval(3) }
    await connect({ clientId: 'c', clean: false, properties: AN_HOUR, will })
    await connect({ clientId: 'c', clean: false, properties: AN_HOUR })
    await new Promise((resolve) => setTimeout(resolve, 3_300))
    await watching.ping()
    expect(watching.rest()).toEqual([])
  })

  it('closes a 3.1.1 client without a word', async () => {
    const first = await connect({ clientId: 'c', version: 4 })
    await connect({ clientId: 'c', version: 4 })
    await first.closed()
    expect(first.rest()).toEqual([])
  })

  it('that is overtaken by the next leaves the session with the last', async () => {
    const holder = await connect({ clientId: 'c', clean: false, properties: AN_HOUR })
    await holder.subscribe([['t', 1]])
    const transports = await Promise.all(Array.from({ length: 10 }, () => WireClient.dial(port)))
    clients.push(...transports)
    for (const transport of transports) {
      transport.send(connectBytes({ clientId: 'c', clean: false, properties: AN_HOUR }))
    }
    await holder.closed()
    await until(() => transports.filter(({ isClosed }) => !isClosed).length === 1, 'that one is left')
    await until(() => broker.metrics().connections === 1, 'that the broker sees one')
    const last = transports.find(({ isClosed }) => !isClosed)
    expect(await last?.next(type.connack)).toMatchObject({ sessionPresent: true, reasonCodes: [0] })
    await broker.publish('t', 'for the last', { qos: 1 })
    expect((await last?.publishes(1))?.[0]?.payload.toString()).toBe('for the last')
    expect(broker.metrics().sessions).toBe(1)
    for (const transport of transports) {
      if (transport === last) continue
      expect((await transport.next(type.connack)).reasonCodes).toEqual([0])
      expect((await transport.next(type.disconnect)).reasonCodes).toEqual([TAKEN_OVER])
    }
  })
})

describe('a client id used twice in a loop', () => {
  it('costs neither the others nor memory, and the session loses nothing', async () => {
    const rounds = 300
    const bystander = await connect({ clientId: 'bystander' })
    await bystander.subscribe([['safe', 0]])
    const got = new Set<string>()
    let holder = await connect({ clientId: 'twin', clean: false, properties: AN_HOUR })
    await holder.subscribe([['twin', 1]])
    for (let round = 0; round < rounds; round += 1) {
      await broker.publish('twin', `${round}`, { qos: 1 })
      const other = await WireClient.connect(port, { clientId: 'twin', clean: false, properties: AN_HOUR })
      expect(other.connack.sessionPresent).toBe(true)
      await holder.closed()
      // What the old connection was sent and did not acknowledge comes again.
      for (const { payload, packetId } of await other.publishes(1)) {
        got.add(payload.toString())
        other.acknowledge(type.puback, packetId)
      }
      holder = other
      if (round % 50 === 0) {
        await broker.publish('safe', 'here')
        expect((await bystander.publishes(1))[0]?.payload.toString()).toBe('here')
      }
    }
    clients.push(holder)
    expect(got.size).toBe(rounds)
    await until(() => broker.metrics().connections === 2, 'that the old connections are gone')
    const { sessions, subscriptions, queuedMessages } = broker.metrics()
    expect({ sessions, subscriptions, queuedMessages }).toEqual({
      sessions: 2,
      subscriptions: 2,
      queuedMessages: 0,
    })
  })
})

describe('the will delay property', () => {
  it('does not leak into the message, and the other will properties are passed on', async () => {
    const watching = await witness('will')
    const will = {
      topicName: 'will',
      payload: 'gone',
      properties: [...properties.willDelayInterval(1), ...properties.messageExpiryInterval(60)],
    }
    const leaving = await connect({ clientId: 'c', properties: AN_HOUR, will })
    leaving.cut()
    const [message] = await watching.publishes(1)
    expect([...(message?.properties.keys() ?? [])]).toEqual([property.messageExpiryInterval])
    expect(message?.payload.toString()).toBe('gone')
  })
})
