/**
 * QoS 2 on `/live`, which offers none: a session may have a subscription at QoS 2 that an MQTT client has made. What
 * comes by it is told as QoS 1, and towards the core its four steps are gone through.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { Broker } from '../../src/index.js'
import type { TransportSink } from '../../src/transports/transport.js'
import { PacketHalf } from '../../src/web/packets.js'
import { until } from '../support/until.js'
import { properties, WireClient } from '../support/wire-client.js'
import { type as packetType, readPackets } from '../support/wire-packets.js'
import { type Answer, LiveClient, portOf, terminateAll } from './live-client.js'

const NAMES: ReadonlyMap<number, string> = new Map([
  [packetType.publish, 'PUBLISH'],
  [packetType.puback, 'PUBACK'],
  [packetType.pubrec, 'PUBREC'],
  [packetType.pubrel, 'PUBREL'],
  [packetType.pubcomp, 'PUBCOMP'],
])
const RECEIVE_MAXIMUM = 3

let broker: Broker
/** What was said between the core and a client of /live about messages: `PUBREL 1`, with the Packet Identifier. */
let said: string[] = []

function note(bytes: Uint8Array): void {
  for (const { type, packetId } of readPackets(Buffer.from(bytes), true).packets) {
    const name = NAMES.get(type)
    if (name !== undefined) said.push(`${name} ${packetId}`)
  }
}

beforeAll(async () => {
  broker = await Broker.start({ port: 0, host: '127.0.0.1' })
  const { open, take } = PacketHalf.prototype
  vi.spyOn(PacketHalf.prototype, 'take').mockImplementation(function (this: PacketHalf, bytes) {
    note(bytes)
    return take.call(this, bytes)
  })
  vi.spyOn(PacketHalf.prototype, 'open').mockImplementation(function (this: PacketHalf, sink) {
    const receive: TransportSink['receive'] = (bytes) => {
      note(bytes)
      sink.receive(bytes)
    }
    open.call(this, Object.assign(Object.create(sink), { receive }))
  })
})

beforeEach(() => {
  said = []
})

afterEach(terminateAll)

afterAll(async () => {
  vi.restoreAllMocks()
  await broker.close({ drainTimeoutMs: 0 })
})

/** A session whose client has subscribed by MQTT, at that QoS to `<clientId>/<QoS>`, and is there. */
async function mqttClient(clientId: string): Promise<WireClient> {
  const device = await WireClient.connect(portOf(broker), {
    clientId,
    properties: [...properties.sessionExpiryInterval(60), ...properties.receiveMaximum(1)],
  })
  const filters = [
    [`${clientId}/1`, 1],
    [`${clientId}/2`, 2],
  ] as const
  expect(await device.subscribe(filters)).toEqual([1, 2])
  return device
}

/** Its session, and all connections, are left alone. */
async function leave(client: WireClient | LiveClient): Promise<void> {
  if (client instanceof WireClient) client.cut()
  else client.webSocket.terminate()
  await until(() => broker.connectedClients === 0, 'the end of the connection')
}

async function resume(clientId: string): Promise<LiveClient> {
  const client = await LiveClient.open(broker)
  const answer = await client.ask({
    type: 'connect',
    clientId,
    cleanStart: false,
    sessionExpiryIntervalSecs: 60,
    receiveMaximum: RECEIVE_MAXIMUM,
  })
  expect(answer).toMatchObject({ type: 'connected', sessionPresent: true })
  return client
}

async function publish(clientId: string, qos: 1 | 2, ...payloads: string[]): Promise<void> {
  for (const payload of payloads) await broker.publish(`${clientId}/${qos}`, payload, { qos: 2 })
}

function payloadsOf(messages: readonly Answer[]): unknown[] {
  return messages.map(({ payload }) => payload)
}

/** What was said about the n-th message so far, in order. */
function stepsOf(packetId: number): string[] {
  return said.filter((step) => step.endsWith(` ${packetId}`)).map((step) => step.split(' ')[0] ?? '')
}

it('a message at QoS 2 comes once, as one at QoS 1, and its acknowledgement goes through all the steps', async () => {
  await leave(await mqttClient('steps'))
  await publish('steps', 2, 'one')
  const client = await resume('steps')
  const [message] = await client.gotMessages(1)
  expect(message).toEqual({ type: 'message', topic: 'steps/2', payload: 'one', qos: 1, ack: 1 })
  const packetId = Number(said[0]?.split(' ')[1])
  expect(said).toEqual([`PUBLISH ${packetId}`])
  await client.ask({ type: 'ack', ack: 1 })
  await client.ask({ type: 'ping' })
  expect(said).toEqual(['PUBLISH', 'PUBREC', 'PUBREL', 'PUBCOMP'].map((name) => `${name} ${packetId}`))

  await leave(client)
  const again = await resume('steps')
  await publish('steps', 2, 'two')
  expect(payloadsOf(await again.gotMessages(1))).toEqual(['two'])
})

it('more of them than receiveMaximum get through, each once, as they are acknowledged', async () => {
  await leave(await mqttClient('window'))
  const payloads = Array.from({ length: 10 }, (_, index) => String(index))
  await publish('window', 2, ...payloads)
  const client = await resume('window')
  for (let count = RECEIVE_MAXIMUM; count <= payloads.length; count += RECEIVE_MAXIMUM) {
    await client.gotMessages(count)
    await client.ask({ type: 'ping' })
    expect(client.messages).toHaveLength(count)
    await client.ask({ type: 'ack', ack: count })
  }
  const all = await client.gotMessages(payloads.length)
  expect(payloadsOf(all)).toEqual(payloads)
  expect(all.map(({ ack }) => ack)).toEqual(payloads.map((_, index) => index + 1))
  await client.ask({ type: 'ack', ack: payloads.length })
  await client.ask({ type: 'ping' })
  expect(said.filter((step) => step.startsWith('PUBCOMP'))).toHaveLength(payloads.length)

  await leave(client)
  const again = await resume('window')
  await again.ask({ type: 'ping' })
  expect(again.messages).toEqual([])
})

it('both kinds in one session are acknowledged by one number, each in its own way', async () => {
  await leave(await mqttClient('mixed'))
  await publish('mixed', 1, 'at 1')
  await publish('mixed', 2, 'at 2')
  await publish('mixed', 1, 'at 1 again')
  const client = await resume('mixed')
  expect(payloadsOf(await client.gotMessages(3))).toEqual(['at 1', 'at 2', 'at 1 again'])
  const ids = said.map((step) => Number(step.split(' ')[1]))
  await client.ask({ type: 'ack', ack: 3 })
  await client.ask({ type: 'ping' })
  expect(ids.map(stepsOf)).toEqual([
    ['PUBLISH', 'PUBACK'],
    ['PUBLISH', 'PUBREC', 'PUBREL', 'PUBCOMP'],
    ['PUBLISH', 'PUBACK'],
  ])
})

it('what was not acknowledged before a reconnect comes again, and what was does not', async () => {
  await leave(await mqttClient('again'))
  await publish('again', 2, 'one', 'two', 'three', 'four', 'five')
  const first = await resume('again')
  await first.gotMessages(RECEIVE_MAXIMUM)
  await first.ask({ type: 'ack', ack: 1 })
  expect(payloadsOf(await first.gotMessages(4))).toEqual(['one', 'two', 'three', 'four'])
  await leave(first)

  const second = await resume('again')
  const repeated = await second.gotMessages(RECEIVE_MAXIMUM)
  expect(repeated).toMatchObject([
    { payload: 'two', duplicate: true, ack: 1 },
    { payload: 'three', duplicate: true, ack: 2 },
    { payload: 'four', duplicate: true, ack: 3 },
  ])
  await second.ask({ type: 'ack', ack: 3 })
  const [, , , last] = await second.gotMessages(4)
  expect(last).toEqual({ type: 'message', topic: 'again/2', payload: 'five', qos: 1, ack: 4 })
  await second.ask({ type: 'ack', ack: 4 })
  await leave(second)

  const third = await resume('again')
  await third.ask({ type: 'ping' })
  expect(third.messages).toEqual([])
})

it('a message that the MQTT client had received, but not completed, is completed and does not come again', async () => {
  const device = await mqttClient('half')
  await publish('half', 2, 'one', 'two')
  const received = await device.next(packetType.publish)
  device.acknowledge(packetType.pubrec, received.packetId)
  await device.next(packetType.pubrel)
  await leave(device)

  const client = await resume('half')
  expect(payloadsOf(await client.gotMessages(1))).toEqual(['two'])
  await client.ask({ type: 'ping' })
  expect(stepsOf(received.packetId)).toEqual(['PUBREL', 'PUBCOMP'])
  expect(client.messages).toHaveLength(1)
})
