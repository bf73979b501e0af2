import { afterEach, describe, expect, it } from 'vitest'
import type { AnyConnection } from '../src/connection.js'
import { Broker, type BrokerOptions } from '../src/index.js'
import { resolveOptions } from '../src/options.js'
import { clientStatuses } from '../src/status/clients.js'
import { Rates } from '../src/status/rates.js'
import { type StatusHost, StatusTopics } from '../src/status/topics.js'
import { clientOver, nextEvent } from './support/mqtt-js.js'
import { until } from './support/until.js'

const brokers: Broker[] = []
afterEach(async () => {
  await Promise.all(brokers.splice(0).map((broker) => broker.close()))
})

async function start(options: BrokerOptions = {}): Promise<Broker> {
  const broker = await Broker.start({ status: true, ...options })
  brokers.push(broker)
  return broker
}

/** The last value of a topic, for a client that subscribes to it. */
function follow(broker: Broker, topicName: string): () => Record<string, unknown> | undefined {
  let last: Record<string, unknown> | undefined
  broker.subscribe(topicName, (message) => {
    last = JSON.parse(message.payload.toString())
  })
  return () => last
}

describe('the topics of the page', () => {
  it('name the clients that are connected, with their figures', async () => {
    const broker = await start({ authenticate: () => true })
    const client = clientOver(broker.connect(), { clientId: 'attic', username: 'ada', password: 'x' })
    await nextEvent(client, 'connect')
    await client.subscribeAsync(['a', 'b'])
    const clients = follow(broker, '$SYS/topicwire/clients')
    const value = await until(clients, 'a list of clients')
    expect(value).toEqual({
      count: 1,
      clients: [
        {
          clientId: 'attic',
          username: 'ada',
          protocol: 'memory',
          version: '5.0',
          remoteAddress: 'memory',
          connectedSinceMs: expect.any(Number),
          subscriptions: 2,
          queuedMessages: 0,
          queuedBytes: 0,
          inflightMessages: 0,
          outBufferBytes: 0,
          droppedMessages: 0,
        },
      ],
    })
    expect(JSON.stringify(value)).not.toContain('password')
    await client.endAsync()
    await until(() => clients()?.count === 0, 'a list without the client')
    expect(clients()?.clients).toEqual([])
  })

  it('tell problems and rates', async () => {
    const broker = await start()
    const problems = follow(broker, '$SYS/topicwire/problems')
    const rates = follow(broker, '$SYS/topicwire/rates')
    expect(await until(problems, 'a list of problems')).toEqual({ problems: [] })
    broker.reportProblem({ code: 'acceptFailed', text: 'A connection could not be accepted.' })
    await until(() => JSON.stringify(problems()).includes('acceptFailed'), 'the problem')
    await until(() => {
      void broker.publish('traffic', 'x'.repeat(10))
      return (rates()?.messagesInPerSecond as number) > 0
    }, 'a rate')
    expect(rates()).toMatchObject({
      clients: 0,
      subscriptions: 2,
      eventLoopDelayP50Ms: expect.any(Number),
      eventLoopDelayP99Ms: expect.any(Number),
    })
  })

  it('come to clients of any kind of subscription, and to those whose session is resumed', async () => {
    const broker = await start()
    const options = { clientId: 'c', clean: false, properties: { sessionExpiryInterval: 100 } }
    const first = clientOver(broker.connect(), options)
    await nextEvent(first, 'connect')
    const got = nextEvent(first, 'message')
    await first.subscribeAsync('$share/group/$SYS/topicwire/rates')
    expect((await got)[0]).toBe('$SYS/topicwire/rates')
    await first.endAsync()
    const second = clientOver(broker.connect(), options)
    const again = nextEvent(second, 'message')
    await nextEvent(second, 'connect')
    expect((await again)[0]).toBe('$SYS/topicwire/rates')
    second.end(true)
  })

  it('do not reach whoever authorizeSubscribe keeps from them', async () => {
    const broker = await start({
      authorizeSubscribe: { filter: '$SYS/topicwire/#', handler: () => false },
    })
    const client = clientOver(broker.connect())
    await nextEvent(client, 'connect')
    for (const filter of ['$SYS/#', '$SYS/+/clients', '$SYS/topicwire/clients']) {
      await expect(client.subscribeAsync(filter), filter).rejects.toThrow()
    }
    client.end(true)
  })

  it('name as many clients as a packet may hold', async () => {
    const broker = await start({ limits: { maximumPacketSizeBytes: 2_000 } })
    const clients = Array.from({ length: 40 }, (_, n) =>
      clientOver(broker.connect(), { clientId: `client-${n}` }),
    )
    await Promise.all(clients.map((client) => nextEvent(client, 'connect')))
    const value = await until(follow(broker, '$SYS/topicwire/clients'), 'a list of clients')
    expect(value.count).toBe(40)
    expect((value.clients as unknown[]).length).toBeGreaterThan(2)
    expect((value.clients as unknown[]).length).toBeLessThan(40)
    for (const client of clients) client.end(true)
  })

  it('name those that are in trouble where not all can be named', () => {
    const connections = Array.from({ length: 20 }, (_, index) => ({
      clientId: `${index}`,
      protocol: 'mqtt',
      remoteAddress: '',
      accepted: { version: 5, atMs: 0 },
    })) as unknown as AnyConnection[]
    const figures = {
      subscriptions: 0,
      queuedMessages: 0,
      queuedBytes: 0,
      inflightMessages: 0,
      outBufferBytes: 0,
    }
    const statisticsOf = (clientId: string) => ({
      ...figures,
      queuedBytes: clientId === '9' ? 10 : 0,
      outBufferBytes: clientId === '17' ? 11 : 0,
      droppedMessages: clientId === '13' ? 1 : 0,
    })
    const names = (most: number) =>
      clientStatuses(connections, statisticsOf, most).map(({ clientId }) => clientId)
    expect(names(5)).toEqual(['13', '17', '9', '0', '1'])
    expect(names(20)).toEqual(connections.map(({ clientId }) => clientId))
  })

  it('cannot be published to by clients', async () => {
    const broker = await start()
    const client = clientOver(broker.connect())
    await nextEvent(client, 'connect')
    await expect(client.publishAsync('$SYS/topicwire/problems', '{}', { qos: 1 })).rejects.toThrow()
    client.end(true)
  })

  it('are not there where the option is off', async () => {
    const broker = await start({ status: false, sysIntervalSecs: 1 })
    const topics: string[] = []
    broker.subscribe('$SYS/#', ({ topicName }) => void topics.push(topicName))
    await until(() => topics.filter((topic) => topic === '$SYS/broker/uptime').length > 2, 'two rounds')
    expect(topics.filter((topic) => topic.startsWith('$SYS/topicwire'))).toEqual([])
  })
})

it('nothing is done while nobody is there who wants it', async () => {
  let listeners = 0
  let looks = 0
  const published: string[] = []
  const host: StatusHost = {
    hasListener: () => {
      looks += 1
      return listeners > 0
    },
    publish: (topicName) => published.push(topicName) > 0,
    metrics: () => ({}),
    clients: () => ({ count: 0, clients: [] }),
    problems: [],
    problemsRevision: 0,
  }
  const status = new StatusTopics(host)
  status.subscribed('sensors/#')
  status.subscribed('#')
  expect(status.isActive).toBe(false)
  listeners = 1
  status.subscribed('$SYS/#')
  await until(() => published.length >= 3, 'the first round')
  expect(new Set(published)).toEqual(
    new Set(['$SYS/topicwire/rates', '$SYS/topicwire/problems', '$SYS/topicwire/clients']),
  )
  listeners = 0
  await until(() => !status.isActive, 'the end')
  const before = looks
  await new Promise((resolve) => setTimeout(resolve, 1_200))
  expect(looks).toBe(before)
})

it('rates are differences a second, and what the broker says about itself is no traffic', () => {
  const rates = new Rates()
  const at = (publishReceived: number, dropped: number) => ({
    publishReceived,
    publishSent: 2 * publishReceived,
    'dropped.queueFull': dropped,
    'dropped.expired': dropped,
    clientsConnected: 3,
  })
  expect(rates.next(at(100, 0), 0, 0)).toMatchObject({ messagesInPerSecond: 0, clients: 3 })
  rates.noteOwn()
  expect(rates.next(at(201, 5), 0, 2_000)).toMatchObject({
    messagesInPerSecond: 50,
    messagesOutPerSecond: 101,
    droppedPerSecond: 5,
  })
})

describe('unasked', () => {
  const tls = { cert: 'c', key: 'k' }
  const demanding = { ...tls, requestCert: true }
  it.each<[string, BrokerOptions, boolean]>([
    ['on loopback', { port: 0 }, true],
    ['on 127.0.0.1', { port: 0, host: '127.0.0.1' }, true],
    ['without listeners', {}, false],
    ['on every address', { port: 0, host: '0.0.0.0' }, false],
    ['on every address with authenticate', { port: 0, host: '0.0.0.0', authenticate: () => true }, true],
    [
      'with one listener in the open',
      { port: 0, listeners: [{ protocol: 'ws', port: 0, host: '::' }] },
      false,
    ],
    ['with a name that is not localhost', { port: 0, host: 'broker.example' }, false],
    [
      'where client certificates are demanded',
      { listeners: [{ protocol: 'mqtts', port: 0, host: '::', tls: demanding }] },
      true,
    ],
    [
      'where client certificates are asked for and not checked',
      {
        listeners: [
          { protocol: 'wss', port: 0, host: '::', tls: { ...demanding, rejectUnauthorized: false } },
        ],
      },
      false,
    ],
    ['where the same port is plain as well', { port: 0, host: '::', tls: demanding }, false],
    ['in the open, and told so', { port: 0, host: '::', status: true }, true],
    ['on loopback, and told not to', { port: 0, status: false }, false],
  ])('%s: %o is %s', (_, options, expected) => {
    expect(resolveOptions(options).status).toBe(expected)
  })
})
