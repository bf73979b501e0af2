/** Messages of one connection that are put to hooks many at a time: nothing of that may be seen. */
import { generate } from 'mqtt-packet'
import { afterEach, expect, it } from 'vitest'
import { Broker, type BrokerOptions, type PublishRequest } from '../../src/index.js'
import { clientOver, nextEvent } from '../support/mqtt-js.js'
import { until } from '../support/until.js'

const open: { close(): unknown }[] = []

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

async function start(options: BrokerOptions): Promise<Broker> {
  const broker = await Broker.start(options)
  open.push(broker)
  return broker
}

const connect = (clientId: string) => generate({ cmd: 'connect', clientId, protocolVersion: 4, clean: true })

function publish(topic: string, payload: string, qos: 0 | 1 | 2 = 0): Buffer {
  const id = qos === 0 ? {} : { messageId: 1 + (Number(payload) % 60_000) }
  return generate({ cmd: 'publish', topic, payload, qos, retain: false, dup: false, ...id })
}

const numbers = (count: number) => Array.from({ length: count }, (_, n) => n)

/** A client that receives all of a topic, as text. */
async function receiver(broker: Broker, topic: string): Promise<string[]> {
  const client = clientOver(broker.connect(), {})
  open.push({ close: () => client.end(true) })
  await nextEvent(client, 'connect')
  await client.subscribeAsync(topic, { qos: 0 })
  const received: string[] = []
  client.on('message', (_, payload) => received.push(String(payload)))
  return received
}

/** Writes all of it as one chunk. */
function send(broker: Broker, clientId: string, packets: Buffer[]): void {
  const stream = broker.connect()
  open.push({ close: () => stream.destroy() })
  stream.resume()
  stream.write(Buffer.concat([connect(clientId), ...packets]))
}

it('each is asked about once and in order, and what is refused is missing', async () => {
  const asked: number[] = []
  const broker = await start({
    authorizePublish: ({ payload }) => {
      asked.push(Number(payload))
      return Number(payload) % 3 !== 0
    },
  })
  const received = await receiver(broker, 'n/#')
  // Topics change, qualities too, and other packets stand between.
  const packets = numbers(1000).flatMap((n) => [
    publish(`n/${n % 50 < 40 ? 'same' : n}`, String(n), (n % 3) as 0 | 1 | 2),
    ...(n % 97 === 0 ? [Buffer.from([0xc0, 0])] : []),
  ])
  send(broker, 'c', packets)
  const allowed = numbers(1000).filter((n) => n % 3 !== 0)
  await until(() => received.length === allowed.length, 'all that are allowed')
  expect(asked).toEqual(numbers(1000))
  expect(received).toEqual(allowed.map(String))
})

it('hooks that are late, throw, refuse in words, change the message or publish keep the order of each connection', async () => {
  const asked = new Map<string, number[]>()
  const pending = new Set<string>()
  const askedWhilePending: string[] = []
  const hook = ({ client, payload }: PublishRequest) => {
    const { clientId } = client
    const n = Number(payload)
    asked.get(clientId)?.push(n)
    if (pending.has(clientId)) askedWhilePending.push(`${clientId} ${n}`)
    if (n % 61 === 0) {
      pending.add(clientId)
      return new Promise<boolean>((resolve) => {
        setImmediate(() => {
          pending.delete(clientId)
          resolve(true)
        })
      })
    }
    if (n % 67 === 0) throw new Error('for the test')
    if (n % 71 === 0) return { reasonCode: 0x97, reason: 'for the test' }
    if (n % 73 === 0) void broker.publish(`n/${clientId}`, `before ${n}`)
    return true
  }
  const broker: Broker = await start({
    authorizePublish: hook,
    onPublish: ({ payload }) => {
      const n = Number(payload)
      if (n % 79 === 0) return false
      return n % 83 === 0 ? { payload: `changed ${n}` } : undefined
    },
  })
  const expected = numbers(1000).flatMap((n) => {
    const before = n % 73 === 0 && n % 61 !== 0 && n % 67 !== 0 && n % 71 !== 0 ? [`before ${n}`] : []
    if (n % 61 !== 0 && (n % 67 === 0 || n % 71 === 0)) return []
    if (n % 79 === 0) return before
    return [...before, n % 83 === 0 ? `changed ${n}` : String(n)]
  })
  const all = new Map<string, string[]>()
  for (const clientId of ['one', 'two', 'three']) asked.set(clientId, [])
  for (const clientId of asked.keys()) all.set(clientId, await receiver(broker, `n/${clientId}`))
  for (const clientId of all.keys()) {
    send(
      broker,
      clientId,
      numbers(1000).map((n) => publish(`n/${clientId}`, String(n))),
    )
  }
  for (const [clientId, received] of all) {
    await until(() => received.length >= expected.length, `all of ${clientId}`)
    expect(received).toEqual(expected)
    expect(asked.get(clientId)).toEqual(numbers(1000))
  }
  expect(askedWhilePending).toEqual([])
})

it('a handler of this process hears of a message before hooks are asked about the next', async () => {
  const seen: string[] = []
  const broker = await start({
    authorizePublish: ({ payload }) => seen.push(`asked ${payload}`) > 0,
  })
  broker.subscribe('heard', (message) => seen.push(`heard ${message.text()}`))
  const received = await receiver(broker, '#')
  // It begins with messages that nobody here hears, so that many are asked about together.
  const topic = (n: number) => (n > 300 && n % 5 === 0 ? 'heard' : 'other')
  send(
    broker,
    'c',
    numbers(600).map((n) => publish(topic(n), String(n))),
  )
  await until(() => received.length === 600, 'all messages')
  expect(seen).toEqual(
    numbers(600).flatMap((n) => [`asked ${n}`, ...(topic(n) === 'heard' ? [`heard ${n}`] : [])]),
  )
})

it('a client that a hook disconnects is not asked about again', async () => {
  let last = -1
  const broker = await start({
    authorizePublish: ({ payload, client }) => {
      last = Number(payload)
      if (last === 500) broker.disconnect(client.clientId)
      return true
    },
  })
  const received = await receiver(broker, '#')
  send(
    broker,
    'c',
    numbers(1000).map((n) => publish('t', String(n))),
  )
  await until(() => broker.connectedClients === 1, 'the end of the connection')
  await until(() => received.length === 500, 'what was allowed before')
  expect(last).toBe(500)
})

it('an unread payload is not kept, and a read one is the hook’s own', async () => {
  const kept: Buffer[] = []
  const broker = await start({
    authorizePublish: ({ payload }) => {
      kept.push(payload)
      return true
    },
  })
  const received = await receiver(broker, '#')
  send(
    broker,
    'c',
    numbers(1000).map((n) => publish('t', String(n).padStart(40, '0'))),
  )
  await until(() => received.length === 1000, 'all messages')
  expect(kept.map(String)).toEqual(numbers(1000).map((n) => String(n).padStart(40, '0')))
})
