import type { IClientOptions, MqttClient } from 'mqtt'
import { afterEach, describe, expect, it } from 'vitest'
import { Broker, type BrokerOptions } from '../src/index.js'
import { clientOver, nextEvent } from './support/mqtt-js.js'
import { until } from './support/until.js'

const open: { close(): unknown }[] = []

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

async function start(options: BrokerOptions): Promise<Broker> {
  const broker = await Broker.start(options)
  open.push(broker)
  return broker
}

function dial(broker: Broker, options: IClientOptions = {}): MqttClient {
  const made = clientOver(broker.connect(), options)
  open.push({ close: () => made.end(true) })
  return made
}

async function connected(broker: Broker, options: IClientOptions = {}): Promise<MqttClient> {
  const made = dial(broker, options)
  await nextEvent(made, 'connect')
  return made
}

/** The Reason Code that a client is refused with. */
async function refusal(broker: Broker, options: IClientOptions = {}): Promise<number> {
  const made = dial(broker, options)
  const [error] = (await nextEvent(made, 'error')) as [{ code: number }]
  return error.code
}

/** The Reason Code of a failed publish, 0 for one that succeeded. */
async function publishCode(
  client: MqttClient,
  topic: string,
  payload = 'x',
  qos: 1 | 2 = 1,
): Promise<number> {
  try {
    await client.publishAsync(topic, payload, { qos })
    return 0
  } catch (error) {
    return (error as { code: number }).code
  }
}

const later = <T>(value: T, ms = 10): Promise<T> =>
  new Promise((resolve) => setTimeout(() => resolve(value), ms))

describe('authenticate', () => {
  it('is told who asks, and lets in or not', async () => {
    const asked: unknown[] = []
    const broker = await start({
      authenticate: (request) => {
        asked.push({ ...request, password: request.password?.toString() })
        return request.username === 'ann' && request.password?.toString() === 'secret'
      },
    })
    await connected(broker, { clientId: 'c1', username: 'ann', password: 'secret' })
    expect(asked).toEqual([
      {
        clientId: 'c1',
        username: 'ann',
        password: 'secret',
        remoteAddress: 'memory',
        protocol: 'memory',
        version: 5,
        cleanStart: true,
      },
    ])
    expect(await refusal(broker, { username: 'ann', password: 'wrong' })).toBe(0x86)
    expect(await refusal(broker)).toBe(0x86)
    expect(await refusal(broker, { protocolVersion: 4 })).toBe(4)
  })

  it('may take its time, while what the client sends waits', async () => {
    const broker = await start({ authenticate: () => later(true, 50) })
    const client = dial(broker)
    const received: string[] = []
    broker.subscribe('early', (message) => received.push(message.text()))
    client.publish('early', 'x')
    await nextEvent(client, 'connect')
    await until(() => received.length === 1, 'the message')
  })

  it('may name the Reason Code', async () => {
    const broker = await start({ authenticate: () => ({ reasonCode: 0x8a, reason: 'banned' }) })
    expect(await refusal(broker)).toBe(0x8a)
  })

  it('denies when it throws, rejects or forgets to answer, and says so in the log', async () => {
    const logged: object[] = []
    const logger = { debug() {}, info() {}, warn() {}, error: (fields: object) => logged.push(fields) }
    const answers = [
      () => {
        throw new Error('broken')
      },
      () => Promise.reject(new Error('broken')),
      () => undefined as never,
    ]
    for (const authenticate of answers) {
      const broker = await start({ authenticate, logger })
      expect(await refusal(broker)).toBeGreaterThanOrEqual(0x80)
    }
    expect(logged).toHaveLength(2)
    expect(logged[0]).toMatchObject({ hook: 'authenticate', code: 'ERR_MQTT_HOOK_FAILED' })
  })
})

describe('authorizePublish', () => {
  it('is asked about its topics only', async () => {
    const asked: string[] = []
    const broker = await start({
      authorizePublish: {
        filter: 'guarded/#',
        handler: ({ topicName, client, payload }) => {
          asked.push(`${client.clientId} ${topicName} ${payload}`)
          return topicName !== 'guarded/no'
        },
      },
    })
    const client = await connected(broker, { clientId: 'c' })
    expect(await publishCode(client, 'free')).toBe(0)
    expect(await publishCode(client, 'guarded/yes')).toBe(0)
    expect(await publishCode(client, 'guarded/no')).toBe(0x87)
    expect(await publishCode(client, 'guarded/no', 'x', 2)).toBe(0x87)
    expect(asked).toEqual(['c guarded/yes x', 'c guarded/no x', 'c guarded/no x'])
    expect(broker.metrics().publishRefused).toBe(2)
  })

  it('as a plain function is asked about every topic, those that begin with $ too', async () => {
    const broker = await start({ authorizePublish: ({ topicName }) => !topicName.startsWith('$') })
    const client = await connected(broker)
    expect(await publishCode(client, 'a')).toBe(0)
    expect(await publishCode(client, '$special/a')).toBe(0x87)
  })

  it('keeps the order of a connection while it decides, and does not stop another one', async () => {
    let release = (): void => {}
    const slow = new Promise<boolean>((resolve) => {
      release = () => resolve(true)
    })
    const broker = await start({
      authorizePublish: { filter: 'slow', handler: () => slow },
    })
    const received: string[] = []
    broker.subscribe('#', (message) => received.push(message.topicName))
    const [held, free] = [await connected(broker), await connected(broker)]
    held.publish('slow', 'x')
    held.publish('behind', 'x')
    await later(20)
    expect(await publishCode(free, 'free')).toBe(0)
    await until(() => received.length === 1, 'the free message')
    release()
    await until(() => received.length === 3, 'all messages')
    expect(received).toEqual(['free', 'slow', 'behind'])
  })

  it('answers a thousand messages of one chunk in order', async () => {
    const broker = await start({ authorizePublish: ({ payload }) => Number(payload) % 2 === 0 })
    const received: number[] = []
    broker.subscribe('n', (message) => received.push(Number(message.text())))
    const client = await connected(broker)
    for (let n = 0; n < 1000; n += 1) client.publish('n', String(n))
    await until(() => received.length === 500, 'the even half')
    expect(received).toEqual(Array.from({ length: 500 }, (_, n) => n * 2))
  })

  it('is asked about a will when the client connects', async () => {
    const broker = await start({ authorizePublish: { filter: 'forbidden', handler: () => false } })
    expect(
      await refusal(broker, {
        will: { topic: 'forbidden', payload: Buffer.from('x'), qos: 0, retain: false },
      }),
    ).toBe(0x87)
    await connected(broker, { will: { topic: 'allowed', payload: Buffer.from('x'), qos: 0, retain: false } })
  })

  it('asks all hooks of a topic until one refuses', async () => {
    const asked: string[] = []
    const broker = await start({
      authorizePublish: [
        { filter: 'a/#', handler: async () => asked.push('first') > 0 },
        { filter: '+/b', handler: () => asked.push('second') < 0 },
        { filter: 'a/b', handler: () => asked.push('third') > 0 },
        { filter: 'other', handler: () => asked.push('other') > 0 },
      ],
    })
    expect(await publishCode(await connected(broker), 'a/b')).toBe(0x87)
    expect(asked).toEqual(['first', 'second'])
  })
})

describe('authorizeSubscribe', () => {
  it('decides for each filter of a SUBSCRIBE', async () => {
    const broker = await start({
      authorizeSubscribe: {
        filter: 'secret/#',
        handler: async ({ topicFilter }) => topicFilter === 'secret/mine',
      },
    })
    const client = await connected(broker)
    const granted = await new Promise<number[]>((resolve) => {
      client.on('packetreceive', (packet) => {
        if (packet.cmd === 'suback') resolve(packet.granted as number[])
      })
      client.subscribe(
        ['open', 'secret/mine', 'secret/yours', '#', '$share/g/secret/yours'],
        { qos: 1 },
        () => {},
      )
    })
    // '#' would see the secrets as well.
    expect(granted).toEqual([1, 1, 0x87, 0x87, 0x87])
    expect(broker.metrics().subscriptions).toBe(2)
  })
})

describe('onPublish', () => {
  it('sees, changes and drops messages', async () => {
    const broker = await start({
      onPublish: [
        { filter: 'upper', handler: ({ payload }) => ({ payload: payload.toString().toUpperCase() }) },
        { filter: 'moved', handler: () => ({ topicName: 'elsewhere', retain: true }) },
        { filter: 'elsewhere', handler: async ({ payload }) => ({ payload: `${payload}, twice` }) },
        { filter: 'dropped', handler: () => false },
        { filter: 'seen', handler: () => undefined },
        {
          filter: 'broken',
          handler: () => {
            throw new Error('broken')
          },
        },
      ],
    })
    const received: [string, string, boolean][] = []
    broker.subscribe('#', ({ topicName, retain, payload }) =>
      received.push([topicName, String(payload), retain]),
    )
    const client = await connected(broker)
    expect(await publishCode(client, 'upper', 'a')).toBe(0)
    expect(await publishCode(client, 'moved', 'b')).toBe(0)
    expect(await publishCode(client, 'dropped', 'c')).toBe(0)
    expect(await publishCode(client, 'seen', 'd')).toBe(0)
    expect(await publishCode(client, 'broken', 'e')).toBe(0x87)
    expect(await publishCode(client, 'plain', 'f')).toBe(0)
    await until(() => received.length === 4, 'four messages')
    expect(received).toEqual([
      ['upper', 'A', false],
      ['elsewhere', 'b, twice', true],
      ['seen', 'd', false],
      ['plain', 'f', false],
    ])
  })
})
