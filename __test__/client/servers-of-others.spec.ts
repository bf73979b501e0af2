/** One client, every way to a server, and every server: ours over each transport, Mosquitto and Aedes. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import type { Duplex } from 'node:stream'
import { Aedes } from 'aedes'
import { describe, expect, onTestFinished, type TestContext, test } from 'vitest'
import { Broker, type ClientOptions, connect, MqttClient, type ReceivedMessage } from '../../src/index.js'
import { makeCertificate } from '../support/certificates.js'
import { startMosquitto } from '../support/mosquitto.js'
import { temporaryDirectory } from '../support/temporary.js'

type Skip = Pick<TestContext, 'skip'>
/** Makes clients of one server. */
interface Reached {
  client(options?: ClientOptions): MqttClient
}
type Way = (context: Skip) => Promise<Reached>

const PATIENCE_MS = 60_000

function over(url: string, extra: ClientOptions = {}): Reached {
  return { client: (options = {}) => connect(url, { ...extra, ...options }) }
}

const ours =
  (way: (port: number, cert: string) => Reached, withTls = false): Way =>
  async () => {
    const certificate = withTls ? await makeCertificate() : undefined
    const broker = await Broker.start({
      port: 0,
      host: '127.0.0.1',
      ...(certificate && { tls: certificate }),
    })
    onTestFinished(() => broker.close({ drainTimeoutMs: 0 }))
    return way(broker.addresses[0]?.port ?? 0, certificate?.cert ?? '')
  }

const ways: [string, Way][] = [
  ['ours over mqtt://', ours((port) => over(`mqtt://127.0.0.1:${port}`))],
  ['ours over mqtts://', ours((port, ca) => over(`mqtts://localhost:${port}`, { ca }), true)],
  ['ours over ws://', ours((port) => over(`ws://127.0.0.1:${port}/mqtt`))],
  ['ours over wss://', ours((port, ca) => over(`wss://localhost:${port}/mqtt`, { ca }), true)],
  [
    'ours over unix://',
    async () => {
      const broker = await Broker.start({ listeners: [] })
      const path = `${temporaryDirectory()}/mqtt.sock`
      const server = createServer((socket) => broker.handle(socket)).listen(path)
      await once(server, 'listening')
      onTestFinished(async () => {
        server.close()
        await broker.close({ drainTimeoutMs: 0 })
      })
      return over(`unix://${path}`)
    },
  ],
  [
    'ours in memory',
    async () => {
      const broker = await Broker.start({ listeners: [] })
      onTestFinished(() => broker.close({ drainTimeoutMs: 0 }))
      return { client: (options = {}) => new MqttClient((): Duplex => broker.connect(), options) }
    },
  ],
  ['Mosquitto over mqtt://', async (context) => over(`mqtt://127.0.0.1:${await startMosquitto(context)}`)],
  [
    'Mosquitto over ws://',
    async (context) => {
      // It does not start with a WebSocket listener alone. As root it would become another user, who may not write there.
      const beside = [`listener 0 ${temporaryDirectory()}/beside.sock`, 'user root']
      const port = await startMosquitto(context, { lines: ['protocol websockets', ...beside] })
      return over(`ws://127.0.0.1:${port}/mqtt`)
    },
  ],
  [
    'Aedes over mqtt://',
    async () => {
      const aedes = await Aedes.createBroker()
      const server = createServer({ noDelay: true }, aedes.handle).listen(0, '127.0.0.1')
      await once(server, 'listening')
      onTestFinished(async () => {
        await new Promise<void>((resolve) => aedes.close(() => resolve()))
        server.close()
      })
      return over(`mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`)
    },
  ],
]

describe.each(ways)('%s', (_name, way) => {
  async function reach(context: Skip) {
    const reached = await way(context)
    const open = async (options: ClientOptions = {}): Promise<MqttClient> => {
      const one = reached.client({ reconnectPeriod: 50, ...options })
      onTestFinished(() => one.endAsync(true))
      await new Promise<void>((resolve) => one.once('connect', () => resolve()))
      return one
    }
    return { reached, open }
  }

  /** The next so many messages, as `topic payload qos retain`. */
  function heard(of: MqttClient, count: number): Promise<string[]> {
    const all: string[] = []
    return new Promise((resolve) => {
      of.on('message', (topic, payload, { qos, retain }) => {
        all.push(`${topic} ${payload} ${qos}${retain ? ' retained' : ''}`)
        if (all.length === count) resolve(all)
      })
    })
  }

  test('messages of each QoS, retained ones, and none after unsubscribe', {
    timeout: PATIENCE_MS,
  }, async (context) => {
    const { open } = await reach(context)
    const one = await open()
    await one.publishAsync('kept', 'before', { qos: 1, retain: true })
    const all = heard(one, 5)
    await one.subscribeAsync(['q/#', 'kept'], { qos: 2 })
    await one.publishAsync('q/0', 'zero')
    await one.publishAsync('q/1', 'one', { qos: 1 })
    await one.publishAsync('q/2', 'two', { qos: 2 })
    await one.unsubscribeAsync('q/#')
    await one.publishAsync('q/1', 'nobody', { qos: 1 })
    await one.publishAsync('kept', 'last', { qos: 1 })
    expect((await all).sort()).toEqual([
      'kept before 1 retained',
      'kept last 1',
      'q/0 zero 0',
      'q/1 one 1',
      'q/2 two 2',
    ])
  })

  test('a will for a client that is cut off', { timeout: PATIENCE_MS }, async (context) => {
    const { open } = await reach(context)
    const one = await open()
    await one.subscribeAsync('wills', { qos: 1 })
    const told = heard(one, 1)
    const will = { topic: 'wills', payload: 'gone', qos: 1 as const }
    const other = await open({ will, clientId: 'mortal', reconnectPeriod: 0 })
    // Another with its name: the server cuts the first one off.
    const closed = new Promise<void>((resolve) => other.once('close', () => resolve()))
    await open({ clientId: 'mortal' })
    await closed
    expect(await told).toEqual(['wills gone 1'])
  })

  // As CONNECT has it: [MQTT-3.1.2-23, 3.1.3-2]
  test('a session that is kept has what came meanwhile', { timeout: PATIENCE_MS }, async (context) => {
    const { reached, open } = await reach(context)
    const session = { clean: false, clientId: 'keeper' }
    const first = await open(session)
    await first.subscribeAsync('s', { qos: 1 })
    await first.endAsync()
    const other = await open()
    await other.publishAsync('s', 'meanwhile', { qos: 1 })
    // What the server has kept comes right behind its CONNACK.
    const second = reached.client(session)
    onTestFinished(() => second.endAsync(true))
    expect(await heard(second, 1)).toEqual(['s meanwhile 1'])
  })

  test('handlers, loops, requests, and signals that end them', { timeout: PATIENCE_MS }, async (context) => {
    const { open } = await reach(context)
    const one = await open()
    const got: ReceivedMessage[] = []
    const handler = await one.handle('h/+', (message) => got.push(message), { qos: 1 })
    const leaving = new AbortController()
    const stream = one.messages('h/#', { qos: 1, signal: leaving.signal })
    await stream.subscribed
    await one.publishAsync('h/1', 'x', { qos: 1 })
    expect((await stream.next()).value?.text()).toBe('x')
    leaving.abort()
    expect((await stream.next()).done).toBe(true)
    expect(got.map((message) => message.topicName)).toContain('h/1')
    await handler.unsubscribe()
    if (one.protocolVersion === 5) {
      await one.respond('ask', (message) => `${message.text()}!`)
      expect((await one.request('ask', 'well')).text()).toBe('well!')
    } else {
      await expect(one.request('ask', 'well')).rejects.toMatchObject({
        code: 'ERR_MQTT_UNSUPPORTED_PROTOCOL_VERSION',
      })
    }
    const reason = new Error('enough')
    await expect(one.publishAsync('h/1', 'y', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    await one.endAsync()
    expect(one.disconnected).toBe(true)
  })
})

test('a certificate of an authority that is not trusted is one error with a sentence', {
  timeout: PATIENCE_MS,
}, async () => {
  const [own, other] = [await makeCertificate(), await makeCertificate()]
  const broker = await Broker.start({ port: 0, host: '127.0.0.1', tls: own })
  onTestFinished(() => broker.close({ drainTimeoutMs: 0 }))
  for (const scheme of ['mqtts', 'wss']) {
    const url = `${scheme}://localhost:${broker.addresses[0]?.port}/mqtt`
    const one = connect(url, { ca: other.cert, reconnectPeriod: 0 })
    onTestFinished(() => one.endAsync(true))
    const errors: Error[] = []
    one.on('error', (error) => errors.push(error))
    await new Promise<void>((resolve) => one.once('close', () => resolve()))
    expect(errors).toMatchObject([
      { code: 'ERR_MQTT_TLS', message: expect.stringMatching(/certificate.*\.$/s) },
    ])
  }
})
