/** The browser module against a running broker, with the WebSocket of `ws`. In a browser: chromium.spec.ts. */
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import {
  type Client,
  type ConnectOptions,
  connect,
  type Message,
  type State,
} from '../../src/browser/client.js'
import { Broker } from '../../src/index.js'
import { CuttingProxy } from '../support/cutting-proxy.js'
import { freePort } from '../support/free-port.js'
import { until } from '../support/until.js'
import { liveUrl, portOf } from './live-client.js'

let broker: Broker
const clients: Client[] = []

beforeAll(async () => {
  broker = await Broker.start({
    port: 0,
    host: '127.0.0.1',
    authenticate: ({ username }) => username !== 'mallory',
  })
})

afterAll(async () => {
  for (const client of clients) client.close()
  await broker.close({ drainTimeoutMs: 0 })
})

function open(options: ConnectOptions = {}, url = liveUrl(broker)): Client {
  const client = connect(url, {
    WebSocket,
    maximumBackoffMs: 50,
    ...options,
  })
  clients.push(client)
  return client
}

it('is served with its hash, for pages of any origin, in less than 5 KB', async () => {
  const address = `http://127.0.0.1:${portOf(broker)}/client.js`
  const response = await fetch(address, { headers: { origin: 'https://other.example' } })
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('text/javascript; charset=utf-8')
  expect(response.headers.get('content-encoding')).toBe('gzip')
  expect(response.headers.get('access-control-allow-origin')).toBe('*')
  const source = await response.text()
  expect(source).toContain('import.meta.url')
  expect(gzipSync(source, { level: 9 }).length).toBeLessThan(5_000)
  const etag = response.headers.get('etag') ?? ''
  const again = await fetch(address, { headers: { 'if-none-match': etag, 'cache-control': 'max-age=0' } })
  expect(again.status).toBe(304)
  const plain = await fetch(address, { headers: { 'accept-encoding': 'identity' } })
  expect(plain.headers.get('content-encoding')).toBeNull()
  expect(await plain.text()).toBe(source)
})

it('subscribes, publishes and unsubscribes, with text, JSON and bytes', async () => {
  const client = open()
  const messages: Message[] = []
  const subscription = await client.subscribe('kinds/+', (message) => messages.push(message), { qos: 1 })
  expect(subscription.qos).toBe(1)
  expect(await client.publish('kinds/text', 'grün')).toEqual({ matching: true })
  await client.publish('kinds/json', { degrees: 21.5 })
  await client.publish('kinds/bytes', Uint8Array.of(0, 255, 128), { qos: 0, contentType: 'a/b' })
  await until(() => messages.length === 3, 'three messages')
  const [text, json, bytes] = messages
  expect(text?.text()).toBe('grün')
  expect(Buffer.from(text?.bytes ?? []).toString()).toBe('grün')
  expect(json?.json()).toEqual({ degrees: 21.5 })
  expect(bytes?.bytes).toEqual(Uint8Array.of(0, 255, 128))
  expect(bytes).toMatchObject({ topic: 'kinds/bytes', qos: 0, contentType: 'a/b', duplicate: false })
  await subscription.unsubscribe()
  expect(await client.publish('kinds/text', 'x')).toEqual({ matching: false })
})

it('a handler gets the retained messages that it subscribes for, and nobody gets them twice', async () => {
  await broker.publish('state/lamp', 'on', { retain: true })
  const client = open()
  const got: string[] = []
  await client.subscribe('state/#', (message) => got.push(`one ${message.text()}`))
  await until(() => got.length === 1, 'the first')
  await client.subscribe('state/#', (message) => got.push(`two ${message.text()}`))
  await client.subscribe('state/lamp', (message) => got.push(`three ${message.text()}`))
  await until(() => got.length === 3, 'all three')
  expect(got).toEqual(['one on', 'two on', 'three on'])
  await client.publish('state/lamp', 'off')
  await until(() => got.length === 6, 'all three again')
  expect(got.slice(3).sort()).toEqual(['one off', 'three off', 'two off'])
})

it('requests are answered, and a request that nobody hears fails with its code', async () => {
  const [asker, answerer] = [open(), open()]
  await answerer.subscribe('double', (message) => answerer.respond(message, 2 * message.json<number>()))
  expect((await asker.request('double', 21)).json()).toBe(42)
  await expect(asker.request('nobody/there', 1)).rejects.toMatchObject({
    code: 'ERR_MQTT_NO_RESPONDER',
    reasonCode: 0x10,
  })
})

it('messages can be looped over, and leaving the loop unsubscribes and acknowledges', async () => {
  const client = open()
  const reading = (async () => {
    const got: string[] = []
    for await (const message of client.messages('loop', { qos: 1 })) {
      got.push(message.text())
      if (got.length === 3) break
    }
    return got
  })()
  // What is asked for in this order is done in it.
  for (let n = 0; n < 3; n += 1) expect(await client.publish('loop', String(n))).toEqual({ matching: true })
  expect(await reading).toEqual(['0', '1', '2'])
  await expect
    .poll(async () => (await client.publish('loop', 'late')).matching, { timeout: 5_000 })
    .toBe(false)
})

it('a message is acknowledged when its handler is done, and those before it are', async () => {
  const client = open({ receiveMaximum: 2 })
  const got: string[] = []
  const release: (() => void)[] = []
  await client.subscribe(
    'slow',
    (message) => {
      got.push(message.text())
      return new Promise<void>((resolve) => release.push(resolve))
    },
    { qos: 1 },
  )
  for (let n = 1; n <= 4; n += 1) await broker.publish('slow', String(n), { qos: 1 })
  await until(() => got.length === 2, 'two messages')
  release[1]?.()
  await client.publish('any', 'x')
  expect(got).toEqual(['1', '2'])
  release[0]?.()
  await until(() => got.length === 4, 'four messages')
  for (const each of release) each()
})

it('a handler that throws is told of, and the messages go on', async () => {
  const client = open({ receiveMaximum: 1 })
  const errors: unknown[] = []
  client.onerror = (error) => errors.push(error)
  await client.subscribe('throws', () => Promise.reject(new Error('no')), { qos: 1 })
  for (let n = 0; n < 3; n += 1) await broker.publish('throws', 'x', { qos: 1 })
  await until(() => errors.length === 3, 'three errors')
  expect(errors[0]).toMatchObject({ message: 'no' })
})

it('a connection that is cut is made again, and nothing of QoS 1 is lost either way', async () => {
  const proxy = await CuttingProxy.listen(portOf(broker), {
    cuts: 6,
    mostBytes: 20_000,
    mostMs: 200,
    seed: 4,
  })
  const states: State[] = []
  const client = open({ maximumBackoffMs: 20 }, `ws://127.0.0.1:${proxy.port}/live`)
  client.onstate = (state) => states.push(state)
  const got = new Set<string>()
  const heard = new Set<string>()
  await client.subscribe('cut/in', (message) => got.add(message.text()), { qos: 1 })
  const listener = broker.subscribe('cut/out', (message) => heard.add(message.payload.toString()))
  const sent: Promise<unknown>[] = []
  for (let n = 0; n < 200; n += 1) {
    sent.push(client.publish('cut/out', String(n)))
    await broker.publish('cut/in', String(n), { qos: 1 })
    if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await Promise.all(sent)
  await until(() => got.size === 200 && heard.size === 200, 'all of both', 15_000)
  expect(proxy.cuts).toBeGreaterThan(0)
  expect(states).toContain('offline')
  listener.unsubscribe()
  client.close()
  expect(client.state).toBe('closed')
  await proxy.close()
}, 30_000)

it('a broker without the session is subscribed to anew', async () => {
  const port = await freePort()
  const first = await Broker.start({ port, host: '127.0.0.1' })
  const client = open({}, liveUrl(first))
  const got: string[] = []
  await client.subscribe('anew', (message) => got.push(message.text()))
  await first.close()
  await until(() => client.state !== 'connected', 'the end of the connection')
  const early = client.publish('anew', 'early')
  const second = await Broker.start({ port, host: '127.0.0.1' })
  await early
  await until(() => client.state === 'connected', 'the connection')
  while (!got.includes('late')) await client.publish('anew', 'late')
  client.close()
  await second.close({ drainTimeoutMs: 0 })
})

it('a refusal that another try would meet again closes the client, and its promises fail with the code', async () => {
  const client = open({ username: 'mallory', password: 'x' })
  let last: { state: State; code: string | undefined } | undefined
  client.onstate = (state, error) => {
    last = { state, code: error?.code }
  }
  await expect(client.publish('a', 'b')).rejects.toMatchObject({ code: 'ERR_MQTT_NOT_AUTHORIZED' })
  expect(last).toEqual({ state: 'closed', code: 'ERR_MQTT_NOT_AUTHORIZED' })
  await expect(client.publish('a', 'b')).rejects.toMatchObject({ code: 'ERR_MQTT_CLIENT_ENDED' })
})

it('a wrong command fails with its code, and the client goes on', async () => {
  const client = open()
  await expect(client.publish('a/#', 'b')).rejects.toMatchObject({ code: 'ERR_MQTT_INVALID_TOPIC_NAME' })
  await expect(client.subscribe('a#', () => {})).rejects.toMatchObject({
    code: 'ERR_MQTT_INVALID_TOPIC_FILTER',
  })
  expect(await client.publish('a', 'b')).toEqual({ matching: false })
})
