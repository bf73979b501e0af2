/**
 * The native clients of this thread, and the tables that all of them share: what `crates/napi/src/client` says of them
 * is true here. Made when the first client is.
 */
import { NativeClients } from '../native.js'

/** Words of a record. */
export const WORDS = 8
const RECORDS = 1024
/** Commands that one call carries out. */
export const RESULTS = 4096
const REFUSALS = 256
/** More than the longest text of MQTT, so that one always fits. */
const TEXT_BYTES = 192 * 1024
/** The native side remembers as many topics. Slot 0 is nobody's. */
const TOPIC_SLOTS = 4096

/** What calls return: a count, and what is to do. */
export const COUNT = 0xff_ffff
export const EVENTS = 1 << 24
export const OUTPUT = 1 << 25
export const LAST = 1 << 26

/** Kinds of records. */
export const MESSAGE = 1
export const CONNECTED = 2
export const PUBLISHED = 3
export const SUBSCRIBED = 4
export const UNSUBSCRIBED = 5
export const ABANDONED = 6
export const AUTHENTICATE = 7
export const REAUTHENTICATED = 8
export const PONG = 9
export const CLOSED_REQUESTED = 10
export const CLOSED_REFUSED = 11
export const CLOSED_BY_SERVER = 12
export const CLOSED_FAULT = 13
export const CLOSED_CONNACK_TIMEOUT = 14
export const CLOSED_PINGRESP_TIMEOUT = 15
export const CLOSED_TRANSPORT = 16

/** Flags of a record. */
export const DUP = 1 << 10
export const RETAIN = 1 << 11
export const CARRIED = 1 << 12
export const TOPIC_IS_NEW = 1 << 13
export const TOPIC_IS_ASCII = 1 << 14
export const IN_TEXT = 1 << 15

/** Why a command was refused. */
export const NOT_CONNECTED = 1
export const OUT_BUFFER_FULL = 2
export const QUEUE_FULL = 3
export const NO_FREE_PACKET_ID = 4
export const PACKET_TOO_LARGE = 5
export const TOPIC = 6
export const NEEDS_V5 = 7
export const NOT_SUPPORTED = 8
export const UNKNOWN_DELIVERY = 9
export const PANIC = 12

/** Why a command that was accepted came to nothing. */
export const CONNECTION_LOST = 0
export const SESSION_ENDED = 1
export const EXPIRED = 2
export const DROPPED = 3
/** And so on, with the number of a refusal added. */
export const UNSENDABLE = 16

/** What the clients of a thread have in common. */
export interface NativeSide {
  readonly clients: NativeClients
  readonly records: Uint32Array
  readonly recordText: Buffer
  readonly results: Float64Array
  readonly refusals: Uint32Array
  readonly refusalText: Buffer
  readonly topicNames: string[]
  readonly receive: ReturnType<NativeClients['receiveFunction']>
  readonly collect: ReturnType<NativeClients['collectFunction']>
  readonly run: ReturnType<NativeClients['runFunction']>
  readonly drain: ReturnType<NativeClients['drainFunction']>
}

let side: NativeSide | undefined

export function nativeSide(): NativeSide {
  side ??= make()
  return side
}

function make(): NativeSide {
  const records = new Uint32Array(RECORDS * WORDS)
  const recordText = Buffer.allocUnsafeSlow(TEXT_BYTES)
  const results = new Float64Array(RESULTS)
  // The last one says how far it went.
  const refusals = new Uint32Array((REFUSALS + 1) * WORDS)
  const refusalText = Buffer.allocUnsafeSlow(TEXT_BYTES)
  const clients = new NativeClients(records, recordText, results, refusals, refusalText)
  return {
    clients,
    records,
    recordText,
    results,
    refusals,
    refusalText,
    topicNames: new Array<string>(TOPIC_SLOTS + 1).fill(''),
    receive: clients.receiveFunction(),
    collect: clients.collectFunction(),
    run: clients.runFunction(),
    drain: clients.drainFunction(),
  }
}

const epoch = Date.now() - performance.now()

/** Milliseconds since 1970 that never go back. */
export function now(): number {
  return epoch + performance.now()
}
