import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { connectAsync, MqttClient, type ReceivedPublish } from '../../src/index.js'
import { until } from '../support/until.js'
import { cleanUp, client, collect, connected, next, startBroker } from './support.js'

describe.each([5, 4, 3] as const)('a client that speaks version %i', (protocolVersion) => {
  // [MQTT-3.3.4-1], v3.1.1 [MQTT-3.3.4-1]
  test('publishes and receives at each QoS', async () => {
    const { url } = await startBroker()
    const one = await connected(url, { protocolVersion })
    const packets: ReceivedPublish[] = []
    one.on('message', (_topic, _payload, packet) => packets.push(packet))
    const grants = await one.subscribeAsync('q/#', { qos: 2 })
    expect(grants).toEqual([{ topic: 'q/#', qos: 2 }])
    expect(await one.publishAsync('q/0', 'zero')).toBeUndefined()
    expect(await one.publishAsync('q/1', Buffer.from('one'), { qos: 1 })).toMatchObject({ cmd: 'puback' })
    expect(await one.publishAsync('q/2', 'two', { qos: 2 })).toMatchObject({ cmd: 'pubcomp' })
    await until(() => packets.length === 3, 'three messages')
    expect(packets.map(({ topic, payload, qos }) => [topic, `${payload}`, qos])).toEqual([
      ['q/0', 'zero', 0],
      ['q/1', 'one', 1],
      ['q/2', 'two', 2],
    ])
    expect(one.protocolVersion).toBe(protocolVersion)
    await one.endAsync()
  })
})

describe('the words of MQTT.js', () => {
  test('callbacks are told what promises are', async () => {
    const { url } = await startBroker()
    const one = client(url)
    const said: unknown[] = []
    await new Promise<void>((resolve) => {
      one.subscribe(['a', 'b'], { qos: 1 }, (error, granted, packet) => {
        said.push(error, granted, packet?.cmd, packet?.granted)
        one.publish('a', 'x', { qos: 1 }, (failure, receipt) => {
          said.push(failure ?? null, receipt?.cmd)
          one.unsubscribe('a', (problem, unsuback) => {
            said.push(problem, unsuback?.cmd)
            one.end(false, () => resolve())
          })
        })
      })
    })
    expect(said).toEqual([
      null,
      [
        { topic: 'a', qos: 1 },
        { topic: 'b', qos: 1 },
      ],
      'suback',
      [1, 1],
      null,
      'puback',
      null,
      'unsuback',
    ])
  })

  test('connect, close and end are emitted in this order, and the flags follow', async () => {
    const { url } = await startBroker()
    const one = client(url)
    const said: string[] = []
    for (const name of ['connect', 'reconnect', 'close', 'offline', 'end', 'error'] as const) {
      one.on(name, () => said.push(`${name} ${one.connected}`))
    }
    await once(one, 'connect')
    await one.endAsync()
    expect(said).toEqual(['connect true', 'close false', 'end false'])
    expect([one.connected, one.disconnecting, one.disconnected]).toEqual([false, true, true])
  })

  test('each filter of an object has its own options', async () => {
    const { url } = await startBroker()
    const one = await connected(url)
    const grants = await one.subscribeAsync({ one: { qos: 1 }, two: { qos: 2, nl: true } })
    expect(grants.map(({ topic, qos }) => [topic, qos])).toEqual([
      ['one', 1],
      ['two', 2],
    ])
    const messages = collect(one)
    await one.publishAsync('two', 'not local', { qos: 1 })
    await one.publishAsync('one', 'local', { qos: 1 })
    await until(() => messages.length > 0, 'a message')
    expect(messages).toEqual(['one local'])
  })

  test('a client that has ended is brought back by reconnect, with its subscriptions', async () => {
    const { url } = await startBroker()
    const one = await connected(url)
    const messages = collect(one)
    await one.subscribeAsync('again')
    await one.endAsync()
    one.reconnect()
    await once(one, 'connect')
    await one.publishAsync('again', 'here', { qos: 1 })
    await until(() => messages.length > 0, 'a message')
    expect(messages).toEqual(['again here'])
  })

  test('connectAsync rejects with the first error and leaves no client behind', async () => {
    const { url } = await startBroker({ authenticate: () => false })
    await expect(connectAsync(url)).rejects.toMatchObject({
      code: 'ERR_MQTT_CONNECTION_REFUSED',
      reasonCode: expect.any(Number),
    })
    await expect(connectAsync('mqtt://127.0.0.1:1')).rejects.toMatchObject({ code: 'ERR_MQTT_CONNECT' })
  })

  test('a stream of the user’s own carries a client', async () => {
    const { broker } = await startBroker()
    const one = new MqttClient(() => broker.connect())
    cleanUp(() => one.endAsync(true))
    const messages = collect(one)
    await one.subscribeAsync('in/process')
    await one.publishAsync('in/process', 'hello')
    await until(() => messages.length > 0, 'a message')
    expect(messages).toEqual(['in/process hello'])
  })
})

describe('messages', () => {
  test('properties go and come in the words of MQTT.js', async () => {
    const { url } = await startBroker()
    const one = await connected(url)
    await one.subscribeAsync('p', { properties: { subscriptionIdentifier: 7 } })
    const came = once(one, 'message')
    const properties = {
      payloadFormatIndicator: true,
      messageExpiryInterval: 100,
      contentType: 'text/plain',
      responseTopic: 'answers',
      correlationData: Buffer.from([1, 2, 3]),
      userProperties: { one: 'a', two: ['b', 'c'] },
    }
    await one.publishAsync('p', 'ü', { qos: 1, properties })
    const [, , packet] = (await came) as [string, Buffer, ReceivedPublish]
    expect(packet.properties).toMatchObject({ ...properties, subscriptionIdentifier: 7 })
  })

  test('a payload stays what it was when later chunks have come', async () => {
    const { url } = await startBroker()
    const one = await connected(url)
    const kept: Buffer[] = []
    one.on('message', (_topic, payload) => kept.push(payload))
    await one.subscribeAsync('k', { qos: 1 })
    for (let index = 0; index < 300; index += 1) await one.publishAsync('k', `number ${index}`, { qos: 1 })
    await until(() => kept.length === 300, 'all messages')
    expect(kept.map(String)).toEqual(Array.from({ length: 300 }, (_, index) => `number ${index}`))
  })

  test.each([0, 1, 24, 25, 127, 128, 16_383, 16_384, 100_000, 3_000_000])(
    'a payload of %i bytes arrives whole, as bytes and as text',
    async (length) => {
      const { url } = await startBroker({ limits: { maximumPacketSizeBytes: 4_000_000 } })
      const one = await connected(url)
      const came: Buffer[] = []
      one.on('message', (_topic, payload) => came.push(payload))
      await one.subscribeAsync('large/#', { qos: 1 })
      const bytes = Buffer.alloc(length, 'abcdefghijklmnopqrstuvwxyzäöü')
      const text = 'abc€'.repeat(Math.ceil(length / 4)).slice(0, length)
      await Promise.all([
        one.publishAsync('large/bytes', bytes, { qos: 1 }),
        one.publishAsync('large/täxt', length > 1_000_000 ? 'short' : text, { qos: 1 }),
      ])
      await until(() => came.length === 2, 'both')
      expect(came[0]?.equals(bytes)).toBe(true)
      expect(`${came[1]}`).toBe(length > 1_000_000 ? 'short' : text)
    },
  )

  test('more QoS 0 messages in one turn than any buffer holds all arrive, in order', async () => {
    const { url } = await startBroker({
      limits: { maximumOutBufferBytes: 64 * 1024 * 1024, maximumBufferedBytes: 256 * 1024 * 1024 },
    })
    const [from, to] = [await connected(url), await connected(url)]
    let next = 0
    to.on('message', (_topic, payload) => {
      if (payload.readUInt32BE(0) === next) next += 1
    })
    await to.subscribeAsync('flood')
    for (let index = 0; index < 10_000; index += 1) {
      const payload = Buffer.alloc(1_000)
      payload.writeUInt32BE(index)
      from.publish('flood', payload)
    }
    await from.publishAsync('flood-is-over', '')
    await until(() => next === 10_000, 'the last message')
  }, 20_000)

  test('a handler that throws is an uncaught exception, and the messages behind it come', async () => {
    const { url } = await startBroker()
    const one = await connected(url)
    const thrown: unknown[] = []
    const before = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', (error) => thrown.push(error.message))
    try {
      const came: string[] = []
      one.on('message', (_topic, payload) => {
        came.push(`${payload}`)
        if (came.length === 1) throw new Error('mine')
      })
      await one.subscribeAsync('t', { qos: 1 })
      await Promise.all(['1', '2', '3'].map((payload) => one.publishAsync('t', payload, { qos: 1 })))
      await until(() => came.length === 3 && thrown.length === 1, 'all of them')
      expect(thrown).toEqual(['mine'])
    } finally {
      process.removeAllListeners('uncaughtException')
      for (const listener of before) process.on('uncaughtException', listener)
    }
  })
})

describe('what is not sent', () => {
  test.each([
    ['a/#', 'ERR_MQTT_INVALID_TOPIC_NAME'],
    ['a/+', 'ERR_MQTT_INVALID_TOPIC_NAME'],
    ['', 'ERR_MQTT_INVALID_PACKET'],
    ['a\0b', 'ERR_MQTT_INVALID_PACKET'],
    ['ä\0b', 'ERR_MQTT_INVALID_PACKET'],
    ['x'.repeat(65_536), 'ERR_MQTT_INVALID_PACKET'],
  ])('the topic name %j', async (topic, code) => {
    const { url } = await startBroker()
    const one = await connected(url)
    await expect(one.publishAsync(topic, 'x')).rejects.toMatchObject({ code })
    await expect(one.publishAsync('good', 'x', { qos: 1 })).resolves.toBeDefined()
  })

  // [MQTT-4.7.1-1]
  test('a filter that is not valid', async () => {
    const { url } = await startBroker()
    const one = await connected(url)
    await expect(one.subscribeAsync('a/#/b')).rejects.toMatchObject({ code: 'ERR_MQTT_INVALID_TOPIC_FILTER' })
    await expect(one.unsubscribeAsync('')).rejects.toBeInstanceOf(Error)
  })

  // [MQTT-3.2.2-11, 3.2.2-14]
  test('what the server said that it does not take', async () => {
    const { url } = await startBroker({ features: { maximumQos: 1, retain: false } })
    const one = await connected(url)
    expect(one.serverProperties).toMatchObject({ maximumQoS: 1, retainAvailable: false })
    await expect(one.publishAsync('a', 'x', { qos: 2 })).rejects.toMatchObject({
      code: 'ERR_MQTT_NOT_SUPPORTED',
    })
    await expect(one.publishAsync('a', 'x', { retain: true })).rejects.toMatchObject({
      code: 'ERR_MQTT_NOT_SUPPORTED',
    })
  })

  test('anything after end', async () => {
    const { url } = await startBroker()
    const one = await connected(url)
    await one.endAsync()
    await expect(one.publishAsync('a', 'x')).rejects.toMatchObject({ code: 'ERR_MQTT_CLIENT_ENDED' })
    await expect(one.subscribeAsync('a')).rejects.toMatchObject({ code: 'ERR_MQTT_CLIENT_ENDED' })
  })
})

describe('AbortSignal', () => {
  /** A promise that waits, for each function that takes a signal; and its name. */
  const waits: [string, (of: MqttClient, signal: AbortSignal) => Promise<unknown>][] = [
    ['publishAsync', (of, signal) => of.publishAsync('a', 'x', { qos: 1, signal })],
    ['subscribeAsync', (of, signal) => of.subscribeAsync('a', { signal })],
    ['unsubscribeAsync', (of, signal) => of.unsubscribeAsync('a', { signal })],
    ['handle', (of, signal) => of.handle('a', () => {}, { signal })],
    ['respond', (of, signal) => of.respond('a', () => undefined, { signal })],
    ['request', (of, signal) => of.request('a', 'x', { signal })],
    ['connectAsync', (_of, signal) => connectAsync('mqtt://127.0.0.1:1', { manualConnect: true, signal })],
  ]

  test.each(waits)('%s rejects with the reason of the signal, whatever that is', async (_name, wait) => {
    const one = client('mqtt://127.0.0.1:1', { manualConnect: true, protocolVersion: 5 })
    for (const reason of [new Error('enough'), { not: 'an error' }, undefined]) {
      const controller = new AbortController()
      const waiting = wait(one, controller.signal)
      controller.abort(reason)
      const error = await waiting.then(
        () => 'resolved',
        (problem: unknown) => problem,
      )
      expect(error).toBe(controller.signal.reason)
      const late = await wait(one, controller.signal).catch((problem: unknown) => problem)
      expect(late).toBe(controller.signal.reason)
    }
    const nothing = await wait(one, AbortSignal.abort(null)).then(
      () => 'resolved',
      () => 'rejected',
    )
    expect(nothing).toBe('rejected')
  })

  test('ends a client, and the messages of a filter', async () => {
    const { url } = await startBroker()
    const controller = new AbortController()
    const one = await connected(url, { signal: controller.signal })
    const leaving = new AbortController()
    const stream = one.messages('a', { signal: leaving.signal })
    await stream.subscribed
    leaving.abort(new Error('enough'))
    expect(await stream.next()).toEqual({ done: true, value: undefined })
    const ended = next(one, 'end')
    controller.abort(new Error('enough'))
    await ended
    await expect(one.publishAsync('a', 'x')).rejects.toMatchObject({ code: 'ERR_MQTT_CLIENT_ENDED' })
  })
})

describe('the end', () => {
  test('waits for what was published, also before there was a connection', async () => {
    const { broker, url } = await startBroker()
    const got: string[] = []
    broker.subscribe('last/#', (message) => {
      got.push(message.text())
    })
    const one = client(url)
    one.publish('last/0', 'a')
    one.publish('last/1', 'b', { qos: 1 })
    one.publish('last/2', 'c', { qos: 2 })
    await one.endAsync()
    await until(() => got.length === 3, 'three messages')
    expect(got.sort()).toEqual(['a', 'b', 'c'])
  })

  test('a will is sent for a client that is cut off, and not for one that ends', async () => {
    const { broker, url } = await startBroker()
    const got: string[] = []
    broker.subscribe('wills', (message) => {
      got.push(message.text())
    })
    const good = await connected(url, { will: { topic: 'wills', payload: 'good' } })
    await good.endAsync()
    const bad = await connected(url, { will: { topic: 'wills', payload: Buffer.from('bad'), qos: 1 } })
    await bad.endAsync({ reasonCode: 4 })
    await until(() => got.length > 0, 'a will')
    expect(got).toEqual(['bad'])
  })
})
