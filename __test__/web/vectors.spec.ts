/** docs/web-protocol.schema.json and docs/web-protocol.vectors.json, played against a running broker. */
import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { errorCodes } from '../../src/errors.js'
import { Broker } from '../../src/index.js'
import { checkCommand } from '../../src/web/commands.js'
import { until } from '../support/until.js'
import { type Answer, LiveClient, terminateAll } from './live-client.js'

interface Step {
  readonly client: string
  readonly sends?: Record<string, unknown>
  readonly sendsText?: string
  readonly gets?: Answer
  readonly cuts?: true
  readonly closes?: number
}

interface Conversation {
  readonly name: string
  readonly steps: readonly Step[]
}

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8'))
const schema = read('web-protocol.schema.json')
const conversations: Conversation[] = read('web-protocol.vectors.json').conversations
const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false })
ajv.addSchema(schema, 'web')
const fits = (name: string, value: unknown): boolean => ajv.validate(`web#/$defs/${name}`, value)

let broker: Broker | undefined

afterEach(async () => {
  terminateAll()
  await broker?.close({ drainTimeoutMs: 0 })
})

describe('a conversation', () => {
  it.each(conversations)('$name', async ({ steps }) => {
    broker = await Broker.start({ port: 0, host: '127.0.0.1' })
    const clients = new Map<string, { live: LiveClient; seen: number }>()
    const values = new Map<string, unknown>()
    for (const { client: name, sends, sendsText, gets, cuts, closes } of steps) {
      const client = clients.get(name) ?? { live: await LiveClient.open(broker), seen: 0 }
      clients.set(name, client)
      if (sends !== undefined) client.live.send(filled(sends, values))
      if (sendsText !== undefined) client.live.send(sendsText)
      if (gets !== undefined) {
        const answer = await until(() => client.live.answers[client.seen], JSON.stringify(gets))
        client.seen += 1
        expect(answer).toEqual(expected(gets, answer, values))
        expect(fits('answer', answer), JSON.stringify(answer)).toBe(true)
        if (answer.type === 'error') expect(errorCodes).toHaveProperty(String(answer.code))
      }
      if (cuts) {
        client.live.webSocket.terminate()
        await client.live.closed
        clients.delete(name)
      }
      if (closes !== undefined) expect((await client.live.closed).code).toBe(closes)
    }
    for (const { live, seen } of clients.values()) expect(live.answers.slice(seen)).toEqual([])
  })

  it('has each command and each answer in it', () => {
    const steps = conversations.flatMap(({ steps }) => steps)
    const types = (frames: (Record<string, unknown> | undefined)[]) =>
      new Set(frames.map((frame) => frame?.type))
    for (const type of [
      'connect',
      'subscribe',
      'unsubscribe',
      'publish',
      'request',
      'ack',
      'ping',
      'disconnect',
    ]) {
      expect(types(steps.map(({ sends }) => sends))).toContain(type)
    }
    for (const type of ['connected', 'ok', 'message', 'response', 'error']) {
      expect(types(steps.map(({ gets }) => gets))).toContain(type)
    }
  })
})

/** A command with the values that have been named. */
function filled(
  frame: Record<string, unknown>,
  values: ReadonlyMap<string, unknown>,
): Record<string, unknown> {
  const entries = Object.entries(frame)
  return Object.fromEntries(entries.map(([name, value]) => [name, values.get(String(value)) ?? value]))
}

/** An answer as it has to be; names stand for what came in their place first. */
function expected(gets: Answer, answer: Answer, values: Map<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(gets).map(([name, value]): [string, unknown] => {
    if (typeof value !== 'string' || !/^<\w+>$/.test(value)) return [name, value]
    if (value === '<any>') return [name, expect.anything()]
    if (!values.has(value)) values.set(value, answer[name])
    return [name, values.get(value)]
  })
  return Object.fromEntries(entries)
}

it('the schema and the broker agree about commands', () => {
  const id = fc.constantFrom<unknown>(1, 0, 1.5, '1', Number.MAX_SAFE_INTEGER)
  const topic = fc.constantFrom<unknown>('a/b', 'a/+', '', 'a\0', 7, null)
  const text = fc.constantFrom<unknown>('', 'x', 1, null, ['x'])
  const base64 = fc.constantFrom<unknown>('', 'AQID', 'AQ==', 'A', 'A===', 5)
  const flag = fc.constantFrom<unknown>(true, false, 'new', 0)
  const whole = fc.constantFrom<unknown>(0, 1, 2, -1, 65_535, 65_536, 4_294_967_295, 4_294_967_296, 1.5, '1')
  const members: Record<string, fc.Arbitrary<unknown>> = {
    id,
    clientId: text,
    username: text,
    cleanStart: flag,
    sessionExpiryIntervalSecs: whole,
    receiveMaximum: whole,
    filter: topic,
    topic,
    qos: whole,
    retained: flag,
    subscription: whole,
    payload: text,
    payloadBase64: base64,
    retain: flag,
    responseTopic: topic,
    correlationData: base64,
    userProperties: fc.constantFrom<unknown>([], [['a', 'b']], [['a']], [['a', 1]], {}),
    will: fc.constantFrom<unknown>(
      { topic: 'a', payload: '' },
      { topic: 'a' },
      { topic: '#', payload: '' },
      [],
    ),
    timeoutMs: whole,
    ack: whole,
  }
  const types = [
    'connect',
    'subscribe',
    'unsubscribe',
    'publish',
    'request',
    'ack',
    'ping',
    'disconnect',
    'other',
  ]
  // Two or three members at a time: with more nearly none is right.
  const some = fc
    .subarray(Object.keys(members), { maxLength: 4 })
    .chain((names) =>
      fc.record(Object.fromEntries(names.map((name) => [name, members[name] as fc.Arbitrary<unknown>]))),
    )
  fc.assert(
    fc.property(fc.constantFrom(...types), some, (type, rest) => {
      const command = { ...rest, type }
      let isRead = true
      try {
        checkCommand(command)
      } catch {
        isRead = false
      }
      expect(fits('command', command), JSON.stringify(command)).toBe(isRead)
    }),
    { numRuns: 5_000 },
  )
})
