/**
 * Everything that a peer can make grow, and where it stops. The same words are used by the native core.
 *
 * The interface says what each limit is for; the table below holds its default and its range, once, for the
 * validation of options, the command's configuration and `docs/limits.md` alike.
 */
import { z } from 'zod'
import { integer, oneOf } from './validate.js'

/** What happens to a message for a session whose queue is full. See `Limits.queueFullPolicy`. */
export type QueueFullPolicy = 'reject' | 'dropNewest' | 'dropOldest'

/** What happens to a client that overruns the Receive Maximum. See `Limits.receiveMaximumPolicy`. */
export type ReceiveMaximumPolicy = 'strict' | 'tolerant'

/** The limits of one broker. Each default is generous for a machine with a few gigabytes of memory. */
export interface Limits {
  /** The largest control packet that is accepted, in bytes, header included. Default 10485760 (10 MiB). */
  readonly maximumPacketSizeBytes: number
  /**
   * The largest CONNECT, and the largest AUTH before CONNACK, in bytes: what is held for somebody who has not been let
   * in yet. Default 1048576 (1 MiB).
   */
  readonly maximumConnectPacketBytes: number
  /** QoS 1 and 2 messages that one client may have under way towards the broker. Default 1024. */
  readonly receiveMaximum: number
  /**
   * What happens to a 5.0 client that has more under way. `strict`: it is disconnected with 0x93. `tolerant`: it is
   * served, up to the 65535 messages that packet identifiers allow; those of QoS 2 may then hold 20 KiB of each
   * session. Default 'strict'.
   */
  readonly receiveMaximumPolicy: ReceiveMaximumPolicy
  /** Topic aliases that one client may set, and that the broker uses towards one client. Default 32; 0 is none. */
  readonly topicAliasMaximum: number
  /** The longest keep alive a client may choose, in seconds; a 5.0 client is told. Default 0: no cap. */
  readonly maximumKeepAliveSecs: number
  /**
   * How long a new connection may take to say CONNECT, TLS and WebSocket handshakes included, and to complete an
   * enhanced authentication; a re-authentication may take as long. Default 10000.
   */
  readonly connectTimeoutMs: number
  /** AUTH packets with which a method may ask the client on in one enhanced authentication. Default 16. */
  readonly maximumAuthenticationRounds: number
  /** Open connections. Default 100000. */
  readonly maximumConnections: number
  /** Sessions, connected or not. Default 1000000. */
  readonly maximumSessions: number
  /** The longest time a session outlives its connection, in seconds. Default 4294967295: for ever. */
  readonly sessionExpiryIntervalMaximumSecs: number
  /** The length of a client id in bytes of UTF-8. Default 65535, all that MQTT allows. */
  readonly maximumClientIdBytes: number
  /** Topic filters that one session may hold. Default 10000. */
  readonly maximumSubscriptionsPerSession: number
  /** Levels of a topic name or filter: `a/b/c` has 3. Default 128. */
  readonly maximumTopicLevels: number
  /** QoS 1 and 2 messages under way towards one 3.x client; a 5.0 client says so itself. Default 512. */
  readonly maximumInflightMessages: number
  /** Messages that wait for one session. Default 10000. */
  readonly maximumQueuedMessages: number
  /** Bytes of the messages that wait for one session. Default 67108864 (64 MiB). */
  readonly maximumQueuedBytes: number
  /**
   * What happens when a session's queue is full. `reject`: the message is not taken for it, and a 5.0 publisher hears
   * 0x97 (Quota exceeded). `dropNewest` and `dropOldest` drop quietly and count it. Default 'reject'.
   */
  readonly queueFullPolicy: QueueFullPolicy
  /** Bytes that wait to be written to one connection; QoS 0 beyond it is dropped. Default 4194304 (4 MiB). */
  readonly maximumOutBufferBytes: number
  /**
   * Bytes of all queues and out-buffers of the broker together; as many may be kept of packets that have not come
   * whole. Default 1073741824 (1 GiB).
   */
  readonly maximumBufferedBytes: number
  /**
   * Bytes that wait for the store; beyond it, clients that publish or subscribe are not read until it has caught up.
   * Default 33554432 (32 MiB).
   */
  readonly maximumUnstoredBytes: number
  /** Topics with a retained message. Default 1000000. */
  readonly maximumRetainedMessages: number
  /** Bytes of all retained messages together. Default 1073741824 (1 GiB). */
  readonly maximumRetainedBytes: number
}

/** A limit's default and the range of its values. */
export interface LimitRange {
  readonly default: number
  readonly minimum: number
  readonly maximum: number
}

const UINT16 = 65_535
const UINT32 = 4_294_967_295
const MIB = 1_048_576
/** The longest packet that the Remaining Length can announce: five bytes of header and 268,435,455 more. */
const LONGEST_PACKET = 268_435_460
const MOST_BYTES = Number.MAX_SAFE_INTEGER

type NumericLimit = Exclude<keyof Limits, 'queueFullPolicy' | 'receiveMaximumPolicy'>

/** Defaults and ranges of all limits that are numbers. */
export const limitRanges: Readonly<Record<NumericLimit, LimitRange>> = {
  maximumPacketSizeBytes: { default: 10 * MIB, minimum: 32, maximum: LONGEST_PACKET },
  maximumConnectPacketBytes: { default: MIB, minimum: 32, maximum: LONGEST_PACKET },
  receiveMaximum: { default: 1024, minimum: 1, maximum: UINT16 },
  topicAliasMaximum: { default: 32, minimum: 0, maximum: UINT16 },
  maximumKeepAliveSecs: { default: 0, minimum: 0, maximum: UINT16 },
  connectTimeoutMs: { default: 10_000, minimum: 10, maximum: 3_600_000 },
  maximumAuthenticationRounds: { default: 16, minimum: 1, maximum: UINT16 },
  maximumConnections: { default: 100_000, minimum: 1, maximum: 16_777_216 },
  maximumSessions: { default: 1_000_000, minimum: 1, maximum: UINT32 },
  sessionExpiryIntervalMaximumSecs: { default: UINT32, minimum: 0, maximum: UINT32 },
  // [MQTT-3.1.3-5], v3.1.1 [MQTT-3.1.3-5]: ids of up to 23 bytes have to be allowed.
  maximumClientIdBytes: { default: UINT16, minimum: 23, maximum: UINT16 },
  maximumSubscriptionsPerSession: { default: 10_000, minimum: 1, maximum: UINT32 },
  maximumTopicLevels: { default: 128, minimum: 1, maximum: UINT16 },
  maximumInflightMessages: { default: 512, minimum: 1, maximum: UINT16 },
  maximumQueuedMessages: { default: 10_000, minimum: 0, maximum: UINT32 },
  maximumQueuedBytes: { default: 64 * MIB, minimum: 0, maximum: MOST_BYTES },
  maximumOutBufferBytes: { default: 4 * MIB, minimum: 4096, maximum: UINT32 },
  maximumBufferedBytes: { default: 1024 * MIB, minimum: 65_536, maximum: MOST_BYTES },
  maximumUnstoredBytes: { default: 32 * MIB, minimum: 65_536, maximum: MOST_BYTES },
  maximumRetainedMessages: { default: 1_000_000, minimum: 0, maximum: UINT32 },
  maximumRetainedBytes: { default: 1024 * MIB, minimum: 0, maximum: MOST_BYTES },
}

/** All limits at their defaults. */
export const defaultLimits: Limits = Object.freeze({
  ...(Object.fromEntries(
    Object.entries(limitRanges).map(([name, range]) => [name, range.default]),
  ) as unknown as Limits),
  receiveMaximumPolicy: 'strict',
  queueFullPolicy: 'reject',
})

const numberShape = Object.fromEntries(
  Object.entries(limitRanges).map(([name, range]) => [
    name,
    integer(range.minimum, range.maximum).optional(),
  ]),
) as Record<keyof typeof limitRanges, z.ZodOptional<z.ZodType<number>>>

/** Some limits, as an operator gives them. */
export const limitsSchema = z.strictObject(
  {
    ...numberShape,
    receiveMaximumPolicy: oneOf(['strict', 'tolerant']).optional(),
    queueFullPolicy: oneOf(['reject', 'dropNewest', 'dropOldest']).optional(),
  },
  { error: 'must be an object of limits' },
)
