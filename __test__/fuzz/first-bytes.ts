/**
 * The one port from the first byte on: any bytes to a port of any kind in front of a whole broker. Whoever speaks gets
 * one answer in a language of its own, or the end, or is waited for; and it is the same however the bytes were cut.
 *
 * Input: the kind of port, how many pieces the stream is cut into over and over and their lengths, the stream.
 */
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { Broker } from '../../src/broker.js'
import type { ListenerProtocol, TlsOptions } from '../../src/options.js'
import { makeCertificate } from '../support/certificates.js'
import { type Conversation, converse, shared } from './conversation.js'
import { cut, Input } from './input.js'

const SILENT = { debug() {}, info() {}, warn() {}, error() {} }
/** The port, whether it has a certificate, and what is welcome at it. */
const PORTS: readonly [Kind, ...Kind[]] = [
  { protocol: 'auto', isEncrypted: false, welcome: ['mqtt', 'http'] },
  { protocol: 'auto', isEncrypted: true, welcome: ['mqtt', 'http', 'tls'] },
  { protocol: 'mqtt', isEncrypted: false, welcome: ['mqtt'] },
  { protocol: 'mqtts', isEncrypted: true, welcome: ['tls'] },
  { protocol: 'ws', isEncrypted: false, welcome: ['http'] },
  { protocol: 'wss', isEncrypted: true, welcome: ['tls'] },
]

interface Kind {
  readonly protocol: ListenerProtocol
  readonly isEncrypted: boolean
  readonly welcome: readonly string[]
}

let certificate: Promise<TlsOptions> | undefined

/** The target. */
export async function fuzz(data: Uint8Array): Promise<void> {
  const input = new Input(data)
  const kind = input.pick(PORTS)
  const lengths = input.take(input.below(8))
  const stream = input.rest()
  const whole = await attempt(kind, [stream])
  check(kind, stream, whole)
  const [inPieces, inOne] = shared(await attempt(kind, cut(stream, lengths)), whole)
  deepStrictEqual(inPieces, inOne, 'another outcome for other pieces')
}

async function attempt(kind: Kind, pieces: readonly Buffer[]): Promise<Conversation> {
  certificate ??= makeCertificate()
  const tls = kind.isEncrypted ? await certificate : undefined
  const broker = await Broker.start({ logger: SILENT, sysIntervalSecs: 0 })
  try {
    return await converse({ protocol: kind.protocol, port: 0, host: '127.0.0.1', tls }, broker, pieces)
  } finally {
    strictEqual(broker.connectedClients, 0, 'a client is left')
    await broker.close({ drainTimeoutMs: 0 })
  }
}

/** What begins with a letter and is of no use here; until it is told from an HTTP method it is waited for. */
const NOT_HTTP = [
  ...['SSH-', 'AMQP', 'PROXY ', 'PRI * HTTP/2', 'STOMP\n'],
  ...['CONNECT\n', 'CONNECT\r\n', 'CONNECT {'],
]

/** What the first bytes are, in the words of section 6 of the design: written again, and not taken from the port. */
function spoken(stream: Buffer): string {
  const text = stream.toString('latin1')
  if (NOT_HTTP.some((beginning) => text.startsWith(beginning))) return 'unknown'
  if (text !== '' && NOT_HTTP.some((beginning) => beginning.startsWith(text))) return 'waiting'
  const [first, second] = stream
  if (first === undefined) return 'waiting'
  if (first === 0x10) return 'mqtt'
  if (/[A-Za-z]/.test(String.fromCharCode(first))) return 'http'
  if (first !== 0x16) return 'unknown'
  if (second === undefined) return 'waiting'
  return second === 0x03 ? 'tls' : 'unknown'
}

function check(kind: Kind, stream: Buffer, { answer, outcome }: Conversation): void {
  const { state, lingers } = outcome
  const language = spoken(stream)
  const isWelcome = kind.welcome.includes(language)
  ok(!lingers || (isWelcome && language === 'tls'), 'the peer has gone, and its socket is kept')
  if (language === 'waiting') deepStrictEqual([answer.kind, state], ['nothing', 'open'])
  else if (!isWelcome && language !== 'http') deepStrictEqual([answer.kind, state], ['nothing', 'ended'])
  else ok(answer.kind === 'nothing' || answer.kind === language, `${language} was answered in ${answer.kind}`)

  if (answer.kind === 'http') {
    if (!isWelcome)
      deepStrictEqual(
        answer.responses.map(({ status }) => status),
        [400],
      )
    const last = answer.responses.at(-1)
    if (last?.headers.get('connection') === 'close') strictEqual(state, 'ended', 'a last word and no end')
  }
}
