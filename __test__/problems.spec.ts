import { once } from 'node:events'
import { connect as connectSocket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { Broker, type BrokerOptions, type Problem } from '../src/index.js'
import { ProblemRegistry } from '../src/problems/registry.js'
import { ProblemWatch } from '../src/problems/watch.js'
import { clientOver, nextEvent } from './support/mqtt-js.js'
import { until } from './support/until.js'

const brokers: Broker[] = []
afterEach(async () => {
  await Promise.all(brokers.splice(0).map((broker) => broker.close()))
})

async function start(options: BrokerOptions = {}): Promise<Broker> {
  const broker = await Broker.start(options)
  brokers.push(broker)
  return broker
}

function found(broker: Broker, code: string): Promise<Problem> {
  return until(() => broker.problems.find((problem) => problem.code === code), `the problem ${code}`)
}

describe('the registry', () => {
  it('folds equal problems of one host, the most recent first', () => {
    let now = 1_000
    const registry = new ProblemRegistry(undefined, () => now)
    registry.report({ code: 'badCredentials', text: 'a', remoteAddress: '192.0.2.1:1' })
    now = 2_000
    registry.report({ code: 'protocolError', text: 'b', remoteAddress: '192.0.2.1:2' })
    now = 3_000
    registry.report({ code: 'badCredentials', text: 'c', clientId: 'x', remoteAddress: '192.0.2.1:3' })
    expect(registry.list).toEqual([
      {
        code: 'badCredentials',
        text: 'c',
        remedy: expect.stringContaining('password'),
        clientId: 'x',
        remoteAddress: '192.0.2.1:3',
        firstAtMs: 1_000,
        lastAtMs: 3_000,
        count: 2,
      },
      expect.objectContaining({ code: 'protocolError', count: 1 }),
    ])
  })

  it('is bounded, whatever peers call themselves and from wherever they come', () => {
    const registry = new ProblemRegistry()
    registry.report({ code: 'storeTrouble', text: 'The store is failing.' })
    for (let n = 0; n < 5_000; n += 1) {
      registry.report({
        code: n % 2 === 0 ? 'protocolError' : 'connectRefused',
        text: 'x'.repeat(10_000),
        clientId: `${n}-${'i'.repeat(60_000)}`,
        remoteAddress: `10.0.${n >> 8}.${n & 255}:9`,
      })
    }
    expect(registry.list.length).toBeLessThanOrEqual(50)
    expect(JSON.stringify(registry.list).length).toBeLessThan(50 * 1_000)
    // No kind pushes out the others.
    expect(registry.list.map(({ code }) => code)).toContain('storeTrouble')
  })

  it('keeps fifty at most when all kinds come', async () => {
    const registry = new ProblemRegistry()
    const { remedies } = await import('../src/problems/remedies.js')
    for (const code of Object.keys(remedies) as (keyof typeof remedies)[]) {
      for (let n = 0; n < 20; n += 1) registry.report({ code, text: 'text', remoteAddress: `10.0.0.${n}:1` })
    }
    expect(registry.list).toHaveLength(50)
  })

  it('tells of a problem that goes on every ten seconds at most', () => {
    let now = 0
    const told: number[] = []
    const registry = new ProblemRegistry(
      ({ count }) => told.push(count),
      () => now,
    )
    for (; now < 25_000; now += 1_000) registry.report({ code: 'queueFull', text: 'x', clientId: 'c' })
    expect(told).toEqual([1, 11, 21])
  })
})

it('a client id that is taken over again and again is a problem, and one that is taken over now and then is not', () => {
  let now = 0
  const registry = new ProblemRegistry()
  const watch = new ProblemWatch(registry, () => now)
  const takeOver = (clientId: string) =>
    watch.hear('disconnect', {
      clientId,
      remoteAddress: '127.0.0.1:1',
      protocol: 'mqtt',
      reasonCode: 0x8e,
      reason: 'Session taken over',
    })
  for (let n = 0; n < 20; n += 1) {
    takeOver('slow')
    now += 11_000
  }
  expect(registry.list).toEqual([])
  for (let n = 0; n < 4; n += 1) takeOver('twin')
  expect(registry.list).toMatchObject([{ code: 'takeOverLoop', clientId: 'twin', count: 1 }])
})

describe('a broker', () => {
  it('names the right address to a TLS client at a port without a certificate, and emits the problem', async () => {
    const broker = await start({ port: 0 })
    const told = once(broker, 'problem')
    const port = broker.addresses[0]?.port as number
    connectSocket(port, '127.0.0.1')
      .on('error', () => {})
      .end(Buffer.from('16030100', 'hex'))
    const [problem] = (await told) as [Problem]
    expect(problem).toMatchObject({ code: 'wrongProtocol', text: expect.stringContaining('TLS'), count: 1 })
    expect(problem.remoteAddress).toMatch(/^127\.0\.0\.1:\d+$/)
    expect(broker.problems).toEqual([problem])
  })

  it('tells which option lets a refused web page in', async () => {
    const broker = await start({ port: 0 })
    const socket = new WebSocket(`ws://127.0.0.1:${broker.addresses[0]?.port}/mqtt`, {
      origin: 'https://elsewhere.example',
    })
    await once(socket, 'error')
    const problem = await found(broker, 'originRefused')
    expect(problem.text).toContain('https://elsewhere.example')
    expect(problem.remedy).toContain('allowedOrigins')
  })

  it('never has a password in what it tells', async () => {
    const broker = await start({ authenticate: () => false })
    const client = clientOver(broker.connect(), { username: 'ada', password: 'lovelace', clientId: 'till' })
    await nextEvent(client, 'error')
    const problem = await found(broker, 'badCredentials')
    expect(problem).toMatchObject({ clientId: 'till', count: 1 })
    expect(JSON.stringify(broker.problems)).not.toContain('lovelace')
    client.end(true)
  })

  it('tells what hooks did not allow, at once or later', async () => {
    const broker = await start({
      authorizePublish: [
        { filter: 'now', handler: () => false },
        { filter: 'later', handler: async () => false },
        { filter: 'fine', handler: () => true },
      ],
      authorizeSubscribe: async ({ topicFilter }) => topicFilter !== 'secret/#',
      onPublish: { filter: 'fine', handler: () => false },
    })
    const client = clientOver(broker.connect(), { clientId: 'c' })
    await nextEvent(client, 'connect')
    client.publish('fine', 'discarded, which is no denial')
    client.publish('now', 'x')
    expect((await found(broker, 'publishDenied')).text).toContain('"now"')
    client.publish('later', 'x')
    await until(() => broker.problems[0]?.text.includes('"later"'), 'the second denial')
    expect(broker.problems[0]?.count).toBe(2)
    await client.subscribeAsync(['secret/#', 'open']).catch(() => {})
    expect((await found(broker, 'subscribeDenied')).text).toContain('"secret/#"')
    expect(broker.problems).toHaveLength(2)
    client.end(true)
  })

  it('tells of messages that a session could not take', async () => {
    const broker = await start({ limits: { maximumQueuedMessages: 1, queueFullPolicy: 'dropNewest' } })
    const client = clientOver(broker.connect(), {
      clientId: 'away',
      clean: false,
      properties: { sessionExpiryInterval: 100 },
    })
    await nextEvent(client, 'connect')
    await client.subscribeAsync('t', { qos: 1 })
    await client.endAsync()
    for (const payload of ['1', '2', '3']) await broker.publish('t', payload, { qos: 1 })
    expect(await found(broker, 'queueFull')).toMatchObject({ clientId: 'away' })
  })

  it('tells of connections that were too many', async () => {
    const broker = await start({ limits: { maximumConnections: 1 } })
    const first = clientOver(broker.connect(), { clientId: 'first' })
    await nextEvent(first, 'connect')
    const second = clientOver(broker.connect(), { clientId: 'second' })
    second.on('error', () => {})
    expect((await found(broker, 'tooManyConnections')).remedy).toContain('maximumConnections')
    first.end(true)
    second.end(true)
  })

  it('tells of clients that have fallen silent', async () => {
    const broker = await start()
    const stream = broker.connect()
    // CONNECT of 3.1.1 with a keep alive of one second.
    stream.write(Buffer.from('100d00044d51545404020001000173', 'hex'))
    expect(await found(broker, 'keepAliveTimeout')).toMatchObject({ clientId: 's', count: 1 })
    stream.destroy()
  })

  it('tells of protocol errors', async () => {
    const broker = await start()
    const stream = broker.connect()
    stream.on('error', () => {}).write(Buffer.from('c000', 'hex'))
    expect((await found(broker, 'protocolError')).remedy).toContain('client library')
    stream.destroy()
  })
})
