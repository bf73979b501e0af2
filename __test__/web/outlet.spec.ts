/** `/live` to many: what is written once for peers that are alike is for nobody else. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { Broker } from '../../src/index.js'
import { LiveClient, terminateAll } from './live-client.js'

let broker: Broker

beforeAll(async () => {
  broker = await Broker.start({ port: 0, host: '127.0.0.1' })
})

afterEach(terminateAll)
afterAll(() => broker.close({ drainTimeoutMs: 0 }))

/** A client with a subscription. */
async function subscriber(filter: string, more: object = {}): Promise<LiveClient> {
  const client = await LiveClient.open(broker)
  await client.ask({ type: 'subscribe', filter, ...more })
  return client
}

it('peers that are alike get every message, small and large, text and not, and in order', async () => {
  const clients = await Promise.all(Array.from({ length: 20 }, () => subscriber('alike/#')))
  const payloads = ['', 'a', 'x'.repeat(100_000), '"\\\u2028', 'a', 'a', 'x'.repeat(200)].map((text) =>
    Buffer.from(text),
  )
  payloads.splice(3, 0, Buffer.from([0xff, 0x00, 0x80]))
  for (const [index, payload] of payloads.entries()) await broker.publish(`alike/${index % 3}`, payload)
  const expected = payloads.map((payload, index) => ({
    type: 'message',
    topic: `alike/${index % 3}`,
    ...(payload[0] === 0xff
      ? { payloadBase64: payload.toString('base64') }
      : { payload: payload.toString() }),
  }))
  for (const client of clients) expect(await client.gotMessages(payloads.length)).toEqual(expected)
})

it('peers that differ get what is theirs: another QoS, another subscription, what is retained', async () => {
  await broker.publish('differ', 'before', { retain: true })
  const clients = [
    await subscriber('differ', { retained: false }),
    await subscriber('differ', { retained: false, qos: 1 }),
    await subscriber('differ', { retained: false }),
    await subscriber('differ', { retained: false, subscription: 7 }),
    await subscriber('differ', { retained: false, subscription: 8 }),
    await subscriber('differ'),
  ]
  const payload = 'x'
  await broker.publish('differ', payload, { qos: 1, retain: true })
  await broker.publish('differ', payload, { qos: 1, retain: true })
  const message = { type: 'message', topic: 'differ', payload }
  const twice = (more: object = {}) => [
    { ...message, ...more },
    { ...message, ...more },
  ]
  const [plain, acknowledged, alike, seventh, eighth, withRetained] = clients as Required<typeof clients>
  expect(await plain?.gotMessages(2)).toEqual(twice())
  expect(await acknowledged?.gotMessages(2)).toEqual([
    { ...message, qos: 1, ack: 1 },
    { ...message, qos: 1, ack: 2 },
  ])
  expect(await alike?.gotMessages(2)).toEqual(twice())
  expect(await seventh?.gotMessages(2)).toEqual(twice({ subscriptions: [7] }))
  expect(await eighth?.gotMessages(2)).toEqual(twice({ subscriptions: [8] }))
  expect(await withRetained?.gotMessages(3)).toEqual([
    { ...message, payload: 'before', retain: true },
    ...twice(),
  ])
})

it('a response is a message for whoever listens in, and a response for the one that asked', async () => {
  const before = await subscriber('responses/#')
  const asking = await LiveClient.open(broker)
  const answering = await subscriber('ask')
  const asked = asking.ask({ type: 'request', topic: 'ask', payload: 'how much?' })
  const [request] = await answering.gotMessages(1)
  const after = await subscriber('responses/#')
  const topic = request?.responseTopic
  const correlationData = request?.correlationData
  // At QoS 0, so that the packets of all three are the same.
  answering.send({ type: 'publish', topic, payload: 'a lot', correlationData })
  expect(await asked).toMatchObject({ type: 'response', payload: 'a lot' })
  for (const client of [before, after])
    expect(await client.gotMessages(1)).toEqual([
      { type: 'message', topic, payload: 'a lot', correlationData },
    ])
})

it('a message at QoS 0 amid acknowledgements does not take those along', async () => {
  const clients = await Promise.all(Array.from({ length: 5 }, () => subscriber('amid')))
  // Each hears the message, and its own answer, in whatever order and grouping the core has for them.
  const answers = await Promise.all(
    clients.map((client, index) =>
      client.ask({ type: 'publish', topic: 'amid', payload: `${index}`, qos: 1 }),
    ),
  )
  for (const answer of answers) expect(answer).toMatchObject({ type: 'ok' })
  for (const client of clients) {
    const payloads = (await client.gotMessages(5)).map(({ payload }) => payload)
    expect(payloads.sort()).toEqual(['0', '1', '2', '3', '4'])
  }
})
