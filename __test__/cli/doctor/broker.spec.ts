/** Each check about MQTT itself, by a real cause: Mosquitto, Aedes and our own broker as somebody has set them up. */
import { once } from 'node:events'
import { type AddressInfo, connect as connectSocket, createServer } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { BadNetwork, PERFECT } from '../../../src/cli/compare/network.js'
import { connectAsync } from '../../../src/index.js'
import type { KnowledgeCode } from '../../../src/knowledge/table.js'
import { WireClient } from '../../support/wire-client.js'
import { alice, type Cause, mosquitto, mosquittoWithUser, start, startAedes, urlOf } from './brokers.js'
import { examined, line } from './examined.js'

const LIMIT = { timeout: 60_000 }

/** A subscriber that stops reading while more is published than its out-buffer takes. */
async function brokerWithSlowConsumer(): Promise<string> {
  const broker = await start({ sysIntervalSecs: 1, limits: { maximumOutBufferBytes: 65_536 } })
  const slow = await WireClient.connect(broker.addresses[0]?.port ?? 0, { clientId: 'slow' })
  onTestFinished(() => slow.cut())
  await slow.subscribe([['much', 0]])
  slow.freeze()
  const dropped = once(broker, 'drop')
  const timer = setInterval(() => {
    for (let count = 0; count < 50; count += 1) broker.publish('much', Buffer.alloc(65_536))
  }, 5)
  await dropped.finally(() => clearInterval(timer))
  const told = new Promise<void>((resolve) => {
    broker.subscribe('$SYS/broker/publish/messages/dropped', (message) => {
      if (Number(message.text()) > 0) resolve()
    })
  })
  await told
  return urlOf(broker)
}

/** Behind a line on which a message takes longer than a second, whatever the machine does. */
async function brokerFarAway(): Promise<string> {
  const port = (await start()).addresses[0]?.port ?? 0
  const network = await BadNetwork.listen({ host: '127.0.0.1', port }, { ...PERFECT, delayMs: 520 }, 1)
  onTestFinished(() => network.close())
  return `mqtt://127.0.0.1:${network.port}`
}

async function brokerWithRetained(topic: string): Promise<string> {
  const broker = await start()
  broker.publish(topic, 'an old value', { retain: true })
  return urlOf(broker)
}

/** Another client with the id `twin`, which comes back whenever it is thrown out. */
async function brokerWithTwin(protocolVersion: 4 | 5): Promise<string> {
  const url = urlOf(await start())
  const twin = await connectAsync(url, { clientId: 'twin', protocolVersion, reconnectPeriod: 200 })
  onTestFinished(() => void twin.end(true))
  return url
}

const causes: readonly [title: string, KnowledgeCode, RegExp, Cause][] = [
  [
    'a client id that another client has (5.0)',
    'client-id',
    /^fail: another client uses "twin": it came back [\d.]+ s after this one \(0x8e, Session taken over\)/,
    async () => [await brokerWithTwin(5), '--client-id', 'twin'],
  ],
  [
    'a client id that another client has (3.1.1)',
    'client-id',
    /^fail: another client uses "twin": .* \(the connection was ended\)/,
    async () => [await brokerWithTwin(4), '--client-id', 'twin', '-V', '311'],
  ],
  [
    'Aedes, and 5.0 asked for',
    'version',
    /^fail: the server does not speak MQTT 5\.0: it speaks 3\.1\.1, 3\.1\. Use a version/,
    async () => [await startAedes(), '-V', '5'],
  ],
  [
    'Mosquitto with passwords, and none given',
    'log-in',
    /^fail: the server does not let clients in without a user: .*Give user name and password: -u and -P/,
    async (context) => [await mosquittoWithUser(context)],
  ],
  [
    'Mosquitto with passwords, and a wrong one',
    'log-in',
    /^fail: the server refuses this user: Not authorized \(0x87\)\. Check user name and password/,
    async (context) => [await mosquittoWithUser(context), '-u', 'alice', '-P', 'wrong'],
  ],
  [
    'Mosquitto with passwords, and a wrong one in 3.1.1',
    'log-in',
    /^fail: the server refuses this user: /,
    async (context) => [await mosquittoWithUser(context), '-u', 'alice', '-P', 'wrong', '-V', '311'],
  ],
  [
    'Mosquitto with access rules that deny a tree, in words of 5.0',
    'permissions',
    /^fail: this user may not publish to others\/topicwire-doctor\/\w+ \(0x87\)/,
    async (context) => [await mosquittoWithUser(context), ...alice, '--topic', 'others/#'],
  ],
  [
    'Mosquitto with access rules that deny a tree, in the silence of 3.1.1',
    'permissions',
    /^fail: a message to others\/topicwire-doctor\/\w+ was acknowledged and did not arrive: before MQTT 5\.0/,
    async (context) => [await mosquittoWithUser(context), ...alice, '--topic', 'others/#', '-V', '311'],
  ],
  [
    'Mosquitto with access rules that leave no room for the canary',
    'permissions',
    /^warn: this user may not publish to topicwire-doctor\/\w+ \(0x87\)\. Where that is meant to be so, --topic/,
    async (context) => [await mosquittoWithUser(context), ...alice],
  ],
  [
    'a subscription that a hook denies',
    'permissions',
    /^fail: this user may not subscribe to secret\/7 \(0x87\)/,
    async () => {
      const broker = await start({ authorizeSubscribe: { filter: 'secret/#', handler: () => false } })
      return [urlOf(broker), '--topic', 'secret/7']
    },
  ],
  [
    'a broker that takes QoS 1 at most',
    'qos',
    /^warn: the server takes QoS 1 at most/,
    async () => [urlOf(await start({ features: { maximumQos: 1 } }))],
  ],
  [
    'a broker that grants QoS 1 at most, in 3.1.1',
    'qos',
    /^warn: QoS 2 was asked for, and QoS 1 granted\. A message has the lower QoS/,
    async () => [urlOf(await start({ features: { maximumQos: 1 } })), '-V', '311'],
  ],
  [
    'a Mosquitto that ends connections for a QoS that it does not take, in 3.1.1',
    'permissions',
    /^fail: a message with QoS 2 made the server end the connection: it grants QoS 1 at most\. Publish with that, or/,
    async (context) => [await mosquitto(context, { lines: ['max_qos 1'] }), '-V', '311'],
  ],
  [
    'a broker that ends every session with its connection',
    'session',
    /^warn: the server does not keep sessions \(it allows 0 s\)/,
    async () => [urlOf(await start({ limits: { sessionExpiryIntervalMaximumSecs: 0 } }))],
  ],
  [
    'a filter in other capitals',
    'near-miss',
    /^warn: nothing came for home\/temperature, but for home\/Temperature: capitals count/,
    async () => [await brokerWithRetained('home/Temperature'), '--topic', 'home/temperature'],
  ],
  [
    'a filter with a leading /',
    'near-miss',
    /^warn: .*: the filter begins with \/, the topic does not/,
    async () => [await brokerWithRetained('home/door'), '--topic', '/home/+'],
  ],
  [
    'a filter that is one level short',
    'near-miss',
    /^warn: .*: the topic is below the filter, which takes \/# at its end/,
    async () => [await brokerWithRetained('home/door/state'), '--topic', 'home/door'],
  ],
  [
    '# for the topics about the broker',
    'near-miss',
    /^warn: .*\$SYS\/broker\/.*: wildcards at the beginning do not match topics that begin with \$/,
    async () => {
      const broker = await start({ sysIntervalSecs: 1 })
      await new Promise<void>((resolve) => {
        broker.subscribe('$SYS/broker/uptime', () => resolve())
      })
      return [urlOf(broker), '--topic', '#']
    },
  ],
  [
    'a filter with + within a level',
    'near-miss',
    /^fail: home\/room\+ is no filter .*: \+ stands alone in its level/,
    async () => [urlOf(await start()), '--topic', 'home/room+'],
  ],
  [
    'a broker with a small maximumPacketSizeBytes',
    'packet-size',
    /^warn: the server takes packets of up to 10000 bytes, and 65536 bytes of payload do not fit/,
    async () => [urlOf(await start({ limits: { maximumPacketSizeBytes: 10_000 } }))],
  ],
  [
    'the same with the size of the messages that are sent',
    'packet-size',
    /^fail: .* 20000 bytes of payload do not fit\. Send less, or raise the limit: maximumPacketSizeBytes/,
    async () => [urlOf(await start({ limits: { maximumPacketSizeBytes: 10_000 } })), '--size', '20000'],
  ],
  [
    'the same in 3.1.1, which announces nothing',
    'packet-size',
    /^fail: a message of 20000 bytes ended the connection, and the server announces no limit/,
    async () => {
      const url = urlOf(await start({ limits: { maximumPacketSizeBytes: 10_000 } }))
      return [url, '--size', '20000', '-V', '311']
    },
  ],
  [
    'a retained message in the tree',
    'retained',
    /^warn: 1 topic of home\/# has a retained message, .*: home\/door\. .*topicwire pub -r -n -t 'home\/door'/,
    async () => [await brokerWithRetained('home/door'), '--topic', 'home/#'],
  ],
  [
    'a broker without retained messages',
    'retained',
    /^warn: the server keeps no retained messages/,
    async () => [urlOf(await start({ features: { retain: false } }))],
  ],
  [
    'a Mosquitto without retained messages, in 3.1.1, which has no word for that',
    'retained',
    /^warn: a retained message made the server end the connection\. It may keep none \(.*retain_available/,
    async (context) => [await mosquitto(context, { lines: ['retain_available false'] }), '-V', '311'],
  ],
  [
    'a subscriber that does not read',
    'slow-consumer',
    /^warn: since it was started, the server has dropped \d+ messages for clients that did not keep up/,
    async () => [await brokerWithSlowConsumer()],
  ],
  [
    'a way on which everything takes long',
    'slow-consumer',
    /^warn: a message took [1-9][\d.]* s back to its sender: the server or the way to it is overloaded/,
    async () => [await brokerFarAway()],
  ],
  [
    'a hook that takes the QoS of messages down',
    'qos',
    /^warn: a message that was sent with QoS 2 arrived with QoS 1/,
    async () => [urlOf(await start({ onPublish: () => ({ qos: 1 }) }))],
  ],
]

describe('the doctor finds', () => {
  it.for(causes)('%s: %s', LIMIT, async ([_title, code, expected, cause], context) => {
    const found = await examined(...(await cause(context)))
    expect(line(found.of(code))).toMatch(expected)
  })
})

it('takes a broker that says nothing to strangers for what it is', LIMIT, async () => {
  const broker = await start()
  // Only CONNECTs of 5.0 come through; the protocol level is their ninth byte.
  const door = createServer((client) => {
    client
      .on('error', () => {})
      .once('data', (bytes) => {
        if (bytes[8] !== 5) return void client.destroy()
        const server = connectSocket(broker.addresses[0]?.port ?? 0, '127.0.0.1').on('error', () => {})
        server.write(bytes)
        client.pipe(server).pipe(client)
      })
  }).listen(0, '127.0.0.1')
  await once(door, 'listening')
  onTestFinished(() => void door.close())
  const found = await examined(`mqtt://127.0.0.1:${(door.address() as AddressInfo).port}`)
  expect(line(found.of('scheme'))).toMatch(
    /^ok: .* speaks MQTT, and ends connections of strangers without a word/,
  )
  expect(line(found.of('version'))).toBe('ok: the server speaks 5.0.')
  expect(found.exitCode).toBe(0)
})
