/** What a client is made with: the words of MQTT.js, ours beside them, their defaults and their checks. */
import { randomBytes } from 'node:crypto'
import { MqttError } from '../errors.js'
import type { ProtocolVersion } from '../hooks/types.js'
import type { NativeClientOptions } from '../native.js'
import type { Authentication } from './authentication.js'
import type { ClientStoreOptions } from './client-store.js'
import type { ReceivedPublish } from './received.js'
import type { GivenPublishProperties, GivenUserProperties } from './words.js'

/** What happens to a message that finds the queue full: see `docs/client.md`. */
export type ClientQueueFullPolicy = 'reject' | 'dropOldest' | 'wait'

/** The properties of CONNECT. */
export interface ConnectProperties {
  /** Seconds that the session outlives the connection. Default: 0 with `clean`, for ever without. */
  readonly sessionExpiryInterval?: number | undefined
  /** QoS 1 and 2 messages that the server may send before they are acknowledged. */
  readonly receiveMaximum?: number | undefined
  readonly maximumPacketSize?: number | undefined
  /** Topic aliases that the server may use. Default 0. */
  readonly topicAliasMaximum?: number | undefined
  readonly requestResponseInformation?: boolean | undefined
  readonly requestProblemInformation?: boolean | undefined
  readonly userProperties?: GivenUserProperties | undefined
  readonly authenticationMethod?: string | undefined
  readonly authenticationData?: Uint8Array | string | undefined
}

/** What the server publishes when this client is gone without a DISCONNECT. */
export interface WillOptions {
  readonly topic: string
  readonly payload: Uint8Array | string
  readonly qos?: 0 | 1 | 2 | undefined
  readonly retain?: boolean | undefined
  readonly properties?:
    | (GivenPublishProperties & { readonly willDelayInterval?: number | undefined })
    | undefined
}

/** Decides about a QoS 1 or 2 message, as in MQTT.js: with an error it is not acknowledged. */
export type AckHandler = (
  topic: string,
  payload: Buffer,
  packet: ReceivedPublish,
  done: (error: Error | number | null | undefined, reasonCode?: number) => void,
) => void

/** The options of a client that are about MQTT; those about the connection below are in `ConnectionOptions`. */
export interface MqttOptions {
  /** Default: `topicwire_` and a random number. Empty: the server assigns one. */
  clientId?: string | undefined
  /** Whether the session begins and ends with each connection. Default true. */
  clean?: boolean | undefined
  /** 5, 4 (that is 3.1.1) or 3 (3.1). Default: 5, and 4 where the server refuses that. */
  protocolVersion?: ProtocolVersion
  /** Seconds. Default 60; 0 turns it off. */
  keepalive?: number | undefined
  username?: string | undefined
  password?: Uint8Array | string | undefined
  will?: WillOptions | undefined
  properties?: ConnectProperties | undefined
  /** Milliseconds for the connection and its CONNACK. Default 30,000. */
  connectTimeout?: number
  /** Milliseconds before the first attempt to connect again; 0: none. Default 1,000. */
  reconnectPeriod?: number
  /** Milliseconds that it grows to. Default 30,000. */
  reconnectPeriodMax?: number
  /** Whether to try again after a server has refused. Default true. */
  reconnectOnConnackError?: boolean | undefined
  /** Whether subscriptions are made again in a session that has lost them. Default true. */
  resubscribe?: boolean | undefined
  /** Whether QoS 0 messages wait for a connection. Default true. */
  queueQoSZero?: boolean | undefined
  /** Messages that may wait. Default 100,000. */
  maximumQueuedMessages?: number | undefined
  /** Their bytes. Default 64 MiB. */
  maximumQueuedBytes?: number | undefined
  /** Default `reject`. */
  queueFullPolicy?: ClientQueueFullPolicy | undefined
  /** Bytes of the largest packet that is read. Default 64 MiB. */
  maximumPacketSizeBytes?: number | undefined
  /** Topic aliases that are set towards the server, as far as it takes any. Default 32; 0: none. */
  topicAliasLimit?: number | undefined
  /** The application acknowledges QoS 1 and 2 messages itself, with `packet.acknowledge()`. Default false. */
  manualAcknowledge?: boolean | undefined
  customHandleAcks?: AckHandler | undefined
  /** Does not connect until `connect()` is called. */
  manualConnect?: boolean | undefined
  /** Keeps the session and the queue on disk. Needs `clean: false` and a `clientId`. */
  store?: ClientStoreOptions | undefined
  /** Enhanced authentication: section 4.12 of MQTT 5.0. */
  authentication?: Authentication | undefined
}

/** Options with their defaults. */
export interface CheckedOptions extends MqttOptions {
  clientId: string
  clean: boolean
  keepalive: number
  connectTimeout: number
  reconnectPeriod: number
  reconnectPeriodMax: number
  reconnectOnConnackError: boolean
  resubscribe: boolean
  queueQoSZero: boolean
  maximumQueuedMessages: number
  maximumQueuedBytes: number
  queueFullPolicy: ClientQueueFullPolicy
  maximumPacketSizeBytes: number
  topicAliasLimit: number
}

/** What waits for a transport that does not keep up; QoS 0 beyond it waits in the queue. */
const OUT_BUFFER_BYTES = 4 * 1024 * 1024
const PINGRESP_TIMEOUT_MS = 30_000
const LARGEST_PACKET = 268_435_460

const LONGEST_WAIT_MS = 30_000

/** Written out, and not spread from another object: such objects have one shape, which is more memory than they are. */
function defaults(): CheckedOptions {
  return {
    clientId: '',
    clean: true,
    keepalive: 60,
    connectTimeout: 30_000,
    reconnectPeriod: 1_000,
    reconnectPeriodMax: LONGEST_WAIT_MS,
    reconnectOnConnackError: true,
    resubscribe: true,
    queueQoSZero: true,
    maximumQueuedMessages: 100_000,
    maximumQueuedBytes: 64 * 1024 * 1024,
    queueFullPolicy: 'reject',
    maximumPacketSizeBytes: 64 * 1024 * 1024,
    topicAliasLimit: 32,
  }
}

/** @throws MqttError ERR_MQTT_INVALID_OPTION */
export function checkOptions<Options extends MqttOptions>(given: Options): Options & CheckedOptions {
  const options = defaults() as Options & CheckedOptions
  for (const name of Object.keys(given) as (keyof Options)[]) {
    const value = given[name]
    if (value !== undefined) options[name] = value as (Options & CheckedOptions)[keyof Options]
  }
  if (given.clientId === undefined) options.clientId = `topicwire_${randomBytes(6).toString('hex')}`
  if (given.reconnectPeriodMax === undefined) {
    options.reconnectPeriodMax = Math.max(LONGEST_WAIT_MS, options.reconnectPeriod)
  }
  if (typeof options.clientId !== 'string') throw invalid('clientId', 'a string')
  if (![undefined, 3, 4, 5].includes(options.protocolVersion)) {
    throw invalid('protocolVersion', '5, 4 (for 3.1.1) or 3 (for 3.1)')
  }
  if (!['reject', 'dropOldest', 'wait'].includes(options.queueFullPolicy)) {
    throw invalid('queueFullPolicy', "'reject', 'dropOldest' or 'wait'")
  }
  if (!options.clean && options.clientId === '') throw invalid('clientId', 'given where `clean` is false')
  if (!options.clean && given.clientId === undefined) {
    throw invalid('clientId', 'given where `clean` is false: a session is found again by it')
  }
  if (options.store !== undefined) checkStore(options.store, options.clean)
  between('keepalive', options.keepalive, 0, 65_535)
  between('connectTimeout', options.connectTimeout, 1, 2_147_483_647)
  between('reconnectPeriod', options.reconnectPeriod, 0, 2_147_483_647)
  between('reconnectPeriodMax', options.reconnectPeriodMax, 0, 2_147_483_647)
  between('maximumQueuedMessages', options.maximumQueuedMessages, 1, Number.MAX_SAFE_INTEGER)
  between('maximumQueuedBytes', options.maximumQueuedBytes, 1, Number.MAX_SAFE_INTEGER)
  between('maximumPacketSizeBytes', options.maximumPacketSizeBytes, 1, LARGEST_PACKET)
  between('topicAliasLimit', options.topicAliasLimit, 0, 65_535)
  return options
}

function checkStore({ path, durability }: ClientStoreOptions, isClean: boolean): void {
  if (typeof path !== 'string' || path === '') throw invalid('store.path', 'the path of a directory')
  if (![undefined, 'process', 'power'].includes(durability)) {
    throw invalid('store.durability', "'process' or 'power'")
  }
  if (isClean) {
    throw invalid('clean', 'false, and `clientId` given, where there is a `store`: it keeps a session')
  }
}

function between(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  throw invalid(name, `a whole number from ${least} to ${most}`)
}

function invalid(name: string, what: string): MqttError {
  return new MqttError('ERR_MQTT_INVALID_OPTION', `The option \`${name}\` must be ${what}.`)
}

/** The part that the native client keeps to. */
export function nativeOptions(options: CheckedOptions): NativeClientOptions {
  return {
    maximumQueuedMessages: options.maximumQueuedMessages,
    maximumQueuedBytes: options.maximumQueuedBytes,
    maximumOutBufferBytes: OUT_BUFFER_BYTES,
    maximumPacketSizeBytes: options.maximumPacketSizeBytes,
    topicAliasLimit: options.topicAliasLimit,
    connackTimeoutMs: options.connectTimeout,
    pingrespTimeoutMs: PINGRESP_TIMEOUT_MS,
    dropsOldest: options.queueFullPolicy === 'dropOldest',
  }
}
