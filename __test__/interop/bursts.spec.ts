/** More messages at once than any window or buffer holds: nothing is lost, doubled or out of order. */
import type { IDisconnectPacket } from 'mqtt'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BrokerUnderTest, startBroker } from './broker-under-test.js'
import { allPeers, isInstalled, requireInstalled } from './peers/all.js'
import { openMqttJs } from './peers/mqtt-js.js'
import type { Qos } from './peers/peer.js'

/** More than `receiveMaximum` (1024), `maximumInflightMessages` (512) and paho-mqtt's own 20. */
const BURST = 3_000

const SUBSCRIBERS = [
  'paho2-mqtt-v5',
  'paho1-mqtt-v4',
  'mqttjs-wss-v5',
  'mqttjs-mqtt-v4',
  'mosquitto-311',
  'chromium',
]

const peers = allPeers().filter(({ slug }) => SUBSCRIBERS.includes(slug))
let broker: BrokerUnderTest
let publisher: Awaited<ReturnType<typeof openMqttJs>>['client']

beforeAll(async () => {
  broker = await startBroker()
  // 3.1.1, because MQTT.js does not keep to the Receive Maximum of a 5.0 server: see the last test
  publisher = (await openMqttJs(broker, 'mqtt', { protocolVersion: 4 })).client
  publisher.stream.setMaxListeners(0)
  await Promise.all(peers.filter(isInstalled).map((peer) => peer.open(broker)))
})

afterAll(async () => {
  await publisher.endAsync()
  await Promise.all(peers.filter(isInstalled).map((peer) => peer.close()))
  await broker.close()
})

describe.each([0, 1, 2] as Qos[])(`a burst of ${BURST} messages at QoS %i`, (qos) => {
  test.for(peers)('reaches $name whole and in order', async (peer, context) => {
    requireInstalled([peer], context)
    const topicName = `bursts/${peer.slug}/${qos}`
    const { inbox, close } = await peer.subscribe(topicName, qos)
    const expected = Array.from({ length: BURST }, (_, number) => `${number} – ${'x'.repeat(number % 50)}`)
    await Promise.all(expected.map((text) => publisher.publishAsync(topicName, text, { qos })))
    await inbox.take(BURST, 15_000)
    expect(inbox.received.map(({ payload }) => payload.toString())).toEqual(expected)
    await close()
  })
})

test('a 5.0 publisher that has more QoS 2 messages under way than the Receive Maximum is told 0x93', async () => {
  const { client } = await openMqttJs(broker, 'mqtt', { protocolVersion: 5 })
  client.stream.setMaxListeners(0)
  const told = new Promise<IDisconnectPacket>((resolve) => {
    client.once('disconnect', resolve)
  })
  for (let number = 0; number < BURST; number += 1) client.publish('bursts/too-many', `${number}`, { qos: 2 })
  expect((await told).reasonCode).toBe(0x93)
  await client.endAsync(true)
})

test('where that is tolerated it is served, and none of its messages is lost or doubled', async () => {
  const tolerant = await startBroker({ limits: { receiveMaximumPolicy: 'tolerant' } })
  const { client } = await openMqttJs(tolerant, 'mqtt', { protocolVersion: 5 })
  client.stream.setMaxListeners(0)
  const subscriber = await openMqttJs(tolerant, 'mqtt', { protocolVersion: 5 })
  await subscriber.client.subscribeAsync('bursts/tolerated', { qos: 2 })
  const expected = Array.from({ length: BURST }, (_, number) => `${number}`)
  await Promise.all(expected.map((text) => client.publishAsync('bursts/tolerated', text, { qos: 2 })))
  await subscriber.inbox.take(BURST, 15_000)
  expect(subscriber.inbox.received.map(({ payload }) => payload.toString())).toEqual(expected)
  await Promise.all([client.endAsync(), subscriber.client.endAsync()])
  await tolerant.close()
})
