/** A will is published when a client is cut off, and not when it says goodbye. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeWithPeers } from '../support/peers.js'
import { type BrokerUnderTest, type Scheme, startBroker } from './broker-under-test.js'
import { mosquittoSub } from './peers/mosquitto-clients.js'
import { openMqttJs } from './peers/mqtt-js.js'
import { type Generation, PahoProcess, type ProtocolVersion } from './peers/paho.js'
import type { Inbox } from './peers/peer.js'

let broker: BrokerUnderTest
/** A subscriber to every will of this file. */
let witness: Awaited<ReturnType<typeof openMqttJs>>

beforeAll(async () => {
  broker = await startBroker()
  witness = await openMqttJs(broker, 'mqtt', { protocolVersion: 5 })
  await witness.client.subscribeAsync('wills/#', { qos: 1 })
})

afterAll(async () => {
  await witness.client.endAsync()
  await broker.close()
})

/** Fails when a message on `topicName` came before a marker that is published now. */
async function expectSilence(topicName: string): Promise<void> {
  const marker = Buffer.from(`nothing came on ${topicName}`)
  await witness.client.publishAsync('wills/marker', marker, { qos: 1 })
  await witness.inbox.findPayload(marker)
  expect(witness.inbox.received.filter((message) => message.topicName === topicName)).toEqual([])
}

describe.each(['mqtt', 'mqtts', 'ws', 'wss'] as Scheme[])('MQTT.js over %s://', (scheme) => {
  test.each([4, 5] as ProtocolVersion[])(
    'the will of a client cut off is published, version %i',
    async (version) => {
      const payload = Buffer.from(`cut off on ${scheme} ${version} ✂`)
      const will = { topic: `wills/mqttjs/${scheme}/${version}`, payload, qos: 1 as const, retain: false }
      const { client } = await openMqttJs(broker, scheme, { protocolVersion: version, will })
      client.stream.destroy()
      expect(await witness.inbox.findPayload(payload)).toMatchObject({
        topicName: will.topic,
        qos: 1,
        retain: false,
      })
    },
  )

  test.each([4, 5] as ProtocolVersion[])(
    'a client that disconnects takes its will along, version %i',
    async (version) => {
      const topic = `wills/mqttjs-goodbye/${scheme}/${version}`
      const will = { topic, payload: Buffer.from('never'), qos: 1 as const, retain: false }
      const { client } = await openMqttJs(broker, scheme, { protocolVersion: version, will })
      await client.endAsync()
      await expectSilence(topic)
    },
  )
})

test('a 5.0 client may disconnect and ask for its will (0x04)', async () => {
  const payload = Buffer.from('as I said')
  const will = { topic: 'wills/on-request', payload, qos: 0 as const, retain: false }
  const { client } = await openMqttJs(broker, 'mqtt', { protocolVersion: 5, will })
  await client.endAsync(false, { reasonCode: 0x04 })
  await witness.inbox.findPayload(payload)
})

for (const generation of [2, 1] as Generation[]) {
  describeWithPeers([`paho${generation}`], `paho-mqtt of generation ${generation}`, () => {
    test.each([4, 5] as ProtocolVersion[])(
      'the will of a process that is killed is published and retained, version %i',
      async (version) => {
        const paho = new PahoProcess(generation)
        const topic = `wills/paho${generation}/${version}`
        const payload = Buffer.from(`killed ${generation} ${version} – schade`)
        await paho.open(broker, { version, will: { topic, payload, qos: 1, retain: true } })
        await paho.kill()
        await witness.inbox.findPayload(payload)
        expect(await retainedOn(topic)).toEqual(payload)
      },
    )

    test('a client that falls silent is given up after one and a half times its keep alive', async () => {
      const paho = new PahoProcess(generation)
      const topic = `wills/paho${generation}-silent`
      const payload = Buffer.from(`${generation} does not answer`)
      await paho.open(broker, { version: 4, keepAlive: 1, will: { topic, payload } })
      paho.freeze()
      const frozenAt = performance.now()
      await witness.inbox.findPayload(payload)
      // [MQTT-3.1.2-22]; the last packet may have come up to a second before
      expect(performance.now() - frozenAt).toBeGreaterThan(400)
      expect(performance.now() - frozenAt).toBeLessThan(6_000)
      await paho.kill()
    })

    test('disconnect() takes the will along', async () => {
      const paho = new PahoProcess(generation)
      const topic = `wills/paho${generation}-goodbye`
      const client = await paho.open(broker, { version: 4, will: { topic, payload: Buffer.from('never') } })
      await client.close()
      await expectSilence(topic)
      await paho.close()
    })
  })
}

describeWithPeers(['paho2'], 'a will that waits (Will Delay Interval)', () => {
  const open = async (paho: PahoProcess, topic: string, payload: Buffer, WillDelayInterval = 1) =>
    paho.open(broker, {
      version: 5,
      clientId: `delayed-${topic.slice(-6)}`,
      clean: false,
      properties: { SessionExpiryInterval: 60 },
      will: { topic, payload, properties: { WillDelayInterval } },
    })

  test('comes after its delay', async () => {
    const paho = new PahoProcess(2)
    const payload = Buffer.from('a second later')
    await open(paho, 'wills/delayed', payload)
    const cutAt = performance.now()
    await paho.kill()
    await witness.inbox.findPayload(payload)
    // timers of the broker may be coarse, but never early by more than a tick
    expect(performance.now() - cutAt).toBeGreaterThan(900)
  })

  test('does not come when the client is back in time', async () => {
    const first = new PahoProcess(2)
    const second = new PahoProcess(2)
    await open(first, 'wills/in-time', Buffer.from('never'), 4)
    await first.kill()
    const { connack } = await open(second, 'wills/in-time', Buffer.from('never'), 4)
    expect(connack.sessionPresent).toBe(true)
    await new Promise((resolve) => setTimeout(resolve, 4_500))
    await expectSilence('wills/in-time')
    await second.close()
  })
})

describeWithPeers(['mosquitto-clients'], 'mosquitto_sub', () => {
  test.each(['31', '311', '5'])(
    'the will of a process that is killed is published, -V %s',
    async (version) => {
      const topic = `wills/mosquitto/${version}`
      const payload = `mosquitto_sub ${version} is no more`
      const will = ['--will-topic', topic, '--will-payload', payload, '--will-qos', '1']
      const { child } = await mosquittoSub(broker, ['-V', version, '-t', 'nothing', ...will])
      child.kill('SIGKILL')
      expect(await witness.inbox.findPayload(Buffer.from(payload))).toMatchObject({
        topicName: topic,
        qos: 1,
      })
    },
  )
})

/** What somebody who subscribes now is sent. */
async function retainedOn(topicName: string): Promise<Buffer> {
  const { client, inbox }: { client: { endAsync(): Promise<void> }; inbox: Inbox } =
    await subscribeTo(topicName)
  const { payload } = await inbox.find(({ retain }) => retain === true)
  await client.endAsync()
  return payload
}

async function subscribeTo(topicName: string): Promise<Awaited<ReturnType<typeof openMqttJs>>> {
  const opened = await openMqttJs(broker, 'ws', { protocolVersion: 5 })
  await opened.client.subscribeAsync(topicName, { qos: 1 })
  return opened
}
