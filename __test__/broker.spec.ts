import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import type { Duplex } from 'node:stream'
import mqtt, { type MqttClient } from 'mqtt'
import { afterEach, describe, expect, it } from 'vitest'
import { Broker, type BrokerOptions, type Message, MqttError } from '../src/index.js'
import { freePort } from './support/free-port.js'
import { clientOver, nextEvent } from './support/mqtt-js.js'
import { until } from './support/until.js'

const open: { close(): unknown }[] = []

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

async function start(options: BrokerOptions = {}): Promise<Broker> {
  const broker = await Broker.start(options)
  open.push(broker)
  return broker
}

/** An MQTT.js client at the other end of a stream. */
async function client(stream: Duplex, options: mqtt.IClientOptions = {}): Promise<MqttClient> {
  const made = clientOver(stream, options)
  open.push({ close: () => made.end(true) })
  await nextEvent(made, 'connect')
  return made
}

function portOf(broker: Broker): number {
  const [address] = broker.addresses
  if (address === undefined) throw new Error('it listens nowhere')
  return address.port
}

describe('a broker', () => {
  it('listens nowhere unless it is told to', async () => {
    const broker = await start()
    expect(broker.addresses).toEqual([])
  })

  it('says where it listens, with the port that was free', async () => {
    const broker = await start({ port: 0 })
    expect(broker.addresses[0]).toMatchObject({ protocol: 'auto', host: '127.0.0.1' })
    expect(portOf(broker)).toBeGreaterThan(0)
  })

  it('refuses a taken port with one sentence and leaves nothing open', async () => {
    const first = await start({ port: 0, host: '127.0.0.1' })
    const failure = await Broker.start({ port: portOf(first), host: '127.0.0.1' }).catch(
      (error: unknown) => error,
    )
    expect(failure).toBeInstanceOf(MqttError)
    expect(failure).toMatchObject({ code: 'ERR_MQTT_ADDRESS_IN_USE' })
  })

  it('refuses an unknown option and names the nearest one', async () => {
    const failure = Broker.start({ prot: 1 } as never)
    await expect(failure).rejects.toMatchObject({ code: 'ERR_MQTT_INVALID_OPTION' })
    await expect(failure).rejects.toThrow(/port/)
  })

  it('is closed at the end of its scope', async () => {
    const port = await freePort()
    {
      await using broker = await Broker.start({ port, host: '127.0.0.1' })
      expect(portOf(broker)).toBe(port)
    }
    await start({ port, host: '127.0.0.1' })
  })

  it('tells 5.0 clients that it is going down', async () => {
    const broker = await start({ port: 0 })
    const peer = await client(broker.connect())
    const goodbye = nextEvent(peer, 'disconnect')
    await broker.close()
    const [packet] = (await goodbye) as [{ reasonCode: number }]
    expect(packet.reasonCode).toBe(0x8b)
  })

  it('cuts connections that do not end in time', async () => {
    const broker = await start()
    const stream = broker.connect()
    const peer = await client(stream)
    stream.pause()
    stream.removeAllListeners('data')
    const began = performance.now()
    await broker.close({ drainTimeoutMs: 100 })
    expect(performance.now() - began).toBeLessThan(4_000)
    peer.end(true)
  })

  it('takes nothing after it is closed', async () => {
    const broker = await start()
    await broker.close()
    await broker.close()
    await expect(broker.publish('a', 'b')).rejects.toMatchObject({ code: 'ERR_MQTT_BROKER_CLOSED' })
    expect(() => broker.subscribe('a', () => {})).toThrow(MqttError)
    const stream = broker.connect()
    await once(stream.resume(), 'close')
  })

  it('takes the sockets of a server that is not its own', async () => {
    const broker = await start()
    const server = createServer(broker.handle).listen(0, '127.0.0.1')
    open.push(server)
    await once(server, 'listening')
    const peer = await mqtt.connectAsync(`mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`)
    open.push({ close: () => peer.end(true) })
    const received: Message[] = []
    broker.subscribe('from/#', (message) => received.push(message))
    await peer.publishAsync('from/outside', 'x', { qos: 1 })
    await until(() => received.length === 1, 'the message')
  })

  it('counts what it does', async () => {
    const broker = await start()
    const peer = await client(broker.connect())
    await peer.subscribeAsync('a')
    await peer.publishAsync('a', 'x', { qos: 1 })
    const metrics = broker.metrics()
    expect(metrics).toMatchObject({
      clientsConnected: 1,
      publishReceived: 1,
      publishSent: 1,
      subscriptions: 1,
    })
    expect(broker.connectedClients).toBe(1)
  })
})

describe('events', () => {
  it('tell of a client from its CONNECT to its end', async () => {
    const broker = await start()
    const told: [string, unknown][] = []
    for (const name of ['connect', 'subscribe', 'unsubscribe', 'disconnect'] as const) {
      broker.on(name, (event: unknown) => told.push([name, event]))
    }
    const peer = await client(broker.connect(), { clientId: 'c1', username: 'u', keepalive: 30 })
    await peer.subscribeAsync('a/+', { qos: 1 })
    await peer.unsubscribeAsync('a/+')
    await peer.endAsync()
    await until(() => told.length === 4, 'four events')
    expect(told).toEqual([
      [
        'connect',
        {
          clientId: 'c1',
          username: 'u',
          remoteAddress: 'memory',
          protocol: 'memory',
          version: 5,
          cleanStart: true,
          sessionPresent: false,
          keepAliveSecs: 30,
        },
      ],
      ['subscribe', { clientId: 'c1', topicFilter: 'a/+', qos: 1 }],
      ['unsubscribe', { clientId: 'c1', topicFilter: 'a/+' }],
      [
        'disconnect',
        expect.objectContaining({ clientId: 'c1', reasonCode: 0, reason: 'Normal disconnection' }),
      ],
    ])
  })

  it('tell of a lost connection and of one that broke the protocol', async () => {
    const broker = await start()
    const lost = once(broker, 'disconnect')
    const stream = broker.connect()
    await client(stream)
    stream.destroy()
    expect(((await lost) as [object])[0]).toMatchObject({
      reason: 'Connection lost',
      remoteAddress: 'memory',
    })

    const broken = once(broker, 'protocolError')
    broker.connect().write(Buffer.from([0x30, 0x00]))
    expect(((await broken) as [object])[0]).toMatchObject({ reasonCode: 0x82, reason: 'Protocol Error' })
  })

  it('go on for the others when a listener throws', async () => {
    const broker = await start()
    const uncaught = new Promise<unknown>((resolve) => {
      const listeners = process.listeners('uncaughtException')
      process.removeAllListeners('uncaughtException')
      process.once('uncaughtException', (error) => {
        for (const listener of listeners) process.on('uncaughtException', listener)
        resolve(error)
      })
    })
    const received: string[] = []
    broker.subscribe('a', () => {
      throw new Error('not ours')
    })
    broker.subscribe('a', (message) => received.push(message.text()))
    await broker.publish('a', 'x')
    expect(await uncaught).toMatchObject({ message: 'not ours' })
    await until(() => received.length === 1, 'the other handler')
  })
})

describe('publishing and subscribing in process', () => {
  it('delivers with every property, and without a network', async () => {
    const broker = await start()
    const received: Message[] = []
    broker.subscribe('a/+', (message) => received.push(message))
    await broker.publish('a/b', 'ü', {
      qos: 2,
      retain: true,
      payloadFormatIndicator: true,
      contentType: 'text/plain',
      responseTopic: 'r',
      correlationData: Buffer.from([1, 2]),
      userProperties: [
        ['k', 'v'],
        ['k', 'w'],
      ],
    })
    await until(() => received.length === 1, 'the message')
    const [message] = received
    expect(message).toMatchObject({ topicName: 'a/b', qos: 2, retain: true })
    expect(message?.text()).toBe('ü')
    expect(message?.properties).toEqual({
      payloadFormatIndicator: true,
      contentType: 'text/plain',
      responseTopic: 'r',
      correlationData: Buffer.from([1, 2]),
      userProperties: [
        ['k', 'v'],
        ['k', 'w'],
      ],
    })
  })

  it('reaches network clients, and they reach it', async () => {
    const broker = await start()
    const peer = await client(broker.connect())
    await peer.subscribeAsync('to/peer', { qos: 2 })
    const arrived = nextEvent(peer, 'message')
    await broker.publish('to/peer', JSON.stringify({ n: 1 }), { qos: 2 })
    expect(String((await arrived)[1])).toBe('{"n":1}')

    const received: Message[] = []
    broker.subscribe('to/us', (message) => received.push(message))
    await peer.publishAsync('to/us', '{"n":2}', { qos: 1 })
    await until(() => received.length === 1, 'the message')
    expect(received[0]?.json()).toEqual({ n: 2 })
  })

  it('sends retained messages first, or not at all', async () => {
    const broker = await start()
    await broker.publish('r', 'kept', { retain: true })
    const [first, second]: [Message[], Message[]] = [[], []]
    broker.subscribe('r', (message) => first.push(message))
    broker.subscribe('r', (message) => second.push(message), { retained: false })
    await broker.publish('r', 'new')
    await until(() => first.length === 2 && second.length === 1, 'the messages')
    expect(first.map((message) => [message.text(), message.retain])).toEqual([
      ['kept', true],
      ['new', false],
    ])
    expect(second[0]?.text()).toBe('new')
  })

  it('ends with unsubscribe, with the scope and with the signal', async () => {
    const broker = await start()
    let count = 0
    const abort = new AbortController()
    const byHand = broker.subscribe('a', () => (count += 1))
    broker.subscribe('a', () => (count += 1), { signal: abort.signal })
    {
      using _scoped = broker.subscribe('a', () => (count += 1))
      await broker.publish('a', '1')
      await until(() => count === 3, 'three messages')
    }
    byHand.unsubscribe()
    byHand.unsubscribe()
    abort.abort()
    await broker.publish('a', '2')
    await broker.publish('b', '3')
    expect(broker.metrics().subscriptions).toBe(0)
    expect(count).toBe(3)
    expect(() => broker.subscribe('a', () => {}, { signal: abort.signal })).toThrow()
  })

  it('says what is wrong with a topic, a filter, a QoS and a size', async () => {
    const broker = await start({ limits: { maximumPacketSizeBytes: 1000 } })
    await expect(broker.publish('a/+', 'x')).rejects.toMatchObject({ code: 'ERR_MQTT_INVALID_TOPIC_NAME' })
    await expect(broker.publish('', 'x')).rejects.toMatchObject({ code: 'ERR_MQTT_INVALID_TOPIC_NAME' })
    // As Aedes has it.
    const packet = { topic: 'a', payload: 'x' } as unknown as string
    await expect(broker.publish(packet, 'x')).rejects.toMatchObject({ code: 'ERR_MQTT_INVALID_TOPIC_NAME' })
    await expect(broker.publish('a', 7 as unknown as string)).rejects.toMatchObject({
      code: 'ERR_MQTT_INVALID_OPTION',
    })
    for (const [filter, handler] of [
      [7, () => {}],
      ['a', undefined],
    ])
      expect(() => broker.subscribe(filter as string, handler as () => void)).toThrow(
        expect.objectContaining({ code: 'ERR_MQTT_INVALID_OPTION' }),
      )
    await expect(broker.publish('a', 'x', { qos: 3 as never })).rejects.toMatchObject({
      code: 'ERR_MQTT_INVALID_OPTION',
    })
    await expect(broker.publish('a', Buffer.alloc(1001))).rejects.toMatchObject({
      code: 'ERR_MQTT_PACKET_TOO_LARGE',
    })
    expect(() => broker.subscribe('a/#/b', () => {})).toThrow(
      expect.objectContaining({ code: 'ERR_MQTT_INVALID_TOPIC_FILTER' }),
    )
    expect(() => broker.messages('+a')).toThrow(
      expect.objectContaining({ code: 'ERR_MQTT_INVALID_TOPIC_FILTER' }),
    )
  })

  it('says that a queue is full', async () => {
    const broker = await start({ limits: { maximumQueuedMessages: 2 } })
    const stream = broker.connect()
    const peer = await client(stream, {
      clientId: 'away',
      clean: false,
      properties: { sessionExpiryInterval: 60 },
    })
    await peer.subscribeAsync('q', { qos: 1 })
    peer.end(true)
    await once(broker, 'disconnect')
    const dropped = once(broker, 'drop')
    await broker.publish('q', '1', { qos: 1 })
    await broker.publish('q', '2', { qos: 1 })
    await expect(broker.publish('q', '3', { qos: 1 })).rejects.toMatchObject({
      code: 'ERR_MQTT_QUOTA_EXCEEDED',
      reasonCode: 0x97,
    })
    expect(((await dropped) as [object])[0]).toEqual({ clientId: 'away', count: 1, reason: 'queueFull' })
  })
})

describe('messages as an async iterable', () => {
  it('come in order and end with the loop', async () => {
    const broker = await start()
    const stream = broker.messages('n/#')
    for (let n = 0; n < 5; n += 1) await broker.publish(`n/${n}`, String(n))
    const seen: string[] = []
    for await (const message of stream) {
      seen.push(message.text())
      if (seen.length === 5) break
    }
    expect(seen).toEqual(['0', '1', '2', '3', '4'])
    expect(broker.metrics().subscriptions).toBe(0)
  })

  it('wait for what is published later', async () => {
    const broker = await start()
    const stream = broker.messages('later')
    const pending = stream.next()
    await broker.publish('later', 'x')
    expect((await pending).value?.text()).toBe('x')
    stream.end()
    expect((await stream.next()).done).toBe(true)
  })

  it('end with the signal and with the broker', async () => {
    const broker = await start()
    const abort = new AbortController()
    const [bySignal, byClose] = [
      broker.messages('a', { signal: abort.signal }).next(),
      broker.messages('a').next(),
    ]
    abort.abort()
    expect((await bySignal).done).toBe(true)
    await broker.close()
    expect((await byClose).done).toBe(true)
  })

  it('drop the oldest for a reader that is too slow, and count it', async () => {
    const broker = await start()
    const stream = broker.messages('fast', { maximumQueued: 3 })
    for (let n = 0; n < 10; n += 1) await broker.publish('fast', String(n))
    await until(() => stream.droppedCount === 7, 'seven drops')
    expect((await stream.next()).value?.text()).toBe('7')
    stream.end()
  })
})
