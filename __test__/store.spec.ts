/** A broker with a store, in this process: what comes back, what is waited for, and what is refused. */
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { Broker, type BrokerOptions, connect, type MqttClient, type SocketDriver } from '../src/index.js'
import { clientOver } from './support/mqtt-js.js'
import { temporaryDirectory } from './support/temporary.js'
import { until } from './support/until.js'

const brokers: Broker[] = []
const clients: MqttClient[] = []

afterEach(async () => {
  for (const client of clients.splice(0)) await client.endAsync(true)
  for (const broker of brokers.splice(0)) await broker.close({ drainTimeoutMs: 100 }).catch(() => {})
})

async function start(path: string, options: BrokerOptions = {}): Promise<Broker> {
  const broker = await Broker.start({ port: 0, host: '127.0.0.1', store: { path }, ...options })
  brokers.push(broker)
  return broker
}

/** A client that is connected; all that it receives, from the first packet on, goes to `received`. */
async function client(broker: Broker, options: object = {}, received: string[] = []): Promise<MqttClient> {
  const port = broker.addresses[0]?.port ?? 0
  const connecting = connect({ port, protocolVersion: 5, reconnectPeriod: 0, ...options })
  clients.push(connecting)
  collect(connecting, received)
  await new Promise<void>((resolve, reject) => {
    connecting.once('connect', () => resolve())
    connecting.once('error', reject)
  })
  return connecting
}

const durable = (clientId: string) => ({
  clientId,
  clean: false,
  properties: { sessionExpiryInterval: 3600 },
})

function collect(of: Pick<MqttClient, 'on'>, received: string[]): void {
  of.on('message', (topic, payload, packet) => {
    received.push(`${topic} ${payload} ${packet.qos}${packet.retain ? ' retained' : ''}`)
  })
}

describe.each(['core', 'node'] as const satisfies SocketDriver[])('sockets driven by %s', (socketDriver) => {
  it('sessions, their queues, retained messages and Wills are there again after a restart', async () => {
    const path = temporaryDirectory()
    const first = await start(path, { socketDriver })
    const subscriber = await client(first, durable('subscriber'))
    await subscriber.subscribeAsync('queue/#', { qos: 2 })
    await subscriber.endAsync()
    const publisher = await client(first)
    for (let n = 0; n < 50; n += 1) {
      await publisher.publishAsync('queue/a', `${n}`, { qos: n % 2 === 0 ? 1 : 2 })
    }
    await publisher.publishAsync('kept', 'retained', { qos: 1, retain: true })
    await publisher.publishAsync('gone', 'retained', { qos: 1, retain: true })
    await publisher.publishAsync('gone', '', { qos: 1, retain: true })
    await client(first, {
      ...durable('willing'),
      will: { topic: 'queue/will', payload: 'died', qos: 1, properties: { willDelayInterval: 1 } },
    })
    await first.close()

    const second = await start(path, { socketDriver })
    expect(second.metrics()).toMatchObject({ sessions: 2 })
    const received: string[] = []
    await client(second, durable('subscriber'), received)
    await until(() => received.length >= 51, 'the queue and the Will')
    expect(received.slice(0, 50)).toEqual(
      Array.from({ length: 50 }, (_, n) => `queue/a ${n} ${n % 2 === 0 ? 1 : 2}`),
    )
    expect(received.slice(50)).toEqual(['queue/will died 1'])
    const retained: string[] = []
    const fresh = await client(second, {}, retained)
    await fresh.subscribeAsync(['kept', 'gone'], { qos: 1 })
    await until(() => retained.length > 0, 'the retained message')
    expect(retained).toEqual(['kept retained 1 retained'])
  })

  it('a thousand messages at once are acknowledged in far fewer batches', async () => {
    const broker = await start(temporaryDirectory(), { socketDriver })
    const subscriber = await client(broker, durable('subscriber'))
    await subscriber.subscribeAsync('a', { qos: 1 })
    await subscriber.endAsync()
    const publisher = await client(broker)
    const before = broker.metrics().storeBatches ?? 0
    await Promise.all(Array.from({ length: 1000 }, () => publisher.publishAsync('a', 'x', { qos: 1 })))
    const { storeBatches = 0 } = broker.metrics()
    expect(storeBatches - before).toBeGreaterThan(0)
    expect(storeBatches - before).toBeLessThan(500)
    const received: string[] = []
    await client(broker, durable('subscriber'), received)
    await until(() => received.length === 1000, 'all of them')
  })

  it('with a subscriber that is quick, whoever publishes is answered, over the network and in process', async () => {
    const broker = await start(temporaryDirectory(), { socketDriver })
    const received: string[] = []
    const subscriber = await client(broker, durable('subscriber'), received)
    await subscriber.subscribeAsync('a', { qos: 1 })
    const publisher = await client(broker)
    // Long enough to find out that it pays to be patient.
    for (let n = 0; n < 300; n += 1) await publisher.publishAsync('a', 'x', { qos: 1 })
    for (let n = 0; n < 100; n += 1) {
      await Promise.all([
        publisher.publishAsync('a', 'x', { qos: 1 }),
        broker.publish('a', 'y', { qos: 1 }),
        publisher.publishAsync('a', 'z', { qos: 2 }),
      ])
    }
    await until(() => received.length === 600, 'all of them')
  })

  it('publishers wait while more is to be stored than may be, and lose nothing', async () => {
    const limits = { maximumUnstoredBytes: 65_536 }
    const broker = await start(temporaryDirectory(), { socketDriver, limits })
    const subscriber = await client(broker, durable('subscriber'))
    await subscriber.subscribeAsync('a', { qos: 1 })
    await subscriber.endAsync()
    const publisher = await client(broker)
    const payload = 'x'.repeat(10_000)
    await Promise.all(Array.from({ length: 300 }, () => publisher.publishAsync('a', payload, { qos: 1 })))
    const { storeStalls = 0, unstoredBytes } = broker.metrics()
    expect(storeStalls).toBeGreaterThan(0)
    expect(unstoredBytes).toBeLessThan(65_536)
    const received: string[] = []
    await client(broker, durable('subscriber'), received)
    await until(() => received.length === 300, 'all of them')
  })
})

describe('in process', () => {
  it('publish resolves when the message is stored', async () => {
    const path = temporaryDirectory()
    const first = await start(path)
    const subscriber = clientOver(first.connect(), durable('s'))
    await subscriber.subscribeAsync('a', { qos: 1 })
    await subscriber.endAsync()
    const before = first.metrics().storeBatches ?? 0
    await first.publish('a', 'not stored', { qos: 0 })
    await first.publish('a', 'stored', { qos: 1 })
    expect(first.metrics().storeBatches).toBeGreaterThan(before)
    await first.close()
    const second = await start(path)
    const received: string[] = []
    await client(second, durable('s'), received)
    await until(() => received.length > 0, 'the message')
    expect(received).toEqual(['a stored 1'])
  })

  it('what nobody waits for is stored soon, and when the broker closes', async () => {
    const path = temporaryDirectory()
    const first = await start(path)
    await first.publish('early', 'x', { retain: true })
    await until(() => (first.metrics().storeBatches ?? 0) > 0, 'the batch')
    await first.publish('late', 'x', { retain: true })
    await first.close()
    const second = await start(path)
    const topics: string[] = []
    second.subscribe('+', (message) => topics.push(message.topicName))
    await until(() => topics.length === 2, 'both')
    expect(topics.sort()).toEqual(['early', 'late'])
  })

  it('what comes after the close is refused', async () => {
    const broker = await start(temporaryDirectory())
    const closed = broker.close()
    const refused = broker.publish('a', 'x', { qos: 1, retain: true })
    await closed
    await refused.catch(() => {})
    await expect(broker.publish('a', 'x', { qos: 1 })).rejects.toMatchObject({
      code: 'ERR_MQTT_BROKER_CLOSED',
    })
  })

  it('says how the store is', async () => {
    const broker = await start(temporaryDirectory(), { sysIntervalSecs: 1 })
    expect(broker.storeStatus).toEqual({ state: 'working' })
    const states: string[] = []
    broker.subscribe('$SYS/broker/store/state', (message) => states.push(message.text()))
    await until(() => states.length > 0, '$SYS')
    expect(states).toEqual(['working'])
    const answer = await fetch(`http://127.0.0.1:${broker.addresses[0]?.port}/healthz`)
    expect([answer.status, await answer.text()]).toEqual([200, 'ok\nstore: working\n'])
  })

  it('without a store nothing is said of one', async () => {
    const broker = await Broker.start({ port: 0, host: '127.0.0.1' })
    brokers.push(broker)
    expect(broker.storeStatus).toBeUndefined()
    expect(broker.metrics()).toMatchObject({ storeBatches: 0, storeFailing: 0 })
    const answer = await fetch(`http://127.0.0.1:${broker.addresses[0]?.port}/healthz`)
    expect(await answer.text()).toBe('ok\n')
  })
})

describe('a directory that cannot be had is refused', () => {
  it('because another broker has it', async () => {
    const path = temporaryDirectory()
    const first = await start(path)
    await expect(start(path)).rejects.toMatchObject({ code: 'ERR_MQTT_STORE_IN_USE' })
    await first.close()
    await start(path)
  })

  it('because it is something else', async () => {
    const path = temporaryDirectory({ 'notes.txt': 'mine' })
    await expect(start(path)).rejects.toMatchObject({ code: 'ERR_MQTT_STORE_FAILED' })
    await expect(start(join(path, 'notes.txt'))).rejects.toMatchObject({ code: 'ERR_MQTT_STORE_FAILED' })
  })

  it.each([64, 4096])('because what is in it is not what was written, from byte %i on', async (good) => {
    const path = temporaryDirectory()
    const first = await start(path)
    await first.publish('a', 'x', { qos: 1, retain: true })
    await first.close()
    const file = join(path, 'tables.redb')
    const bytes = readFileSync(file)
    expect(bytes.length).toBeGreaterThan(good)
    writeFileSync(file, bytes.fill(7, good))
    await expect(start(path)).rejects.toMatchObject({ code: 'ERR_MQTT_STORE_DAMAGED' })
  })

  it.each([
    [{ path: '' }, 'store.path must be the path of a directory.'],
    [{}, 'store.path must be the path of a directory.'],
    [{ path: 'a', durability: 'memory' }, "store.durability must be 'process' or 'power', not \"memory\"."],
    [{ directory: 'a', path: 'a' }, 'store.directory is not a known option.'],
  ])('%j is no option', async (store, message) => {
    await expect(Broker.start({ store } as BrokerOptions)).rejects.toMatchObject({
      code: 'ERR_MQTT_INVALID_OPTION',
      message: expect.stringContaining(message) as string,
    })
  })
})

it('a broker that closes with clients connected keeps their sessions', async () => {
  const path = temporaryDirectory()
  const first = await start(path)
  const subscriber = await client(first, durable('s'))
  await subscriber.subscribeAsync('a', { qos: 1 })
  const ended = once(subscriber as never, 'close')
  await first.close()
  await ended
  const second = await start(path)
  const received: string[] = []
  await client(second, durable('s'), received)
  await second.publish('a', 'x', { qos: 1 })
  await until(() => received.length > 0, 'the message')
})
