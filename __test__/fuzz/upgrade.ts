/**
 * WebSocket upgrades: requests that are made of what such requests are made of, right and wrong, and then frames. Who
 * is let in had a right to, gets the name that it offered, and what it sends arrives; everybody else gets one response
 * and the end. The same however the bytes were cut.
 *
 * Input: how many pieces the stream is cut into over and over and their lengths; a byte for each part of the request,
 * with bytes of its own where a part is "something else"; the frames.
 */
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { RecordingAcceptor } from '../support/acceptor.js'
import { acceptOf } from './answers.js'
import { type Conversation, converse } from './conversation.js'
import { cut, Input } from './input.js'

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
/** Stands for bytes of the input. */
const RAW = Symbol('raw')

type Choices = readonly [string | typeof RAW, ...(string | typeof RAW)[]]

const METHODS: Choices = ['GET', 'GET', 'GET', 'HEAD', 'POST', RAW]
const TARGETS: Choices = [
  '/mqtt',
  '/',
  '/mqtt?a=b',
  '/topics/chat/room',
  '/topics/chat/%23?qos=1',
  '/topics/%ff',
  '/topics',
  '/topicsx',
  '/echo',
  '/healthz',
  'http://host/mqtt',
  '*',
  RAW,
]
/** Each header with its values, the right one first; an empty one is left out. */
const HEADERS: readonly (readonly [string, Choices])[] = [
  ['Host', ['broker:1883', '', 'localhost', RAW]],
  ['Upgrade', ['websocket', 'WebSocket', '', 'h2c', 'websocket, h2c', RAW]],
  ['Connection', ['Upgrade', 'keep-alive, Upgrade', '', 'close', 'close, upgrade', RAW]],
  ['Sec-WebSocket-Key', [KEY, '', 'short', RAW]],
  ['Sec-WebSocket-Version', ['13', '8', '', '12', RAW]],
  ['Sec-WebSocket-Protocol', ['mqtt', '', 'mqttv3.1, mqtt', 'mqttv3.1', 'other', 'mqtt, mqtt', RAW]],
  ['Sec-WebSocket-Extensions', ['', 'permessage-deflate', RAW]],
  ['Origin', ['', 'http://localhost:8080', 'http://evil.example', 'null', 'http://broker', RAW]],
  ['Authorization', ['', 'Basic dTpw', RAW]],
  ['Content-Length', ['', '0', '5', RAW]],
  ['Transfer-Encoding', ['', 'chunked', RAW]],
  ['Expect', ['', '100-continue', RAW]],
]

interface Request {
  readonly bytes: Buffer
  readonly method: string
  readonly target: string
  readonly headers: ReadonlyMap<string, string>
  /** No part is of the fuzzer's own making, so that its meaning is known. */
  readonly isPlain: boolean
}

/** The target. */
export async function fuzz(data: Uint8Array): Promise<void> {
  const input = new Input(data)
  const lengths = input.take(input.below(8))
  const request = requestOf(input)
  const { bytes: frames, payloads } = framesOf(input)
  const stream = Buffer.concat([request.bytes, frames])
  const whole = await attempt([stream])
  check(request, payloads, whole)
  const { outcome, attached } = await attempt(cut(stream, lengths))
  const inPieces = { outcome, attached }
  deepStrictEqual(
    inPieces,
    { outcome: whole.outcome, attached: whole.attached },
    'another outcome for other pieces',
  )
}

interface Attempt extends Conversation {
  /** What reached the acceptor: the kind of transport, what was asked for, the bytes, and how often the end came. */
  readonly attached: readonly object[]
}

async function attempt(pieces: readonly Buffer[]): Promise<Attempt> {
  const acceptor = new RecordingAcceptor()
  const options = { protocol: 'ws', port: 0, host: '127.0.0.1', tls: undefined } as const
  const conversation = await converse(options, acceptor, pieces)
  const attached = acceptor.sinks.map(({ transport, request, received, closedCount }) => ({
    protocol: transport.protocol,
    topicFilter: request?.topicFilter,
    received: received.toString('hex'),
    closedCount,
  }))
  ok(!conversation.outcome.lingers, 'the peer has gone, and its socket is kept')
  return { ...conversation, attached }
}

function requestOf(input: Input): Request {
  let isPlain = true
  const choose = (choices: Choices): string => {
    const choice = input.pick(choices)
    if (choice !== RAW) return choice
    isPlain = false
    return input.take(input.below(24)).toString('latin1')
  }
  const [method, target] = [choose(METHODS), choose(TARGETS)]
  const headers = new Map(HEADERS.map(([name, values]) => [name, choose(values)]))
  const lines = [...headers]
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}: ${value}\r\n`)
  const extra = input.take(input.below(16)).toString('latin1')
  if (extra !== '') isPlain = false
  const text = `${method} ${target} HTTP/1.1\r\n${lines.join('')}${extra}\r\n`
  return { bytes: Buffer.from(text, 'latin1'), method, target, headers, isPlain }
}

/** Frames of a client, well formed in the beginning; and the payloads of the binary ones until something else comes. */
function framesOf(input: Input): { bytes: Buffer; payloads: Buffer } {
  const parts: Buffer[] = []
  const payloads: Buffer[] = []
  let areKnown = true
  while (!input.isEmpty) {
    const first = input.pick([0x82, 0x82, 0x81, 0x02, 0x80, 0x88, 0x89, 0x8a, 0xc2, 0x83])
    const payload = input.take(input.below(126))
    const mask = input.take(4)
    areKnown &&= first === 0x82 && mask.length === 4
    if (areKnown) payloads.push(payload)
    parts.push(
      Buffer.from([first, 0x80 | payload.length]),
      mask,
      Buffer.from(payload.map((byte, at) => byte ^ (mask[at & 3] ?? 0))),
    )
  }
  return { bytes: Buffer.concat(parts), payloads: Buffer.concat(payloads) }
}

function check(request: Request, payloads: Buffer, { answer, attached, outcome }: Attempt): void {
  ok(
    attached.length <= 1 && attached.every((it) => 'closedCount' in it && it.closedCount === 1),
    'one end each',
  )
  if (answer.kind === 'nothing') {
    strictEqual(attached.length, 0)
    return
  }
  strictEqual(answer.kind, 'http')
  const upgraded = answer.responses.find(({ status }) => status === 101)
  strictEqual(attached.length === 0 || upgraded !== undefined, true, 'attached without a handshake')
  if (upgraded === undefined) {
    if (answer.responses.at(-1)?.headers.get('connection') === 'close') strictEqual(outcome.state, 'ended')
    if (request.isPlain) ok(!mayUpgrade(request), `turned away without a reason: ${request.bytes}`)
    return
  }
  if (!request.isPlain) return
  ok(mayUpgrade(request), `let in without a right: ${request.bytes}`)
  strictEqual(upgraded.headers.get('sec-websocket-accept'), acceptOf(KEY))
  strictEqual(upgraded.headers.get('sec-websocket-protocol'), chosenName(request))
  strictEqual(upgraded.headers.get('sec-websocket-extensions'), undefined)
  checkAttached(request, payloads, attached)
}

function checkAttached({ target }: Request, payloads: Buffer, attached: readonly object[]): void {
  const [sink] = attached as { protocol: string; received: string; topicFilter: string }[]
  if (isMqttTarget(target)) strictEqual(sink?.protocol, 'ws')
  else if (target === '/topics/chat/room') strictEqual(sink?.topicFilter, 'chat/room')
  else if (target === '/topics/chat/%23?qos=1') strictEqual(sink?.topicFilter, 'chat/#')
  else strictEqual(sink, undefined)
  if (sink !== undefined) ok(sink.received.startsWith(payloads.toString('hex')), 'payloads are missing')
}

/** Whether a request of known parts is a handshake that this broker has to accept (RFC 6455, 4.2.1). */
function mayUpgrade({ method, target, headers }: Request): boolean {
  const value = (name: string) => headers.get(name) ?? ''
  const tokens = value('Connection').toLowerCase().split(/, */)
  const isPath =
    isMqttTarget(target) || target === '/echo' || target === '/topics' || target.startsWith('/topics/')
  const isFromHere = ['', 'http://localhost:8080', 'null'].includes(value('Origin'))
  return (
    method === 'GET' &&
    isPath &&
    value('Host') !== '' &&
    value('Upgrade').toLowerCase() === 'websocket' &&
    tokens.includes('upgrade') &&
    value('Sec-WebSocket-Key') === KEY &&
    ['8', '13'].includes(value('Sec-WebSocket-Version')) &&
    value('Sec-WebSocket-Protocol') !== 'mqtt, mqtt' &&
    isFromHere &&
    !(value('Content-Length') !== '' && value('Transfer-Encoding') !== '')
  )
}

function chosenName({ target, headers }: Request): string | undefined {
  const offered = (headers.get('Sec-WebSocket-Protocol') ?? '').split(/, */)
  if (!isMqttTarget(target)) return undefined
  return ['mqtt', 'mqttv3.1'].find((name) => offered.includes(name))
}

function isMqttTarget(target: string): boolean {
  return ['/mqtt', '/', '/mqtt?a=b', 'http://host/mqtt'].includes(target)
}
