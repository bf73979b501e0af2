/** `/live` towards peers that mean harm, or do not know better: one clear error each, and bounded memory. */
import { once } from 'node:events'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Broker } from '../../src/index.js'
import { CommandError, parseCommand } from '../../src/web/commands.js'
import { brokerOfTest, LiveClient, terminateAll } from './live-client.js'

let broker: Broker

beforeAll(async () => {
  broker = await Broker.start({ port: 0, host: '127.0.0.1' })
})

afterEach(terminateAll)
afterAll(() => broker.close({ drainTimeoutMs: 0 }))

const nested = `${'['.repeat(100_000)}${']'.repeat(100_000)}`

describe('one error, and the connection goes on', () => {
  it.each<[string, string, string]>([
    ['no JSON', '{"type":', 'ERR_MQTT_MALFORMED_PACKET'],
    ['nothing', '', 'ERR_MQTT_MALFORMED_PACKET'],
    ['null', 'null', 'ERR_MQTT_MALFORMED_PACKET'],
    ['an array', '[{"type":"ping"}]', 'ERR_MQTT_MALFORMED_PACKET'],
    ['deep nesting', nested, 'ERR_MQTT_MALFORMED_PACKET'],
    ['deep nesting in a member', `{"type":"ping","id":${nested}}`, 'ERR_MQTT_PROTOCOL_ERROR'],
    ['no type', '{}', 'ERR_MQTT_PROTOCOL_ERROR'],
    ['a type of Object', '{"type":"constructor"}', 'ERR_MQTT_PROTOCOL_ERROR'],
    ['a type that is no text', '{"type":{"toString":1}}', 'ERR_MQTT_PROTOCOL_ERROR'],
    ['__proto__', '{"type":"ping","__proto__":{"id":1}}', 'ERR_MQTT_PROTOCOL_ERROR'],
    ['constructor', '{"type":"ping","constructor":1}', 'ERR_MQTT_PROTOCOL_ERROR'],
    [
      'a misspelled member',
      '{"type":"publish","topic":"a","payload":"","reatin":true}',
      'ERR_MQTT_PROTOCOL_ERROR',
    ],
    [
      'half a surrogate pair',
      '{"type":"publish","topic":"a","payload":"\\ud800"}',
      'ERR_MQTT_PROTOCOL_ERROR',
    ],
    ['half of one in a member name', '{"type":"ping","\\ud800":1}', 'ERR_MQTT_PROTOCOL_ERROR'],
    [
      'both payloads',
      '{"type":"publish","topic":"a","payload":"","payloadBase64":""}',
      'ERR_MQTT_PROTOCOL_ERROR',
    ],
    ['no payload', '{"type":"publish","topic":"a"}', 'ERR_MQTT_PROTOCOL_ERROR'],
    ['no base64', '{"type":"publish","topic":"a","payloadBase64":"a b="}', 'ERR_MQTT_PROTOCOL_ERROR'],
    ['QoS 2', '{"type":"publish","topic":"a","payload":"","qos":2}', 'ERR_MQTT_PROTOCOL_ERROR'],
    ['an id of 0', '{"type":"ping","id":0}', 'ERR_MQTT_PROTOCOL_ERROR'],
    [
      'U+0000 in a topic',
      '{"type":"publish","topic":"a\\u0000","payload":""}',
      'ERR_MQTT_INVALID_TOPIC_NAME',
    ],
    [
      'a surrogate in a topic',
      '{"type":"publish","topic":"\\udc00","payload":""}',
      'ERR_MQTT_INVALID_TOPIC_NAME',
    ],
    ['an empty topic', '{"type":"publish","topic":"","payload":""}', 'ERR_MQTT_INVALID_TOPIC_NAME'],
    ['a wildcard', '{"type":"publish","topic":"a/#","payload":""}', 'ERR_MQTT_INVALID_TOPIC_NAME'],
    [
      'a long topic',
      `{"type":"publish","topic":"${'ä'.repeat(32_768)}","payload":""}`,
      'ERR_MQTT_INVALID_TOPIC_NAME',
    ],
    ['U+0000 in a filter', '{"type":"subscribe","filter":"a\\u0000"}', 'ERR_MQTT_INVALID_TOPIC_FILTER'],
    ['no filter', '{"type":"subscribe","filter":"a/#/b"}', 'ERR_MQTT_INVALID_TOPIC_FILTER'],
    ['no filter to leave', '{"type":"unsubscribe","filter":"a+"}', 'ERR_MQTT_INVALID_TOPIC_FILTER'],
    ['a share without a name', '{"type":"subscribe","filter":"$share//a"}', 'ERR_MQTT_INVALID_TOPIC_FILTER'],
    [
      'noLocal on a share',
      '{"type":"subscribe","filter":"$share/a/b","noLocal":true}',
      'ERR_MQTT_PROTOCOL_ERROR',
    ],
    [
      'odd user properties',
      '{"type":"publish","topic":"a","payload":"","userProperties":[["a"]]}',
      'ERR_MQTT_PROTOCOL_ERROR',
    ],
    ['a request without an id', '{"type":"request","topic":"a","payload":""}', 'ERR_MQTT_PROTOCOL_ERROR'],
    ['an ack of nothing', '{"type":"ack","ack":1}', 'ERR_MQTT_PROTOCOL_ERROR'],
  ])('%s', async (_, frame, code) => {
    const client = await LiveClient.connect(broker)
    client.send(frame)
    await client.ask({ type: 'ping' })
    const errors = client.answers.filter(({ type }) => type === 'error')
    expect(errors).toMatchObject([
      { code, reasonCode: expect.any(Number), text: expect.stringMatching(/^[^\n]+\.$/) },
    ])
    await client.end()
  })

  it('a binary frame', async () => {
    const client = await LiveClient.open(broker)
    client.webSocket.send(Buffer.from('{"type":"ping","id":1}'))
    await client.ask({ type: 'ping' })
    expect(client.answers[0]).toMatchObject({ type: 'error', code: 'ERR_MQTT_MALFORMED_PACKET' })
    await client.end()
  })

  it('the id of a wrong command is in its error', async () => {
    const client = await LiveClient.open(broker)
    expect(await client.ask({ type: 'publish', topic: 'a', payload: 1 })).toMatchObject({ type: 'error' })
    expect(await client.ask({ type: 'nothing' })).toMatchObject({ type: 'error' })
    await client.end()
  })
})

it('text that is not UTF-8 ends the connection with 1007', async () => {
  const client = await LiveClient.open(broker)
  client.webSocket.send(Buffer.of(0x22, 0xff, 0x22), { binary: false })
  expect((await client.closed).code).toBe(1007)
})

it('whoever sends without reading is not read either', async () => {
  const client = await LiveClient.connect(broker)
  client.webSocket.pause()
  // Each is answered by an error that is ten times as long.
  const text = Buffer.from('{"type":"?"}')
  const frame = Buffer.concat([Buffer.of(0x81, 0x80 | text.length, 0, 0, 0, 0), text])
  const frames = Buffer.concat(Array.from({ length: 50_000 }, () => frame))
  const { socket } = client
  for (let n = 0; n < 20; n += 1) socket?.write(frames)
  let waiting = -1
  while (waiting !== socket?.writableLength) {
    waiting = socket?.writableLength ?? 0
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  expect(waiting).toBeGreaterThan(0)
  const other = await LiveClient.open(broker)
  expect(await other.ask({ type: 'ping' })).toMatchObject({ type: 'ok' })
  await other.end()
  expect(socket?.writableLength).toBe(waiting)
})

it('a reader that reads nothing costs only itself', async () => {
  const [frozen, lively] = [await LiveClient.open(broker), await LiveClient.open(broker)]
  for (const client of [frozen, lively]) await client.ask({ type: 'subscribe', filter: 'flood' })
  frozen.webSocket.pause()
  const payload = 'x'.repeat(16_384)
  for (let n = 1; n <= 1_500; n += 1) {
    await broker.publish('flood', payload)
    if (n % 50 === 0) await lively.gotMessages(n)
  }
  expect(lively.messages).toHaveLength(1_500)
  await lively.end()
  frozen.webSocket.terminate()
})

it('no more requests wait than the broker takes messages at once', async () => {
  const small = await brokerOfTest({ limits: { receiveMaximum: 2 } })
  const client = await LiveClient.open(small)
  await client.ask({ type: 'subscribe', filter: 'silent' })
  for (const id of [1, 2, 3]) client.send({ type: 'request', id, topic: 'silent', payload: '' })
  const refused = await client.got(({ id }) => id === 3, 'a refusal')
  expect(refused).toMatchObject({ type: 'error', code: 'ERR_MQTT_QUOTA_EXCEEDED', reasonCode: 0x97 })
  await client.end()
})

it('more at QoS 1 than the broker takes at once wait, and all are taken', async () => {
  const small = await brokerOfTest({
    limits: { receiveMaximum: 2 },
    onPublish: async () => {
      await new Promise(setImmediate)
    },
  })
  const client = await LiveClient.open(small)
  for (let id = 1; id <= 100; id += 1) client.send({ type: 'publish', id, topic: 'a', payload: '', qos: 1 })
  await client.got(({ id }) => id === 100, 'the last answer')
  const oks = client.answers.filter(({ type }) => type === 'ok')
  expect(oks.map(({ id }) => id)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1))
  await client.end()
})

describe('any JSON', () => {
  const names = [
    'type',
    'id',
    'topic',
    'filter',
    'payload',
    'payloadBase64',
    'qos',
    'will',
    'ack',
    '__proto__',
  ]
  const types = ['connect', 'subscribe', 'unsubscribe', 'publish', 'request', 'ack', 'ping', 'disconnect']
  const value = fc.oneof(
    fc.jsonValue(),
    fc.integer({ min: -1, max: 70_000 }),
    fc.constantFrom(...types, 'a/b', '#', '', '\0', '\ud800', 'AAAA'),
  )
  const command = fc
    .tuple(fc.constantFrom(...types), fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 6 }))
    .map(([type, members]): unknown => ({ ...members, type }))

  it('is a command or a CommandError', () => {
    fc.assert(
      fc.property(fc.oneof(command, value), fc.boolean(), (given, isBinary) => {
        try {
          parseCommand(Buffer.from(JSON.stringify(given)), isBinary)
        } catch (error) {
          expect(error).toBeInstanceOf(CommandError)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it('is answered, or closes with a code, and never takes the connection without either', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof({ weight: 4, arbitrary: command }, value), { maxLength: 8 }),
        async (all) => {
          const client = await LiveClient.open(broker)
          for (const each of all) client.send(JSON.stringify(each))
          client.send({ type: 'ping', id: 7_777_777 })
          const closed = once(client.webSocket, 'close').then(([code]) => code as number)
          const alive = client.got(({ id }) => id === 7_777_777, 'an answer').then(() => 'alive' as const)
          alive.catch(() => {})
          const end = await Promise.race([closed, alive])
          if (end !== 'alive') {
            expect([1000, 1009].includes(end) || end >= 4000).toBe(true)
            return
          }
          await client.end()
        },
      ),
      { numRuns: 60 },
    )
  }, 30_000)
})
