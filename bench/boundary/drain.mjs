/**
 * How output is best taken out of the core: one native call that fills an arena and a table of records for many
 * connections, against one call for each connection. No sockets: what is measured is the boundary itself, on a fan-out
 * to 1000 connections. Prints nanoseconds for each connection's piece, median of the rounds [lowest to highest].
 */

import { defaultLimits } from '../../dist/limits.js'
import { NativeBroker } from '../../index.js'

const CONNECTIONS = 1000
const ROUNDS = 9
const MESSAGES_A_ROUND = 300
const RECORD_WORDS = 4

const string = (text) => [text.length >> 8, text.length & 0xff, ...Buffer.from(text)]
const packet = (first, body) => Buffer.from([first, ...lengthOf(body.length), ...body])
const lengthOf = (length) => (length < 128 ? [length] : [(length % 128) | 0x80, length >> 7])

/** A broker with 1000 subscribers of one topic, and a function that publishes to them. */
function fanOut(payloadBytes) {
  const native = new NativeBroker(
    {
      limits: { ...defaultLimits },
      seed: '00',
      sysIntervalMs: 0,
      version: 'bench',
      authenticate: false,
      authorizePublish: [],
      authorizeSubscribe: [],
      onPublish: [],
    },
    0,
  )
  const connect = (clientId) => {
    const connection = native.open(0)
    const bytes = packet(0x10, [...string('MQTT'), 4, 2, 0, 0, ...string(clientId)])
    native.receive(connection, bytes, bytes.length, 0)
    return connection
  }
  for (let number = 0; number < CONNECTIONS; number++) {
    const connection = connect(`subscriber-${number}`)
    const bytes = packet(0x82, [0, 1, ...string('t'), 0])
    native.receive(connection, bytes, bytes.length, 0)
  }
  const publisher = connect('publisher')
  const message = packet(0x30, [...string('t'), ...Buffer.alloc(payloadBytes, 'x')])
  return { native, publish: () => native.receive(publisher, message, message.length, 0) }
}

const arena = Buffer.allocUnsafeSlow(256 * 1024)
const many = new Uint32Array(1024 * RECORD_WORDS)
const one = new Uint32Array(RECORD_WORDS)

/** Takes everything out; returns how many pieces that were. */
function drain(native, records) {
  let pieces = 0
  for (;;) {
    const count = native.drain(arena, records, 0)
    if (count === 0) return pieces
    for (let at = 0; at < count * RECORD_WORDS; at += RECORD_WORDS) {
      // What a connection needs before it can write: its piece as a view.
      sink = arena.subarray(records[at + 1], records[at + 1] + records[at + 2])
    }
    pieces += count
  }
}

/** Kept, so that the view is really made. */
let sink

function round(broker, records) {
  let pieces = 0
  let nanos = 0n
  for (let message = 0; message < MESSAGES_A_ROUND; message++) {
    broker.publish()
    const began = process.hrtime.bigint()
    pieces += drain(broker.native, records)
    nanos += process.hrtime.bigint() - began
  }
  return Number(nanos) / pieces
}

const summary = (values) => {
  const sorted = values.toSorted((a, b) => a - b)
  const [median, lowest, highest] = [sorted[sorted.length >> 1], sorted[0], sorted.at(-1)]
  return `${median.toFixed(0)} ns [${lowest.toFixed(0)} to ${highest.toFixed(0)}]`
}

console.log(`${CONNECTIONS} connections, Node ${process.version}, ${ROUNDS} rounds in turns`)
for (const payloadBytes of [64, 1024]) {
  const broker = fanOut(payloadBytes)
  drain(broker.native, many)
  const results = { records: [], single: [] }
  for (let index = -1; index < ROUNDS; index++) {
    const [records, single] = [round(broker, many), round(broker, one)]
    // The first turn warms up.
    if (index >= 0) {
      results.records.push(records)
      results.single.push(single)
    }
  }
  console.log(
    `${payloadBytes} B: one call for an arena ${summary(results.records)}, one call for each ${summary(results.single)}`,
  )
}
if (sink.length === 0) throw new Error('nothing was drained')
