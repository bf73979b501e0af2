/** Enhanced authentication on the wire, over TCP and over WebSocket, with a method that asks a riddle. */
import { describe, expect, it } from 'vitest'
import {
  type AuthenticationMethod,
  type AuthenticationRequest,
  Broker,
  type BrokerOptions,
  type ConnectEvent,
  type ReauthenticateEvent,
} from '../src/index.js'
import { until } from './support/until.js'
import { converse } from './vectors/reader/conversation.js'
import { parseSteps } from './vectors/reader/steps.js'
import { dial, transports } from './vectors/reader/wire.js'

const CONNECT = 'a > 10 [ $protocol 02 u16(0) { 15 "RIDDLE" 16 "hello" } "a" ]'
const WHAT = 'a < f0 [ 18 { 15 "RIDDLE" 16 "what?" } ]'
const THAT = 'a > f0 [ 18 { 15 "RIDDLE" 16 "that" } ]'
const AGAIN = 'a > f0 [ 19 { 15 "RIDDLE" 16 "hello" } ]'
/** What every client is told, and then the method and its last words. */
const LIMITS = '21 u16(1024) 27 u32(10485760) 22 u16(32)'
const CONNACK = `a < 20 [ 00 00 { ${LIMITS} 15 "RIDDLE" 16 "farewell" } ]`
const LOG_IN = `${CONNECT}\n${WHAT}\n${THAT}\n${CONNACK}`

/** `that` is the answer; `slowly` takes a while, `crash` and `reject` fail, `forget` is not answered at all. */
const riddle: AuthenticationMethod = {
  start: () => ({
    step: (data) => {
      switch (`${data}`) {
        case 'hello':
          return { status: 'continue', data: 'what?' }
        case 'that':
          return { status: 'success', data: Buffer.from('farewell'), username: 'ann' }
        case 'slowly':
          return new Promise((resolve) =>
            setTimeout(() => resolve({ status: 'continue', data: 'what?' }), 50),
          )
        case 'banned':
          return { reasonCode: 0x8a }
        case 'crash':
          throw new Error('broken')
        case 'reject':
          return Promise.reject(new Error('broken'))
        case 'forget':
          return undefined as never
        case 'too much':
          return { status: 'continue', data: Buffer.alloc(65_536) }
        default:
          return false
      }
    },
  }),
}

const riddles: BrokerOptions = { enhancedAuthentication: { RIDDLE: riddle } }

function said(word: string): string {
  return `a > 10 [ $protocol 02 u16(0) { 15 "RIDDLE" 16 "${word}" } "a" ]`
}

describe.concurrent.each(transports)('over %s', (transport) => {
  const talk = (steps: string, options: BrokerOptions = riddles) =>
    converse(parseSteps(steps, '5.0'), transport, '5.0', options)

  // [MQTT-4.12.0-2] [MQTT-4.12.0-3] [MQTT-4.12.0-5]
  it('AUTH goes back and forth, and CONNACK has the last words', () => talk(`${LOG_IN}\na quiet`))

  // [MQTT-4.12.0-1]
  it('a method that is not registered is refused with 0x8C', async () => {
    const refused = `a > 10 [ $protocol 02 u16(0) { 15 "toString" } "a" ]\na < 20 [ 00 8c { ~ } ]\na closed`
    await talk(refused)
    await talk(refused, {})
  })

  // [MQTT-4.12.0-4]
  it('the method may refuse with CONNACK at any point', async () => {
    await talk(`${said('no')}\na < 20 [ 00 87 { ~ } ]\na closed`)
    await talk(`${said('banned')}\na < 20 [ 00 8a { ~ } ]\na closed`)
    const wrong = 'a > f0 [ 18 { 15 "RIDDLE" 16 "this" } ]'
    await talk(`${CONNECT}\n${WHAT}\n${wrong}\na < 20 [ 00 87 { ~ } ]\na closed`)
  })

  // [MQTT-3.1.2-30]
  it('nothing but AUTH and DISCONNECT comes before CONNACK', async () => {
    await talk(`${CONNECT}\n${WHAT}\na > c0 00\na < 20 [ 00 82 { ~ } ]\na closed`)
    await talk(`${CONNECT} c0 00\na < 20 [ 00 82 { ~ } ]\na closed`)
    await talk(`${CONNECT}\n${WHAT}\na > e0 00\na closed`)
  })

  it('AUTH out of turn is a protocol error, whoever decides slowly', () =>
    talk(`${said('slowly')} ${THAT.slice(4)}\na < 20 [ 00 82 { ~ } ]\na closed`))

  // [MQTT-4.12.0-5] [MQTT-3.15.2-1]
  it('AUTH with another method or the code of a server is refused', async () => {
    const other = 'a > f0 [ 18 { 15 "PUZZLE" 16 "that" } ]'
    await talk(`${CONNECT}\n${WHAT}\n${other}\na < 20 [ 00 8c { ~ } ]\na closed`)
    await talk(`${CONNECT}\n${WHAT}\n${AGAIN}\na < 20 [ 00 82 { ~ } ]\na closed`)
    await talk(`${CONNECT}\n${WHAT}\na > f0 00\na < 20 [ 00 82 { ~ } ]\na closed`)
  })

  it('a method that takes its time is waited for', () =>
    talk(`${said('slowly')}\n${WHAT}\n${THAT}\n${CONNACK}`))

  it('an exchange that takes longer than the limit is refused', () =>
    talk(`${CONNECT}\n${WHAT}\na < 20 [ 00 87 { ~ } ]\na closed`, {
      ...riddles,
      limits: { connectTimeoutMs: 100 },
    }))

  // [MQTT-4.12.1-1]
  it('a client authenticates again, and its other packets go on meanwhile', () =>
    talk(`
      ${LOG_IN}
      a > 82 [ 00 01 {} "t" 00 ]
      a < 90 [ 00 01 {} 00 ]
      ${AGAIN}
      ${WHAT}
      a > 30 [ "t" {} 'on' ]
      a < 30 [ "t" {} 'on' ]
      ${THAT}
      a < f0 [ 00 { 15 "RIDDLE" 16 "farewell" } ]
      ${AGAIN}
      ${WHAT}
      a quiet
    `))

  // [MQTT-4.12.1-2]
  it('a re-authentication that fails ends with DISCONNECT', async () => {
    const wrong = 'a > f0 [ 18 { 15 "RIDDLE" 16 "this" } ]'
    await talk(`${LOG_IN}\n${AGAIN}\n${WHAT}\n${wrong}\na closed 87`)
    await talk(`${LOG_IN}\n${AGAIN}\n${WHAT}\n${AGAIN}\na closed 82`)
    await talk(`${LOG_IN}\n${THAT}\na closed 82`)
    await talk(`${LOG_IN}\na > f0 [ 19 { 15 "PUZZLE" } ]\na closed 8c`)
  })

  // [MQTT-4.12.0-6] [MQTT-4.12.0-7]
  it('a client that has named no method gets none, and may not send AUTH', () =>
    talk(`
      a > 10 [ $protocol 02 u16(0) {} "a" ]
      a < 20 [ 00 00 { ${LIMITS} } ]
      ${AGAIN}
      a closed 82
    `))

  // [MQTT-3.1.2-28]
  it('a method may have Response Information for the client, which gets it if it asks', async () => {
    const step = () => ({ status: 'success', responseInformation: 'answers/a' }) as const
    const options = { enhancedAuthentication: { RIDDLE: { start: () => ({ step }) } } }
    const connects = (asks: string) => `a > 10 [ $protocol 02 u16(0) { 19 ${asks} 15 "RIDDLE" } "a" ]`
    await talk(`${connects('01')}\na < 20 [ 00 00 { ${LIMITS} 1a "answers/a" 15 "RIDDLE" } ]`, options)
    await talk(`${connects('00')}\na < 20 [ 00 00 { ${LIMITS} 15 "RIDDLE" } ]`, options)
  })

  // [MQTT-3.1.2-24]
  it('an AUTH that is larger than the client takes is not sent', () =>
    talk(
      `
      a > 10 [ $protocol 02 u16(0) { 27 u32(60) 15 "RIDDLE" 16 "long" } "a" ]
      a < 20 [ 00 95 { ~ } ]
      a closed
    `,
      {
        enhancedAuthentication: {
          RIDDLE: { start: () => ({ step: () => ({ status: 'continue', data: 'x'.repeat(60) }) }) },
        },
      },
    ))
})

describe('a method', () => {
  async function withBroker(options: BrokerOptions, run: (broker: Broker) => Promise<void>): Promise<void> {
    const broker = await Broker.start({ port: 0, host: '127.0.0.1', ...options })
    try {
      await run(broker)
    } finally {
      await broker.close({ drainTimeoutMs: 0 })
    }
  }

  /** Sends all of it and waits for as many packets. */
  async function exchange(broker: Broker, ...lines: string[]): Promise<void> {
    const wire = await dial('TCP', broker.addresses[0]?.port ?? 0, '5.0')
    for (const line of lines) {
      const [step] = parseSteps(line, '5.0')
      if (step?.action.does !== 'sends') throw new Error(`${line} sends nothing`)
      wire.unread = Buffer.alloc(0)
      wire.send(step.action.packets.bytes(new Map()))
      await until(() => wire.unread.length > 0 || wire.isClosed, `an answer to ${line}`)
    }
  }

  it('that throws, rejects, forgets to answer or says too much denies, and says so in the log', async () => {
    const logged: object[] = []
    const logger = { debug() {}, info() {}, warn() {}, error: (fields: object) => logged.push(fields) }
    for (const [word, code] of [
      ['crash', '80'],
      ['reject', '80'],
      ['too much', '80'],
      ['forget', '87'],
    ] as const) {
      await converse(
        parseSteps(`${said(word)}\na < 20 [ 00 ${code} { ~ } ]\na closed`, '5.0'),
        'TCP',
        '5.0',
        { ...riddles, logger },
      )
    }
    expect(logged).toHaveLength(3)
    expect(logged[0]).toMatchObject({
      hook: 'enhancedAuthentication',
      method: 'RIDDLE',
      code: 'ERR_MQTT_HOOK_FAILED',
    })
  })

  it('is told who asks, and the name that it establishes is what hooks and events see', async () => {
    const requests: AuthenticationRequest[] = []
    const seen: string[] = []
    await withBroker(
      {
        enhancedAuthentication: {
          RIDDLE: {
            start: (request) => {
              requests.push(request)
              return riddle.start(request)
            },
          },
        },
        authenticate: () => {
          seen.push('authenticate')
          return true
        },
        authorizePublish: ({ client, topicName }) => {
          seen.push(`${topicName} by ${client.username}`)
          return true
        },
      },
      async (broker) => {
        const connects: ConnectEvent[] = []
        const again: ReauthenticateEvent[] = []
        broker.on('connect', (event) => connects.push(event))
        broker.on('reauthenticate', (event) => again.push(event))
        await exchange(
          broker,
          'a > 10 [ $protocol 86 u16(0) { 15 "RIDDLE" 16 "hello" } "a" {} "will" "gone" "claimed" ]',
          THAT,
          'a > 32 [ "t" 00 01 {} \'x\' ]',
          AGAIN,
          THAT,
        )
        expect(seen).toEqual(['will by ann', 't by ann'])
        expect(connects).toMatchObject([{ clientId: 'a', username: 'ann' }])
        await until(() => again.length > 0, 'the event')
        expect(again).toMatchObject([{ clientId: 'a', username: 'ann', reasonCode: 0, reason: 'Success' }])
        expect(again[0]).not.toHaveProperty('detail')
      },
    )
    const where = { method: 'RIDDLE', clientId: 'a', protocol: 'mqtt' }
    expect(requests).toMatchObject([
      { ...where, isReAuthentication: false, username: 'claimed' },
      { ...where, isReAuthentication: true, username: 'ann' },
    ])
  })

  it('is not asked about a client that names none, whom authenticate decides about', async () => {
    await withBroker({ ...riddles, authenticate: () => false }, async (broker) => {
      const refused: number[] = []
      broker.on('refuse', ({ reasonCode }) => refused.push(reasonCode))
      await exchange(broker, 'a > 10 [ $protocol 02 u16(0) {} "a" ]')
      expect(refused).toEqual([0x86])
    })
  })

  it('whose client cannot prove itself again is told of with the reason', async () => {
    await withBroker(riddles, async (broker) => {
      const again: ReauthenticateEvent[] = []
      broker.on('reauthenticate', (event) => again.push(event))
      await exchange(broker, CONNECT, THAT, AGAIN, 'a > f0 [ 18 { 15 "RIDDLE" 16 "this" } ]')
      await until(() => again.length > 0, 'the event')
      expect(again).toMatchObject([{ reasonCode: 0x87, reason: 'Not authorized' }])
      expect(again[0]?.detail).toMatch(/refused/)
    })
  })
})
