/** What 5.0 adds to a message, passed on from one implementation to another. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { describeWithPeers, requirePeer } from '../support/peers.js'
import { type BrokerUnderTest, startBroker } from './broker-under-test.js'
import { mosquittoPub } from './peers/mosquitto-clients.js'
import { openMqttJs } from './peers/mqtt-js.js'
import { type Generation, PahoProcess } from './peers/paho.js'

type Opened = Awaited<ReturnType<typeof openMqttJs>>

const CORRELATION = Buffer.from([0x00, 0x01, 0xfe, 0xff])
/** In this order, one of them twice: user properties are a list, not a map [MQTT-3.3.2-18]. */
const USER_PROPERTIES: [string, string][] = [
  ['unit', '°C'],
  ['sensor', 'north'],
  ['unit', 'K'],
]

let broker: BrokerUnderTest
let opened: Opened[] = []

beforeAll(async () => {
  broker = await startBroker()
})

afterEach(async () => {
  await Promise.all(opened.map(({ client }) => client.endAsync()))
  opened = []
})

afterAll(() => broker.close())

async function open(...args: Parameters<typeof openMqttJs> extends [unknown, ...infer Rest] ? Rest : never) {
  const client = await openMqttJs(broker, ...args)
  opened.push(client)
  return client
}

for (const generation of [2, 1] as Generation[]) {
  describeWithPeers(
    [`paho${generation}`],
    `between MQTT.js and paho-mqtt of generation ${generation}`,
    () => {
      let paho: PahoProcess
      beforeAll(() => {
        paho = new PahoProcess(generation)
      })
      afterAll(() => paho.close())

      test('every property of a message reaches JavaScript from Python', async () => {
        const { client, inbox } = await open('ws', { protocolVersion: 5 })
        await client.subscribeAsync('properties/from-python', { qos: 1 })
        const python = await paho.open(broker, { version: 5 })
        await python.publish('properties/from-python', Buffer.from('{"t":21.5}'), {
          qos: 1,
          properties: {
            PayloadFormatIndicator: 1,
            ContentType: 'application/json',
            ResponseTopic: 'properties/antwort/ü',
            CorrelationData: CORRELATION.toString('base64'),
            MessageExpiryInterval: 100,
            UserProperty: USER_PROPERTIES,
          },
        })
        const { properties = {} } = await inbox.findPayload(Buffer.from('{"t":21.5}'))
        expect(properties).toMatchObject({
          payloadFormatIndicator: true,
          contentType: 'application/json',
          responseTopic: 'properties/antwort/ü',
          correlationData: CORRELATION,
          // MQTT.js makes an object of them, with a list for the name that comes twice
          userProperties: { unit: ['°C', 'K'], sensor: 'north' },
        })
        // what remains of it, in whole seconds [MQTT-3.3.2-6]
        expect(properties.messageExpiryInterval).toBeGreaterThanOrEqual(98)
        expect(properties.messageExpiryInterval).toBeLessThanOrEqual(100)
        await python.close()
      })

      test('user properties keep their order on the way from Python to Python', async () => {
        const python = await paho.open(broker, { version: 5 })
        await python.subscribe('properties/order', 1)
        const properties = { UserProperty: USER_PROPERTIES }
        await python.publish('properties/order', Buffer.from('in order'), { qos: 1, properties })
        const message = await python.inbox.findPayload(Buffer.from('in order'))
        expect(message.properties?.UserProperty).toEqual(USER_PROPERTIES)
        await python.close()
      })

      test('a question from Python is answered in JavaScript on its response topic', async () => {
        const answering = await open('mqtts', { protocolVersion: 5 })
        await answering.client.subscribeAsync('service/double', { qos: 1 })
        answering.client.on('message', (_topicName, payload, { properties = {} }) => {
          const { responseTopic = '', correlationData = Buffer.alloc(0) } = properties
          const answer = String(Number(payload) * 2)
          answering.client.publish(responseTopic, answer, { qos: 1, properties: { correlationData } })
        })
        const asking = await paho.open(broker, { version: 5 })
        await asking.subscribe('service/answers/1', 1)
        await asking.publish('service/double', Buffer.from('21'), {
          qos: 1,
          properties: { ResponseTopic: 'service/answers/1', CorrelationData: CORRELATION.toString('base64') },
        })
        const answer = await asking.inbox.findPayload(Buffer.from('42'))
        expect(answer.properties?.CorrelationData).toBe(CORRELATION.toString('base64'))
        await asking.close()
      })

      test('a 3.1.1 subscriber gets the message without its properties', async () => {
        const python = await paho.open(broker, { version: 4 })
        await python.subscribe('properties/old', 1)
        const { client } = await open('mqtt', { protocolVersion: 5 })
        const properties = {
          contentType: 'text/plain',
          userProperties: { a: 'b' },
          messageExpiryInterval: 60,
        }
        await client.publishAsync('properties/old', 'plain', { qos: 1, properties })
        expect(await python.inbox.findPayload(Buffer.from('plain'))).toMatchObject({ properties: {}, qos: 1 })
        await python.close()
      })
    },
  )
}

test('mosquitto_pub -D: properties reach JavaScript', async (context) => {
  requirePeer('mosquitto-clients', context)
  const { client, inbox } = await open('wss', { protocolVersion: 5 })
  await client.subscribeAsync('properties/mosquitto', { qos: 2 })
  const properties = ['content-type text/plain', 'user-property room küche', 'user-property room flur']
  const args = properties.flatMap((property) => {
    const [name = '', ...values] = property.split(' ')
    return ['-D', 'publish', name, ...values]
  })
  const payload = Buffer.from('from C')
  await mosquittoPub(broker, ['-V', '5', '-t', 'properties/mosquitto', '-q', '2', ...args], payload)
  const message = await inbox.findPayload(payload)
  expect(message.properties).toMatchObject({
    contentType: 'text/plain',
    userProperties: { room: ['küche', 'flur'] },
  })
})

describe('subscription options', () => {
  test('no local: a publisher does not hear itself, others do', async () => {
    const [self, other] = [
      await open('ws', { protocolVersion: 5 }),
      await open('mqtt', { protocolVersion: 5 }),
    ]
    await self.client.subscribeAsync('options/nl', { qos: 1, nl: true })
    await other.client.subscribeAsync('options/nl', { qos: 1, nl: true })
    await self.client.publishAsync('options/nl', 'mine', { qos: 1 })
    await other.inbox.findPayload(Buffer.from('mine'))
    await other.client.publishAsync('options/nl', 'theirs', { qos: 1 })
    await self.inbox.findPayload(Buffer.from('theirs'))
    expect(self.inbox.countOf(Buffer.from('mine'))).toBe(0)
  })

  test('retain as published: the flag arrives as it was sent', async () => {
    const { client, inbox } = await open('mqtt', { protocolVersion: 5 })
    await client.subscribeAsync('options/rap', { qos: 1, rap: true })
    await client.publishAsync('options/rap', 'kept', { qos: 1, retain: true })
    await client.publishAsync('options/rap', 'passing', { qos: 1 })
    expect(await inbox.findPayload(Buffer.from('kept'))).toMatchObject({ retain: true })
    expect(await inbox.findPayload(Buffer.from('passing'))).toMatchObject({ retain: false })
  })

  test.for([
    { rh: 0, again: 2, why: 'at every SUBSCRIBE' },
    { rh: 1, again: 1, why: 'only when the subscription is new' },
    { rh: 2, again: 0, why: 'never' },
  ])('retain handling $rh: retained messages are sent $why', async ({ rh, again }) => {
    const { client, inbox } = await open('mqtt', { protocolVersion: 5 })
    const topicName = `options/rh/${rh}`
    await client.publishAsync(topicName, 'kept', { qos: 1, retain: true })
    await client.subscribeAsync(topicName, { qos: 1, rh })
    await client.subscribeAsync(topicName, { qos: 1, rh })
    await client.publishAsync(topicName, 'the end', { qos: 1 })
    await inbox.findPayload(Buffer.from('the end'))
    expect(inbox.countOf(Buffer.from('kept'))).toBe(again)
  })

  test('subscription identifiers name each subscription that a message fits', async () => {
    const { client, inbox } = await open('ws', { protocolVersion: 5 })
    await client.subscribeAsync('ids/+/state', { qos: 1, properties: { subscriptionIdentifier: 7 } })
    await client.subscribeAsync('ids/lamp/state', { qos: 1, properties: { subscriptionIdentifier: 300 } })
    await client.publishAsync('ids/lamp/state', 'on', { qos: 1 })
    await client.publishAsync('ids/fan/state', 'off', { qos: 1 })
    await inbox.findPayload(Buffer.from('off'))
    const seen = inbox.received
      .filter(({ payload }) => payload.equals(Buffer.from('on')))
      .flatMap(({ properties }) => properties?.subscriptionIdentifier)
    // one message with both identifiers or two with one each: both are allowed [MQTT-3.3.4-2]
    expect(seen.sort()).toEqual([300, 7])
    expect(inbox.received.at(-1)?.properties?.subscriptionIdentifier).toBe(7)
  })
})

describe('topic aliases', () => {
  test('of a publisher stand for its topics, and those towards a subscriber are understood by it', async () => {
    const publisher = await open('mqtt', { protocolVersion: 5, autoAssignTopicAlias: true })
    const subscriber = await open('wss', { protocolVersion: 5, properties: { topicAliasMaximum: 2 } })
    await subscriber.client.subscribeAsync('aliases/#', { qos: 1 })
    const topics = ['aliases/one', 'aliases/two', 'aliases/drei/ü']
    const expected = Array.from({ length: 30 }, (_, n) => ({ topicName: topics[n % 3] ?? '', text: `#${n}` }))
    for (const { topicName, text } of expected)
      await publisher.client.publishAsync(topicName, text, { qos: 1 })
    const got = await subscriber.inbox.take(expected.length)
    expect(got.map(({ topicName, payload }) => ({ topicName, text: payload.toString() }))).toEqual(expected)
  })
})

test('a message that has expired in the queue is not delivered, and one that has not is, with what remains', async () => {
  const options = {
    protocolVersion: 5 as const,
    clientId: 'late-reader',
    clean: false,
    properties: { sessionExpiryInterval: 60 },
  }
  const reader = await openMqttJs(broker, 'mqtt', options)
  await reader.client.subscribeAsync('expiry/#', { qos: 1 })
  await reader.client.endAsync()
  const { client } = await open('mqtt', { protocolVersion: 5 })
  await client.publishAsync('expiry/short', 'gone', { qos: 1, properties: { messageExpiryInterval: 1 } })
  await client.publishAsync('expiry/long', 'here', { qos: 1, properties: { messageExpiryInterval: 60 } })
  await new Promise((resolve) => setTimeout(resolve, 2_100))
  const again = await open('mqtt', options)
  const message = await again.inbox.findPayload(Buffer.from('here'))
  expect(again.inbox.received).toHaveLength(1)
  expect(message.properties?.messageExpiryInterval).toBeLessThanOrEqual(58)
})
