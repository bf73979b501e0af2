/** Sessions that outlive their connection: what is queued, what is sent again, who takes whom over. */
import { randomUUID } from 'node:crypto'
import type { IClientOptions, IDisconnectPacket } from 'mqtt'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeWithPeers, requirePeer } from '../support/peers.js'
import { type BrokerUnderTest, type Scheme, startBroker } from './broker-under-test.js'
import { openMqttJs } from './peers/mqtt-js.js'
import { type Generation, PahoProcess, type ProtocolVersion } from './peers/paho.js'
import type { Inbox, Qos } from './peers/peer.js'

const VERSIONS: readonly ProtocolVersion[] = [4, 5]
const QUEUED = 40

let broker: BrokerUnderTest
let publisher: Awaited<ReturnType<typeof openMqttJs>>['client']

beforeAll(async () => {
  broker = await startBroker()
  publisher = (await openMqttJs(broker, 'mqtt', { protocolVersion: 5 })).client
})

afterAll(async () => {
  await publisher.endAsync()
  await broker.close()
})

/** Publishes QoS 1 and QoS 2 by turns. */
async function publishNumbered(topicName: string, count = QUEUED): Promise<void> {
  for (let number = 0; number < count; number += 1) {
    await publisher.publishAsync(topicName, `#${number}`, { qos: (1 + (number % 2)) as Qos })
  }
}

/** Each message once, and those of one QoS in the order in which they were published [MQTT-4.6.0-6]. */
async function expectNumbered(inbox: Inbox, count = QUEUED): Promise<void> {
  const messages = await inbox.take(count)
  for (const qos of [1, 2]) {
    const expected = Array.from({ length: count }, (_, number) => number).filter(
      (number) => 1 + (number % 2) === qos,
    )
    const got = messages
      .filter((message) => message.qos === qos)
      .map(({ payload }) => Number(payload.subarray(1)))
    expect(got).toEqual(expected)
  }
  expect(inbox.received).toHaveLength(count)
}

for (const generation of [2, 1] as Generation[]) {
  describeWithPeers([`paho${generation}`], `paho-mqtt of generation ${generation}`, () => {
    let paho: PahoProcess
    beforeAll(() => {
      paho = new PahoProcess(generation)
    })
    afterAll(() => paho.close())

    const options = (version: ProtocolVersion, clientId: string) => ({
      version,
      clientId,
      clean: false,
      ...(version === 5 ? { properties: { SessionExpiryInterval: 300 } } : {}),
    })
    const cases = VERSIONS.flatMap((version) => (['close', 'drop'] as const).map((end) => ({ version, end })))

    test.each(cases)(
      'finds what was published while it was away (version $version, after $end)',
      async ({ version, end }) => {
        const clientId = `away-${generation}-${version}-${end}`
        const first = await paho.open(broker, options(version, clientId))
        expect(first.connack).toEqual({ reasonCode: 0, sessionPresent: false })
        expect(await first.subscribe(`sessions/${clientId}`, 2)).toEqual([2])
        await first[end]()

        await publishNumbered(`sessions/${clientId}`)
        const second = await paho.open(broker, options(version, clientId))
        expect(second.connack).toEqual({ reasonCode: 0, sessionPresent: true })
        await expectNumbered(second.inbox)
        await second.close()

        const third = await paho.open(broker, options(version, clientId))
        expect(third.connack.sessionPresent).toBe(true)
        await publishNumbered(`sessions/${clientId}`, 2)
        await expectNumbered(third.inbox, 2)
        await third.close()
      },
    )

    test.each(VERSIONS)('a clean start forgets the session (version %i)', async (version) => {
      const clientId = `forgetful-${generation}-${version}`
      const first = await paho.open(broker, options(version, clientId))
      await first.subscribe(`sessions/${clientId}`, 1)
      await first.close()
      const second = await paho.open(broker, { ...options(version, clientId), clean: true })
      expect(second.connack.sessionPresent).toBe(false)
      await second.close()
    })
  })
}

const mqttJsCases = (['mqtt', 'mqtts', 'ws', 'wss'] as Scheme[]).flatMap((scheme) =>
  VERSIONS.map((version) => ({ scheme, version })),
)

describe.each(mqttJsCases)('MQTT.js over $scheme://, version $version', ({ scheme, version }) => {
  const options = (clientId: string): IClientOptions => ({
    protocolVersion: version,
    clientId,
    clean: false,
    ...(version === 5 ? { properties: { sessionExpiryInterval: 300 } } : {}),
  })

  test('finds what was published while it was away', async () => {
    const clientId = `js-away-${scheme}-${version}`
    const first = await openMqttJs(broker, scheme, options(clientId))
    expect(first.sessionPresent).toBe(false)
    await first.client.subscribeAsync(`sessions/${clientId}`, { qos: 2 })
    first.client.stream.destroy()

    await publishNumbered(`sessions/${clientId}`)
    const second = await openMqttJs(broker, scheme, options(clientId))
    expect(second.sessionPresent).toBe(true)
    await expectNumbered(second.inbox)
    await second.client.endAsync()
  })

  test('is sent again, marked as a duplicate, what it did not acknowledge', async () => {
    const clientId = `js-unacknowledged-${scheme}-${version}`
    const first = await openMqttJs(broker, scheme, options(clientId))
    await first.client.subscribeAsync(`sessions/${clientId}`, { qos: 1 })
    // the acknowledgement waits for the callback, which never comes
    const arrived = new Promise<void>((resolve) => {
      first.client.handleMessage = () => resolve()
    })
    await publisher.publishAsync(`sessions/${clientId}`, 'again', { qos: 1 })
    await arrived
    first.client.stream.destroy()

    const second = await openMqttJs(broker, scheme, options(clientId))
    await publisher.publishAsync(`sessions/${clientId}`, 'new', { qos: 1 })
    await second.inbox.findPayload(Buffer.from('new'))
    expect(second.inbox.received.map(({ payload, dup }) => [payload.toString(), dup])).toEqual([
      ['again', true],
      ['new', false],
    ])
    await second.client.endAsync()
  })
})

test('a session ends when its expiry interval is over', async () => {
  const options: IClientOptions = {
    protocolVersion: 5,
    clientId: 'short-lived',
    clean: false,
    properties: { sessionExpiryInterval: 3 },
  }
  const first = await openMqttJs(broker, 'mqtt', options)
  await first.client.endAsync()
  const early = await openMqttJs(broker, 'mqtt', options)
  expect(early.sessionPresent).toBe(true)
  await early.client.endAsync()
  await new Promise((resolve) => setTimeout(resolve, 3_600))
  const late = await openMqttJs(broker, 'mqtt', options)
  expect(late.sessionPresent).toBe(false)
  await late.client.endAsync()
})

test('a second connection with a client id takes the first one over and the first is told (0x8E)', async () => {
  const clientId = randomUUID()
  const first = await openMqttJs(broker, 'mqtt', { protocolVersion: 5, clientId })
  const told = new Promise<IDisconnectPacket>((resolve) => {
    first.client.once('disconnect', resolve)
  })
  const closed = new Promise((resolve) => first.client.once('close', () => resolve(undefined)))
  const second = await openMqttJs(broker, 'ws', { protocolVersion: 5, clientId })
  expect((await told).reasonCode).toBe(0x8e)
  await closed
  await second.client.subscribeAsync('still/here')
  await second.client.publishAsync('still/here', 'yes')
  await second.inbox.findPayload(Buffer.from('yes'))
  await second.client.endAsync()
})

test('a session crosses languages: begun in Python, resumed in JavaScript', async (context) => {
  requirePeer('paho1', context)
  const paho = new PahoProcess(1)
  const clientId = 'two-tongues'
  const python = await paho.open(broker, { version: 4, clientId, clean: false })
  await python.subscribe(`sessions/${clientId}`, 2)
  await python.close()
  await publishNumbered(`sessions/${clientId}`)
  const javascript = await openMqttJs(broker, 'wss', {
    protocolVersion: 5,
    clientId,
    clean: false,
    properties: { sessionExpiryInterval: 60 },
  })
  expect(javascript.sessionPresent).toBe(true)
  await expectNumbered(javascript.inbox)
  await javascript.client.endAsync()
  await paho.close()
})
