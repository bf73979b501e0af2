/** Wildcards, `$` topics, overlaps and the end of subscriptions, as real clients see them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeWithPeers, requirePeer } from '../support/peers.js'
import { type BrokerUnderTest, type Scheme, startBroker } from './broker-under-test.js'
import { mosquittoSub } from './peers/mosquitto-clients.js'
import { openMqttJs } from './peers/mqtt-js.js'
import { type Generation, PahoProcess, type ProtocolVersion } from './peers/paho.js'
import type { Inbox } from './peers/peer.js'

/** Deeper than any filter here but its own reaches: once it has come, all that was published before has. */
const MARKER = 'marker/of/the/end'

let broker: BrokerUnderTest
let publisher: Awaited<ReturnType<typeof openMqttJs>>['client']

beforeAll(async () => {
  broker = await startBroker({ sysIntervalSecs: 1 })
  publisher = (await openMqttJs(broker, 'mqtt', { protocolVersion: 5 })).client
})

afterAll(async () => {
  await publisher.endAsync()
  await broker.close()
})

async function publishAll(topicNames: readonly string[]): Promise<void> {
  for (const topicName of [...topicNames, MARKER])
    await publisher.publishAsync(topicName, topicName, { qos: 1 })
}

/** The topics of what came before the marker. */
async function topicsUntilMarker(inbox: Inbox): Promise<(string | undefined)[]> {
  await inbox.findPayload(Buffer.from(MARKER))
  return inbox.received.map(({ topicName }) => topicName).filter((topicName) => topicName !== MARKER)
}

describe.each([
  { topicFilter: '+', fitting: ['one', 'ü'], others: ['one/two', '/one'] },
  { topicFilter: 'a/+/c', fitting: ['a/b/c', 'a//c'], others: ['a/b/d', 'a/b/c/d', 'a/c'] },
  { topicFilter: 'a/#', fitting: ['a', 'a/b', 'a/b/c', 'a/'], others: ['b/a', 'A'] },
  { topicFilter: '/+', fitting: ['/finance', '/'], others: ['finance'] },
  { topicFilter: '+/+', fitting: ['/finance', 'a/b'], others: ['a', 'a/b/c'] },
  { topicFilter: '$mine/#', fitting: ['$mine', '$mine/a'], others: ['mine', 'a/$mine'] },
])('the filter $topicFilter', ({ topicFilter, fitting, others }) => {
  test.each(['mqtt', 'wss'] as Scheme[])('finds what it should over %s', async (scheme) => {
    const { client, inbox } = await openMqttJs(broker, scheme, { protocolVersion: 4 })
    await client.subscribeAsync([topicFilter, MARKER], { qos: 1 })
    await publishAll([...others, ...fitting])
    expect(await topicsUntilMarker(inbox)).toEqual(fitting)
    await client.endAsync()
  })
})

describe('topics that begin with $', () => {
  test('are hidden from a wildcard at the start, and found by name', async (context) => {
    requirePeer('mosquitto-clients', context)
    const everything = await mosquittoSub(broker, ['-t', '#', '-t', '+/broker/#', '-q', '1'])
    const system = await mosquittoSub(broker, ['-t', '$SYS/#'])
    // the value that is retained may be from before; the next one counts this publisher and both subscribers
    await system.inbox.find(
      ({ topicName, payload }) => topicName === '$SYS/broker/clients/connected' && Number(payload) === 3,
    )
    await publishAll(['plain'])
    await everything.inbox.findPayload(Buffer.from(MARKER))
    const topics = everything.inbox.received.map(({ topicName = '' }) => topicName)
    expect(topics.filter((topicName) => topicName.startsWith('$'))).toEqual([])
    await everything.close()
    await system.close()
  })

  test('$SYS cannot be published to by a client', async () => {
    const { client, inbox } = await openMqttJs(broker, 'mqtt', { protocolVersion: 5 })
    await client.subscribeAsync(['$SYS/#', MARKER], { qos: 1 })
    const forged = client.publishAsync('$SYS/broker/version', 'forged', { qos: 1 })
    await forged.catch(() => undefined)
    if (client.connected) {
      await publishAll([])
      await inbox.findPayload(Buffer.from(MARKER))
    }
    expect(inbox.countOf(Buffer.from('forged'))).toBe(0)
    await client.endAsync(true)
  })
})

describe('the end of a subscription', () => {
  const versions: readonly ProtocolVersion[] = [4, 5]

  test.each(versions)('MQTT.js gets nothing after UNSUBSCRIBE, version %i', async (protocolVersion) => {
    const { client, inbox } = await openMqttJs(broker, 'ws', { protocolVersion })
    await client.subscribeAsync(['ends/+', 'ends/stay', MARKER], { qos: 1 })
    await client.unsubscribeAsync('ends/+')
    await publishAll(['ends/gone', 'ends/stay'])
    expect(await topicsUntilMarker(inbox)).toEqual(['ends/stay'])
    await client.endAsync()
  })

  for (const generation of [2, 1] as Generation[]) {
    describeWithPeers([`paho${generation}`], `paho-mqtt of generation ${generation}`, () => {
      test.each(versions)('gets nothing after unsubscribe(), version %i', async (version) => {
        const paho = new PahoProcess(generation)
        const client = await paho.open(broker, { version })
        await client.subscribe('ends/#', 2)
        await client.subscribe(MARKER, 1)
        await client.unsubscribe('ends/#')
        await publishAll(['ends/gone'])
        expect(await topicsUntilMarker(client.inbox)).toEqual([])
        await client.close()
        await paho.close()
      })
    })
  }

  test('a subscription that is made again replaces the first, with its new QoS', async () => {
    const { client, inbox } = await openMqttJs(broker, 'mqtt', { protocolVersion: 4 })
    await client.subscribeAsync('again/+', { qos: 2 })
    await client.subscribeAsync('again/+', { qos: 0 })
    await client.subscribeAsync(MARKER, { qos: 1 })
    await publishAll(['again/a'])
    await inbox.findPayload(Buffer.from(MARKER))
    const again = inbox.received.filter(({ topicName }) => topicName === 'again/a')
    expect(again.map(({ qos }) => qos)).toEqual([0])
    await client.endAsync()
  })
})
