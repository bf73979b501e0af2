/** `/live`: docs/web-protocol.md against a running broker. */
import { once } from 'node:events'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { Broker } from '../../src/index.js'
import { until } from '../support/until.js'
import { brokerOfTest, LiveClient, liveUrl } from './live-client.js'

let broker: Broker

beforeAll(async () => {
  broker = await Broker.start({ port: 0, host: '127.0.0.1' })
})

afterAll(() => broker.close({ drainTimeoutMs: 0 }))

it('connect is answered with what the broker is', async () => {
  const client = await LiveClient.open(broker)
  const answer = await client.ask({ type: 'connect', clientId: 'till-3' })
  expect(answer).toEqual({
    type: 'connected',
    id: answer.id,
    clientId: 'till-3',
    sessionPresent: false,
    receiveMaximum: 1024,
    maximumPacketSizeBytes: 10_485_760,
    retainAvailable: true,
  })
  await client.end()
})

it('a command that comes first finds itself connected', async () => {
  const client = await LiveClient.open(broker)
  expect(await client.ask({ type: 'ping' })).toMatchObject({ type: 'ok' })
  expect(client.answers[0]).toMatchObject({ type: 'connected', sessionPresent: false })
  expect(client.answers[0]).not.toHaveProperty('id')
  expect(client.answers[0]?.clientId).not.toBe('')
  await client.end()
})

it('a second connect is an error, and the connection goes on', async () => {
  const client = await LiveClient.connect(broker)
  expect(await client.ask({ type: 'connect' })).toMatchObject({
    type: 'error',
    code: 'ERR_MQTT_PROTOCOL_ERROR',
    reasonCode: 0x82,
  })
  expect(await client.ask({ type: 'ping' })).toMatchObject({ type: 'ok' })
  await client.end()
})

it('the subprotocol topicwire.v1 is granted, and any other is not', async () => {
  const named = new WebSocket(liveUrl(broker), ['other', 'topicwire.v1'])
  await once(named, 'open')
  expect(named.protocol).toBe('topicwire.v1')
  named.terminate()
  const other = new WebSocket(liveUrl(broker), ['mqtt'])
  await expect(once(other, 'open')).rejects.toThrow('subprotocol')
})

it('what is published comes to who subscribes, until it unsubscribes', async () => {
  const [one, other] = [await LiveClient.open(broker), await LiveClient.open(broker)]
  expect(await one.ask({ type: 'subscribe', filter: 'a/+', qos: 1, subscription: 7 })).toMatchObject({
    type: 'ok',
    qos: 1,
  })
  expect(await other.ask({ type: 'publish', topic: 'a/b', payload: 'äöü', qos: 1 })).not.toHaveProperty(
    'matching',
  )
  const [message] = await one.gotMessages(1)
  expect(message).toEqual({
    type: 'message',
    topic: 'a/b',
    payload: 'äöü',
    qos: 1,
    ack: 1,
    subscriptions: [7],
  })
  expect(await one.ask({ type: 'ack', ack: 1 })).toMatchObject({ type: 'ok' })
  expect(await one.ask({ type: 'unsubscribe', filter: 'a/+' })).toMatchObject({ type: 'ok' })
  const unheard = await other.ask({ type: 'publish', topic: 'a/b', payload: 'gone', qos: 1 })
  expect(unheard).toMatchObject({ type: 'ok', matching: false })
  expect(one.messages).toHaveLength(1)
  await Promise.all([one.end(), other.end()])
})

it('all that may be said about a message arrives as it was said', async () => {
  const client = await LiveClient.open(broker)
  await client.ask({ type: 'subscribe', filter: 'all/of/it' })
  const said = {
    topic: 'all/of/it',
    payloadBase64: 'AP+A',
    contentType: 'application/x-test',
    responseTopic: 'back/here',
    correlationData: 'AQID',
    userProperties: [
      ['a', '1'],
      ['a', '"2"'],
    ],
  }
  await client.ask({ type: 'publish', ...said })
  const [message] = await client.gotMessages(1)
  expect(message).toEqual({ type: 'message', ...said })
  await client.end()
})

it('a retained message is kept, sent as retained, and left out where that is asked for', async () => {
  const client = await LiveClient.open(broker)
  await client.ask({ type: 'publish', topic: 'kept/1', payload: 'x', retain: true, qos: 1 })
  await client.ask({ type: 'subscribe', filter: 'kept/1', retained: false })
  await client.ask({ type: 'ping' })
  expect(client.messages).toEqual([])
  await client.ask({ type: 'subscribe', filter: 'kept/1', retained: 'new' })
  await client.ask({ type: 'ping' })
  expect(client.messages).toEqual([])
  await client.ask({ type: 'subscribe', filter: 'kept/1' })
  expect((await client.gotMessages(1))[0]).toMatchObject({ payload: 'x', retain: true })
  await client.end()
})

it('no more than receiveMaximum are under way, and one ack stands for all before it', async () => {
  const client = await LiveClient.connect(broker, { receiveMaximum: 3 })
  await client.ask({ type: 'subscribe', filter: 'many', qos: 1 })
  for (let n = 1; n <= 7; n += 1) client.send({ type: 'publish', topic: 'many', payload: String(n), qos: 1 })
  await client.gotMessages(3)
  await client.ask({ type: 'ping' })
  expect(client.messages.map(({ payload }) => payload)).toEqual(['1', '2', '3'])
  client.send({ type: 'ack', ack: 3 })
  await client.gotMessages(6)
  client.send({ type: 'ack', ack: 6 })
  const all = await client.gotMessages(7)
  expect(all.map(({ ack }) => ack)).toEqual([1, 2, 3, 4, 5, 6, 7])
  expect(await client.ask({ type: 'ack', ack: 8 })).toMatchObject({ code: 'ERR_MQTT_PROTOCOL_ERROR' })
  expect(await client.ask({ type: 'ack', ack: 2 })).toMatchObject({ type: 'ok' })
  await client.end()
})

it('a session that is resumed brings what was missed, and what was not acknowledged comes again', async () => {
  const first = await LiveClient.open(broker)
  const connect = { type: 'connect', clientId: 'resumed', cleanStart: false, sessionExpiryIntervalSecs: 60 }
  expect(await first.ask(connect)).toMatchObject({ sessionPresent: false })
  await first.ask({ type: 'subscribe', filter: 'session/#', qos: 1 })
  await broker.publish('session/1', 'one', { qos: 1 })
  await broker.publish('session/2', 'two', { qos: 1 })
  await first.gotMessages(2)
  await first.ask({ type: 'ack', ack: 1 })
  first.webSocket.terminate()
  await until(() => broker.connectedClients === 0, 'the end of the first connection')
  await broker.publish('session/3', 'three', { qos: 1 })

  const second = await LiveClient.open(broker)
  expect(await second.ask(connect)).toMatchObject({ sessionPresent: true })
  const messages = await second.gotMessages(2)
  expect(messages).toMatchObject([
    { payload: 'two', duplicate: true, ack: 1 },
    { payload: 'three', ack: 2 },
  ])
  expect(messages[1]).not.toHaveProperty('duplicate')
  await second.ask({ type: 'ack', ack: 2 })
  // Ends the session with the connection.
  await second.ask({ type: 'disconnect', sessionExpiryIntervalSecs: 0 })
  expect(await second.closed).toEqual({ code: 1000, reason: expect.any(String) })
  const third = await LiveClient.open(broker)
  expect(await third.ask(connect)).toMatchObject({ sessionPresent: false })
  await third.ask({ type: 'disconnect', sessionExpiryIntervalSecs: 0 })
})

it('whoever takes a client identifier over ends its earlier connection with 4142', async () => {
  const first = await LiveClient.connect(broker, { clientId: 'twice' })
  const second = await LiveClient.connect(broker, { clientId: 'twice' })
  expect(await first.closed).toMatchObject({ code: 4000 + 0x8e })
  expect(first.answers.at(-1)).toMatchObject({ type: 'error', reasonCode: 0x8e })
  await second.end()
})

it('a will is published when the client goes without disconnect', async () => {
  const watcher = await LiveClient.open(broker)
  await watcher.ask({ type: 'subscribe', filter: 'wills/#' })
  for (const clientId of ['orderly', 'lost']) {
    const client = await LiveClient.open(broker)
    const will = { topic: `wills/${clientId}`, payload: 'gone', qos: 1 }
    await client.ask({ type: 'connect', clientId, will })
    if (clientId === 'orderly') await client.ask({ type: 'disconnect' })
    else client.webSocket.terminate()
    await client.closed
  }
  expect(await watcher.gotMessages(1)).toMatchObject([{ topic: 'wills/lost', payload: 'gone' }])
  await watcher.end()
})

it('a request is answered by whoever subscribes to its topic', async () => {
  const [asker, adder] = [await LiveClient.open(broker), await LiveClient.open(broker)]
  await adder.ask({ type: 'subscribe', filter: 'calculator/add' })
  adder.webSocket.on('message', (data: Buffer) => {
    const { type, payload, responseTopic, correlationData } = JSON.parse(data.toString())
    if (type !== 'message') return
    const sum = (JSON.parse(payload) as number[]).reduce((left, right) => left + right, 0)
    adder.send({ type: 'publish', topic: responseTopic, correlationData, payload: String(sum) })
  })
  await asker.ask({ type: 'connect', clientId: 'ask/er' })
  const answers = await Promise.all(
    [1, 2, 3].map((n) => asker.ask({ type: 'request', topic: 'calculator/add', payload: `[${n},1]` })),
  )
  expect(answers.map(({ payload }) => payload)).toEqual(['2', '3', '4'])
  expect(answers[0]).toMatchObject({
    type: 'response',
    topic: expect.stringMatching(/^responses\/ask_er\/[\w-]{22}$/),
  })
  expect(asker.messages).toEqual([])
  await Promise.all([asker.end(), adder.end()])
})

it('a request that nobody hears fails at once, and one that nobody answers in its time', async () => {
  const client = await LiveClient.open(broker)
  expect(await client.ask({ type: 'request', topic: 'nobody', payload: '' })).toMatchObject({
    code: 'ERR_MQTT_NO_RESPONDER',
    reasonCode: 0x10,
  })
  await client.ask({ type: 'subscribe', filter: 'silent' })
  expect(await client.ask({ type: 'request', topic: 'silent', payload: '', timeoutMs: 20 })).toMatchObject({
    code: 'ERR_MQTT_REQUEST_TIMEOUT',
  })
  expect(await client.ask({ type: 'ping' })).toMatchObject({ type: 'ok' })
  await client.end()
})

it('a broker that shuts down says so', async () => {
  const mortal = await brokerOfTest()
  const client = await LiveClient.connect(mortal)
  await mortal.close()
  expect(await client.closed).toMatchObject({ code: 1001 })
  expect(client.answers.at(-1)).toMatchObject({
    type: 'error',
    code: 'ERR_MQTT_BROKER_CLOSED',
    reasonCode: 0x8b,
  })
})
