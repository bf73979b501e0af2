/** Whoever comes by the web is a client like any other: what hooks are asked about it, and which limits hold. */
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { Broker } from '../../src/index.js'
import { PING_INTERVAL_MS } from '../../src/web/live.js'
import { until } from '../support/until.js'
import { LiveClient, liveUrl, portOf, terminateAll } from './live-client.js'

let broker: Broker
let asked: string[] = []

beforeAll(async () => {
  broker = await Broker.start({
    port: 0,
    host: '127.0.0.1',
    limits: { maximumPacketSizeBytes: 10_000, maximumQueuedMessages: 3, maximumConnections: 3 },
    authenticate: ({ protocol, username, password }) => {
      asked.push(`authenticate ${protocol} ${username} ${password}`)
      return username !== 'mallory'
    },
    authorizePublish: ({ client, topicName }) => {
      asked.push(`authorizePublish ${client.protocol} ${topicName}`)
      return !topicName.startsWith('secret')
    },
    authorizeSubscribe: ({ client, topicFilter }) => {
      asked.push(`authorizeSubscribe ${client.protocol} ${topicFilter}`)
      return !topicFilter.startsWith('secret')
    },
    onPublish: async ({ client, topicName }) => {
      asked.push(`onPublish ${client.protocol} ${topicName}`)
      return topicName === 'changed' ? { payload: 'by the hook' } : undefined
    },
  })
})

beforeEach(async () => {
  terminateAll()
  await until(() => broker.connectedClients === 0, 'the end of the connections')
  asked = []
})

afterAll(() => broker.close({ drainTimeoutMs: 0 }))

it('hooks are asked about a client of /live, and hold and change what it says', async () => {
  const client = await LiveClient.connect(broker, { username: 'ada', password: 'lovelace' })
  await client.ask({ type: 'subscribe', filter: 'changed' })
  await client.ask({ type: 'publish', topic: 'changed', payload: 'by the client', qos: 1 })
  expect(await client.gotMessages(1)).toMatchObject([{ payload: 'by the hook' }])
  expect(asked).toEqual([
    'authenticate live ada lovelace',
    'authorizeSubscribe live changed',
    'authorizePublish live changed',
    'onPublish live changed',
  ])
  for (const command of [
    { type: 'subscribe', filter: 'secret/a' },
    { type: 'publish', topic: 'secret/a', payload: '', qos: 1 },
  ]) {
    expect(await client.ask(command)).toMatchObject({ code: 'ERR_MQTT_NOT_AUTHORIZED', reasonCode: 0x87 })
  }
  await client.end()
})

it('hooks are asked about /events and /publish', async () => {
  const origin = `http://127.0.0.1:${portOf(broker)}`
  const headers = { authorization: `Basic ${btoa('ada:lovelace')}` }
  const abort = new AbortController()
  const events = await fetch(`${origin}/events/changed`, { headers, signal: abort.signal })
  await fetch(`${origin}/publish/changed`, { method: 'POST', body: 'x', headers })
  const chunk = await events.body?.getReader().read()
  expect(Buffer.from(chunk?.value ?? []).toString()).toContain('by the hook')
  expect(asked).toEqual([
    'authenticate events ada lovelace',
    'authorizeSubscribe events changed',
    'authenticate publish ada lovelace',
    'authorizePublish publish changed',
    'onPublish publish changed',
  ])
  abort.abort()
})

it('HTTP Basic authentication counts where connect says nothing, and is refused where it is none', async () => {
  const client = await LiveClient.open(broker, { auth: 'grace:hopper' } as object)
  await client.ask({ type: 'ping' })
  expect(asked).toEqual(['authenticate live grace hopper'])
  await client.end()
  const bearer = new LiveClient(liveUrl(broker), { headers: { authorization: 'Bearer x' } })
  expect((await bearer.closed).code).toBe(4000 + 0x86)
})

it('a refused connect is an error with its id, and then the end', async () => {
  const client = await LiveClient.open(broker)
  const answer = await client.ask({ type: 'connect', username: 'mallory', password: 'x' })
  expect(answer).toMatchObject({ type: 'error', code: 'ERR_MQTT_NOT_AUTHORIZED', reasonCode: 0x86 })
  expect((await client.closed).code).toBe(4000 + 0x86)
})

it('a packet that is too large, or a frame, ends the connection with 1009', async () => {
  for (const length of [10_001, 200_000]) {
    const client = await LiveClient.connect(broker)
    client.send({ type: 'publish', topic: 'a', payload: 'x'.repeat(length) })
    expect((await client.closed).code).toBe(1009)
  }
})

it('the first frame is held no longer than a CONNECT would be, and what follows a good one is not', async () => {
  const room = 65_536
  const limits = { maximumConnectPacketBytes: 600, maximumPacketSizeBytes: 1_000_000 }
  const strict = await Broker.start({ port: 0, host: '127.0.0.1', limits })
  try {
    const greedy = await LiveClient.open(strict)
    // Never whole: a frame that says one byte more than may come.
    const header = Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    header.writeUInt32BE(900_000, 6)
    greedy.socket?.write(Buffer.concat([header, Buffer.alloc(800 + room, 0x20)]))
    expect(await greedy.closed).toEqual({
      code: 1009,
      reason: `The first frame may have ${800 + room} bytes.`,
    })

    const client = await LiveClient.open(strict)
    client.send({ type: 'connect', id: 1 })
    const payload = 'x'.repeat(900_000)
    const answer = await client.ask({ type: 'publish', topic: 'a', payload, qos: 1 })
    expect(answer).toMatchObject({ type: 'ok' })
    await client.end()
  } finally {
    await strict.close()
  }
})

it('a payload as large as a packet may be fits in base64 as well', async () => {
  const client = await LiveClient.open(broker)
  const payloadBase64 = Buffer.alloc(9_900, 0xff).toString('base64')
  expect(await client.ask({ type: 'publish', topic: 'a', payloadBase64, qos: 1 })).toMatchObject({
    type: 'ok',
  })
  await client.end()
})

it('a full queue is told to the publisher', async () => {
  const reader = await LiveClient.open(broker)
  const connect = { type: 'connect', clientId: 'full', receiveMaximum: 1, sessionExpiryIntervalSecs: 60 }
  await reader.ask(connect)
  await reader.ask({ type: 'subscribe', filter: 'full', qos: 1 })
  const writer = await LiveClient.open(broker)
  const answers = []
  for (let n = 0; n < 6; n += 1)
    answers.push(await writer.ask({ type: 'publish', topic: 'full', payload: '', qos: 1 }))
  expect(answers.at(-1)).toMatchObject({ code: 'ERR_MQTT_QUOTA_EXCEEDED', reasonCode: 0x97 })
  await reader.ask({ type: 'disconnect', sessionExpiryIntervalSecs: 0 })
  await writer.end()
})

it('more connections than there may be are refused in words', async () => {
  const clients = []
  for (let n = 0; n < 3; n += 1) {
    const client = await LiveClient.connect(broker)
    clients.push(client)
  }
  const more = await LiveClient.open(broker)
  more.send({ type: 'connect' })
  expect((await more.closed).code).toBe(4000 + 0x89)
  const posted = await fetch(`http://127.0.0.1:${portOf(broker)}/publish/a`, { method: 'POST', body: 'x' })
  expect(posted.status).toBe(503)
  await Promise.all(clients.map((client) => client.end()))
})

it('a foreign page cannot open /live', async () => {
  const foreign = new LiveClient(liveUrl(broker), { origin: 'https://other.example' })
  const status = await new Promise((resolve) => {
    foreign.webSocket.on('unexpected-response', (_, response) => resolve(response.statusCode))
  })
  expect(status).toBe(403)
})

it('a connection that answers no ping is ended, and one that does is not', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  try {
    const deaf = await LiveClient.open(broker, { autoPong: false } as object)
    const lively = await LiveClient.open(broker)
    await Promise.all([deaf.ask({ type: 'ping' }), lively.ask({ type: 'ping' })])
    let pings = 0
    lively.webSocket.on('ping', () => {
      pings += 1
    })
    for (let n = 1; n <= 3; n += 1) {
      vi.advanceTimersByTime(PING_INTERVAL_MS)
      await until(() => pings === n, 'a ping')
      // What the pong has led to has been dealt with when this is answered.
      await lively.ask({ type: 'ping' })
    }
    expect((await deaf.closed).code).toBe(1006)
    expect(lively.webSocket.readyState).toBe(lively.webSocket.OPEN)
    await lively.end()
  } finally {
    vi.useRealTimers()
  }
})
