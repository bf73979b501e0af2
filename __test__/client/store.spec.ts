/** A client that keeps its session on disk: over ends, kills and trouble. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { Broker, type ClientOptions, connect, connectAsync, type MqttClient } from '../../src/index.js'
import { freePort } from '../support/free-port.js'
import { startMosquitto } from '../support/mosquitto.js'
import { temporaryDirectory } from '../support/temporary.js'
import { until } from '../support/until.js'
import { cleanUp, client, collect, connected, next, startBroker } from './support.js'

const NOWHERE = 'mqtt://127.0.0.1:9'
const PATIENCE_MS = 240_000

function options(path: string, more: ClientOptions = {}): ClientOptions {
  return { clientId: 'keeper', clean: false, store: { path }, ...more }
}

/** A client that never connects, with these in its store. */
async function queue(path: string, publish: (offline: MqttClient) => void): Promise<void> {
  const offline = client(NOWHERE, options(path, { manualConnect: true }))
  publish(offline)
  await offline.flushStore()
  await offline.endAsync()
}

test('what was queued and never sent goes out when the next client of the store connects', async () => {
  const { url } = await startBroker()
  const path = join(temporaryDirectory(), 'store')
  const reader = await connected(url, { clientId: 'reader' })
  const messages = collect(reader)
  await reader.subscribeAsync('#', { qos: 2 })
  let error: Error | undefined
  await queue(path, (offline) => {
    offline.publish('a', 'one', { qos: 1 }, (given) => {
      error = given as Error
    })
    offline.publish('b', Buffer.alloc(20_000, 'x'), { qos: 2, properties: { contentType: 'text/plain' } })
    offline.publish('a', 'zero', { qos: 0 })
    offline.publish('a', 'three', { qos: 1, retain: true })
  })
  expect(error).toMatchObject({ code: 'ERR_MQTT_CLIENT_ENDED' })
  const restored = client(url, options(path, { manualConnect: true }))
  expect(restored.queuedCount).toBe(3)
  const isEmpty = once(restored, 'outgoingEmpty')
  restored.connect()
  await isEmpty
  await until(() => messages.length === 3, 'three messages')
  expect(messages).toEqual(['a one', `b ${'x'.repeat(20_000)}`, 'a three'])
  await restored.endAsync()
  await queue(path, (again) => expect(again.queuedCount).toBe(0))
})

test('promises mean the same with a store, and leave nothing in it', async () => {
  const { url } = await startBroker()
  const path = temporaryDirectory()
  const keeper = await connected(url, options(path))
  const messages = collect(keeper)
  await keeper.subscribeAsync('a', { qos: 2 })
  const all = Array.from({ length: 300 }, (_, number) => number)
  const receipts = await Promise.all(
    all.map((number) => keeper.publishAsync('a', `${number}`, { qos: number % 2 === 0 ? 1 : 2 })),
  )
  expect(receipts.map((receipt) => receipt?.cmd)).toEqual(
    all.map((number) => (number % 2 === 0 ? 'puback' : 'pubcomp')),
  )
  await until(() => messages.length === 300, 'all messages')
  await keeper.endAsync()
  await queue(path, (again) => expect(again.queuedCount).toBe(0))
})

test('a store is one client’s at a time, and one name’s for ever', async () => {
  const path = temporaryDirectory()
  const first = client(NOWHERE, options(path, { manualConnect: true }))
  expect(() => connect(NOWHERE, options(path))).toThrow(
    expect.objectContaining({ code: 'ERR_MQTT_STORE_IN_USE' }),
  )
  await expect(connectAsync(NOWHERE, options(path))).rejects.toMatchObject({ code: 'ERR_MQTT_STORE_IN_USE' })
  await first.endAsync()
  expect(() => connect(NOWHERE, options(path, { clientId: 'another' }))).toThrow(/client "keeper"/)
  const broken = join(temporaryDirectory({ file: 'not a directory' }), 'file')
  expect(() => connect(NOWHERE, options(broken))).toThrow(
    expect.objectContaining({ code: 'ERR_MQTT_STORE_FAILED' }),
  )
})

test.each([
  { clientId: 'keeper', store: { path: 'x' } },
  { clean: false, store: { path: 'x' } },
  { clean: false, clientId: 'keeper', store: { path: '' } },
  { clean: false, clientId: 'keeper', store: { path: 'x', durability: 'some' as 'power' } },
])('a store needs a session that is kept and found again: %o', (given) => {
  expect(() => connect(NOWHERE, given)).toThrow(expect.objectContaining({ code: 'ERR_MQTT_INVALID_OPTION' }))
})

test('a client begins anew after its end, with what its store has', async () => {
  const { url } = await startBroker()
  const keeper = await connected(url, options(temporaryDirectory()))
  const messages = collect(keeper)
  await keeper.subscribeAsync('a', { qos: 1 })
  await keeper.endAsync()
  expect(keeper.disconnected).toBe(true)
  keeper.reconnect()
  await next(keeper, 'connect')
  await keeper.publishAsync('a', 'after', { qos: 2 })
  await until(() => messages.length === 1, 'the message')
})

test('a message that expired while nobody ran is not sent, and the next client says so', async () => {
  const { url } = await startBroker()
  const path = temporaryDirectory()
  await queue(path, (offline) => {
    offline.publish('a', 'old', { qos: 1, properties: { messageExpiryInterval: 1 } })
  })
  await new Promise((resolve) => setTimeout(resolve, 1_100))
  const restored = client(url, options(path, { manualConnect: true }))
  const [error] = await Promise.all([
    new Promise((resolve) => restored.once('error', resolve)),
    restored.connect() && undefined,
  ])
  expect(error).toMatchObject({ code: 'ERR_MQTT_MESSAGE_EXPIRED' })
})

test('a message of an earlier client that is refused goes to the event error', async () => {
  const { url } = await startBroker({ authorizePublish: () => false })
  const path = temporaryDirectory()
  await queue(path, (offline) => offline.publish('a', 'no', { qos: 1 }))
  const restored = client(url, options(path, { manualConnect: true }))
  const error = new Promise((resolve) => restored.once('error', resolve))
  restored.connect()
  expect(await error).toMatchObject({ code: 'ERR_MQTT_PUBLISH_REFUSED', reasonCode: 0x87 })
})

/** A program that publishes and tells, line by line, what its store has; and what it was handed. */
const PROGRAM = `
const [index, url, path, from, durability] = process.argv.slice(2)
const { connect } = await import(index)
let number = Number(from)
const client = connect(url, {
  clientId: 'keeper', clean: false, store: { path, durability }, reconnectPeriod: 5, reconnectPeriodMax: 20,
})
const say = (line) => process.stdout.write(line + '\\n')
client.on('error', () => {})
client.on('message', (topic, payload) => say('got ' + payload))
say('began')
for (;;) {
  const first = number
  const count = 1 + Math.floor(Math.random() * 20)
  for (let index = 0; index < count; index += 1) {
    client.publish('from/keeper', String(number), { qos: number % 3 === 0 ? 1 : 2 })
    number += 1
  }
  say('published ' + (number - 1))
  if (Math.random() < 0.3) await new Promise((resolve) => setTimeout(resolve, Math.random() * 20))
  say('flushing')
  await client.flushStore()
  say('stored ' + first + ' ' + (number - 1))
}
`

interface Round {
  readonly url: string
  readonly path: string
  readonly program: string
  readonly from: number
  readonly stored: Set<number>
  readonly inbox: Inbox
  readonly durability: string
}

/** What was handed over, of the messages that come. */
class Inbox {
  readonly all = new Set<string>()
  /** Those whose packet identifier was stored afterwards: none of them may come again. */
  readonly #safe = new Set<string>()
  /** Of the process that runs: what an earlier one was handed and had not stored may come again. */
  #ofThisProcess: string[] = []
  #before: string[] = []
  readonly repeated: string[] = []

  got(message: string): void {
    if (this.#safe.has(message)) this.repeated.push(message)
    this.all.add(message)
    this.#ofThisProcess.push(message)
  }

  begin(): void {
    this.#ofThisProcess = []
    this.#before = []
  }

  flushing(): void {
    this.#before = [...this.#ofThisProcess]
  }

  stored(): void {
    for (const message of this.#before) this.#safe.add(message)
  }
}

/** Runs it for a moment and kills it; answers the number to go on with. */
async function run({ url, path, program, from, stored, inbox, durability }: Round): Promise<number> {
  const index = pathToFileURL(join(import.meta.dirname, '../../dist/index.js')).href
  const child = spawn(process.execPath, [program, index, url, path, String(from), durability], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  inbox.begin()
  let highest = from - 1
  const lines = createInterface({ input: child.stdout })
  const hasBegun = new Promise<void>((resolve) => {
    lines.on('line', (line) => {
      const [word, first = '', last = ''] = line.split(' ')
      if (word === 'began') resolve()
      if (word === 'published') highest = Math.max(highest, Number(first))
      if (word === 'got') inbox.got(first)
      if (word === 'flushing') inbox.flushing()
      if (word !== 'stored') return
      inbox.stored()
      for (let at = Number(first); at <= Number(last); at += 1) stored.add(at)
    })
  })
  await hasBegun
  await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 400))
  const isOver = Promise.all([once(child, 'exit'), once(lines, 'close')])
  child.kill('SIGKILL')
  await isOver
  return highest + 1
}

async function killOften(url: string, otherUrl: string, rounds: number, durability: string): Promise<void> {
  const path = join(temporaryDirectory(), 'store')
  const program = join(temporaryDirectory(), 'program.mjs')
  writeFileSync(program, PROGRAM)
  const reader = await connected(url, { clientId: 'reader', clean: false })
  await reader.subscribeAsync('from/keeper', { qos: 2 })
  const first = await connected(url, options(path))
  await first.subscribeAsync('to/keeper', { qos: 2 })
  await first.endAsync()
  const received = new Map<number, number>()
  reader.on('message', (_topic, payload) => {
    const number = Number(payload)
    received.set(number, (received.get(number) ?? 0) + 1)
  })
  const stored = new Set<number>()
  const inbox = new Inbox()
  let from = 0
  let sent = 0
  for (let round = 0; round < rounds; round += 1) {
    const isOnline = round % 3 !== 0
    for (let count = 0; count < 5; count += 1, sent += 1) {
      await reader.publishAsync('to/keeper', String(sent), { qos: 2 })
    }
    from = await run({ url: isOnline ? url : otherUrl, path, program, from, stored, inbox, durability })
  }
  const last = client(url, options(path, { manualConnect: true }))
  last.on('message', (_topic, payload) => inbox.got(String(payload)))
  last.connect()
  await once(last, 'connect')
  const missing = (): number[] => [...stored].filter((number) => !received.has(number))
  await until(() => missing().length === 0, 'what was stored', PATIENCE_MS / 4).catch(() => {})
  expect(missing()).toEqual([])
  expect(stored.size).toBeGreaterThan(0)
  const twice = [...received].filter(([number, count]) => number % 3 !== 0 && count > 1)
  expect(twice, 'of QoS 2').toEqual([])
  await reader.publishAsync('to/keeper', 'last', { qos: 2 })
  await until(() => inbox.all.has('last'), 'the last message')
  expect(inbox.all.size).toBe(sent + 1)
  expect(inbox.repeated).toEqual([])
  await last.endAsync()
  await reader.endAsync()
}

test('killed ten times: what was stored arrives, and with QoS 2 once', { timeout: PATIENCE_MS }, async () => {
  const { url } = await startBroker()
  await killOften(url, NOWHERE, 10, 'process')
})

test('the same with a store that survives a power loss', { timeout: PATIENCE_MS }, async () => {
  const { url } = await startBroker()
  await killOften(url, NOWHERE, 3, 'power')
})

test('killed between this client and Mosquitto', { timeout: PATIENCE_MS }, async (context) => {
  const port = await startMosquitto(context, { lines: ['max_queued_messages 0', 'max_inflight_messages 0'] })
  await killOften(`mqtt://127.0.0.1:${port}`, NOWHERE, 4, 'process')
})

test('a broker that has lost the session gets what it has never been sent', async () => {
  const path = temporaryDirectory()
  const port = await freePort()
  const first = await Broker.start({ port, host: '127.0.0.1' })
  const url = `mqtt://127.0.0.1:${port}`
  const keeper = await connected(url, options(path))
  await keeper.publishAsync('a', 'before', { qos: 2 })
  await first.close()
  keeper.publish('a', 'meanwhile', { qos: 1 })
  keeper.publish('a', 'as well', { qos: 2 })
  await keeper.flushStore()
  await keeper.endAsync(true)
  const second = await Broker.start({ port, host: '127.0.0.1' })
  cleanUp(() => second.close())
  const reader = await connected(url)
  const messages = collect(reader)
  await reader.subscribeAsync('a', { qos: 2 })
  await connected(url, options(path))
  await until(() => messages.length === 2, 'both')
  expect(messages).toEqual(['a meanwhile', 'a as well'])
})
