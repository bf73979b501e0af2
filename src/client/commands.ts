/**
 * What the clients of this thread want done, collected for a turn and handed over in one native call. A command is the
 * packet that says it: `crates/napi/src/client/command.rs` has the notation.
 *
 * A turn ends with `process.nextTick`, when the callback at hand and the promises that it has settled have run. So what is
 * published in one go leaves in one write, and whoever awaits each message does not wait for the event loop to go round.
 */
import { Buffer } from 'node:buffer'
import { MqttError } from '../errors.js'
import { nativeSide, now, RESULTS, WORDS } from './native-clients.js'

const ROOM_BYTES = 256 * 1024
/** Payloads from this length on are handed over where they are, and not copied into the buffer. */
const APART_BYTES = 16 * 1024
const PAYLOAD_APART = 0x01
const CLIENT_BYTES = 4
const PUBLISH = 3
/** The first byte of an answer to a message. */
export const ACKNOWLEDGE = 0x40
const NO_PAYLOAD = Buffer.alloc(0)
/** Up to this length a loop is faster than a call that leaves JavaScript. */
const SHORT_BYTES = 24

/** Who waits for what a command comes to. Neither function may run code of the user's. */
export interface Waiter {
  /** It was accepted: under this ticket, or with 0 for one that is done with. */
  accepted(ticket: number): void
  /** It was refused. `packet` is only valid during the call; `apart` is its payload, where that is not in it. */
  refused(code: number, words: string, packet: Buffer, apart: Uint8Array | undefined): void
}

/** A client whose commands are here. */
export interface Commander {
  readonly id: number
  /** A command may have brought a deadline that is nearer than any before. Those of messages do not. */
  hasNewDeadline: boolean
  /** Nobody else waited for the command. */
  refused(code: number, words: string, packet: Buffer, apart: Uint8Array | undefined): void
  /** Its commands have been carried out; there may be output. */
  afterCommands(): void
}

let bytes = Buffer.alloc(0)
let at = 0
let count = 0
let payloadApart: Uint8Array = NO_PAYLOAD
let isDue = false
/** Whether any of the waiters is somebody. */
let isAwaited = false
const waiters: (Waiter | undefined)[] = []
let commanders: Commander[] = []
let last: Commander | undefined

/** Makes room for a command, and writes whose it is. */
function begin(commander: Commander, length: number, waiter: Waiter | undefined): void {
  if (at + CLIENT_BYTES + length > bytes.length || count === RESULTS) {
    flushCommands()
    const needed = CLIENT_BYTES + length
    if (needed > bytes.length) bytes = Buffer.allocUnsafeSlow(Math.max(needed, ROOM_BYTES))
  }
  const { id } = commander
  bytes[at] = id
  bytes[at + 1] = id >>> 8
  bytes[at + 2] = id >>> 16
  bytes[at + 3] = id >>> 24
  at += CLIENT_BYTES
  waiters[count] = waiter
  count += 1
  if (waiter !== undefined) isAwaited = true
  if (commander !== last) {
    last = commander
    if (!commanders.includes(commander)) commanders.push(commander)
  }
  if (!isDue) {
    isDue = true
    process.nextTick(flushCommands)
  }
}

/** A command that is a packet already, as `refused` was given it or whole. */
export function command(
  commander: Commander,
  packet: Uint8Array,
  waiter?: Waiter,
  apart?: Uint8Array | undefined,
): void {
  begin(commander, packet.length, waiter)
  bytes.set(packet, at)
  at += packet.length
  const [first = 0] = packet
  if (first >> 4 !== PUBLISH && first !== PAYLOAD_APART) commander.hasNewDeadline = true
  if (apart === undefined) return
  payloadApart = apart
  flushCommands()
}

/** Answers a message: the two halves of its key, and a Reason Code. */
export function acknowledge(
  commander: Commander,
  low: number,
  high: number,
  reasonCode: number,
  waiter?: Waiter,
): void {
  begin(commander, 10, waiter)
  bytes[at] = ACKNOWLEDGE
  bytes.writeUInt32LE(low, at + 1)
  bytes.writeUInt32LE(high, at + 5)
  bytes[at + 9] = reasonCode
  at += 10
}

/**
 * A PUBLISH without properties. False, and nothing done, for a topic that is not short ASCII: that one goes through the
 * codec.
 */
export function publish(
  commander: Commander,
  topic: string,
  payload: Uint8Array | string,
  flags: number,
  waiter: Waiter | undefined,
): boolean {
  const topicLength = topic.length
  if (topicLength > 0xff) return false
  const isText = typeof payload === 'string'
  const payloadLength = isText ? textLength(payload) : payload.length
  const isApart = payloadLength >= APART_BYTES
  const idLength = (flags & 6) === 0 ? 0 : 2
  const head = 2 + topicLength + idLength + 1
  const remaining = isApart ? head : head + payloadLength
  begin(commander, 6 + remaining, waiter)
  let to = at
  if (isApart) {
    bytes[to] = PAYLOAD_APART
    to += 1
  }
  bytes[to] = 0x30 | flags
  to += 1
  let rest = remaining
  while (rest > 0x7f) {
    bytes[to] = (rest & 0x7f) | 0x80
    to += 1
    rest >>>= 7
  }
  bytes[to] = rest
  bytes[to + 1] = 0
  bytes[to + 2] = topicLength
  to += 3
  for (let index = 0; index < topicLength; index += 1) {
    const unit = topic.charCodeAt(index)
    if (unit > 0x7f) {
      // As if it had never begun.
      at -= CLIENT_BYTES
      count -= 1
      waiters[count] = undefined
      return false
    }
    bytes[to + index] = unit
  }
  to += topicLength
  if (idLength !== 0) {
    bytes[to] = 0
    bytes[to + 1] = 1
    to += 2
  }
  bytes[to] = 0
  to += 1
  if (isApart) {
    at = to
    payloadApart = isText ? Buffer.from(payload) : payload
    flushCommands()
    return true
  }
  putPayload(payload, payloadLength, to)
  at = to + payloadLength
  return true
}

function putPayload(payload: Uint8Array | string, length: number, to: number): void {
  if (typeof payload === 'string') {
    if (length > SHORT_BYTES || length !== payload.length) {
      bytes.write(payload, to)
      return
    }
    for (let index = 0; index < length; index += 1) bytes[to + index] = payload.charCodeAt(index)
  } else if (length > SHORT_BYTES) bytes.set(payload, to)
  else for (let index = 0; index < length; index += 1) bytes[to + index] = payload[index] as number
}

function textLength(text: string): number {
  return Buffer.byteLength(text)
}

/** Carries out what has been collected. */
export function flushCommands(): void {
  isDue = false
  if (count === 0) return
  const side = nativeSide()
  const done = commanders
  commanders = []
  last = undefined
  const end = at
  let start = 0
  let first = 0
  try {
    while (start < end) {
      const refused = side.run(bytes, start, end, payloadApart, now())
      const tail = side.refusals.length - WORDS
      const next = side.refusals[tail] as number
      const number = side.refusals[tail + 1] as number
      if (isAwaited) tellAccepted(first, number)
      for (let index = 0; index < refused; index += 1) tellRefused(index * WORDS, first, done)
      // Nothing was carried out: what is there cannot be read.
      if (next === start) throw new MqttError('ERR_MQTT_PANIC')
      start = next
      first += number
    }
  } finally {
    if (isAwaited) waiters.fill(undefined, 0, count)
    at = 0
    count = 0
    isAwaited = false
    payloadApart = NO_PAYLOAD
    if (bytes.length > ROOM_BYTES) bytes = Buffer.allocUnsafeSlow(ROOM_BYTES)
  }
  for (const commander of done) commander.afterCommands()
}

function tellAccepted(first: number, number: number): void {
  const { results } = nativeSide()
  for (let index = 0; index < number; index += 1) {
    const ticket = results[index] as number
    if (ticket >= 0) waiters[first + index]?.accepted(ticket)
  }
}

function tellRefused(record: number, first: number, commanders: readonly Commander[]): void {
  const { refusals, refusalText } = nativeSide()
  const from = refusals[record + 1] as number
  const packet = bytes.subarray(from, from + (refusals[record + 2] as number))
  const index = refusals[record + 3] as number
  const code = refusals[record + 5] as number
  const textAt = refusals[record + 6] as number
  const words = refusalText.toString('utf8', textAt, textAt + (refusals[record + 7] as number))
  const waiter = waiters[first + index]
  const apart = packet[0] === PAYLOAD_APART ? payloadApart : undefined
  if (waiter !== undefined) {
    waiter.refused(code, words, packet, apart)
    return
  }
  const id = bytes.readUInt32LE(from - CLIENT_BYTES)
  commanders.find((commander) => commander.id === id)?.refused(code, words, packet, apart)
}
