/**
 * Every error that topicwire throws, rejects with or emits.
 *
 * A caller tells errors apart by `code`, which never changes; the message is for people and may. The table below
 * is the one list of codes; `docs/errors.md` explains each and a test compares the two.
 */

/** Each code with the sentence that is used when the place that throws has nothing better to say. */
export const errorCodes = {
  ERR_MQTT_INVALID_OPTION: 'An option has an unknown name or a value outside its range.',
  ERR_MQTT_INVALID_CONFIG: 'The configuration file, an environment variable or a flag is not valid.',
  ERR_MQTT_ADDRESS_IN_USE: 'Another program already listens on this address and port.',
  ERR_MQTT_LISTEN: 'The listener could not be opened.',
  ERR_MQTT_TLS: 'The certificate or key cannot be used.',
  ERR_MQTT_CONNECT: 'The server could not be reached.',
  ERR_MQTT_CONNECT_TIMEOUT: 'The server did not answer in time.',
  ERR_MQTT_CONNECTION_LOST: 'The connection to the server was lost.',
  ERR_MQTT_REDIRECT: 'The server sends the client to another one, where it may not or cannot go.',
  ERR_MQTT_REQUEST_TIMEOUT: 'Nobody answered the request in time.',
  ERR_MQTT_NO_RESPONDER: 'Nobody is there to answer the request.',
  ERR_MQTT_CLIENT_ENDED: 'The client was ended.',
  ERR_MQTT_INVALID_PAYLOAD: 'The payload is not what its topic carries.',
  ERR_MQTT_BROKER_CLOSED: 'The broker is closed.',
  ERR_MQTT_INVALID_TOPIC_NAME: 'This is not a topic name that can be published to.',
  ERR_MQTT_INVALID_TOPIC_FILTER: 'This is not a topic filter that can be subscribed to.',
  ERR_MQTT_PACKET_TOO_LARGE: 'The packet is larger than the receiver accepts.',
  ERR_MQTT_QUOTA_EXCEEDED: 'A limit of the broker is reached.',
  ERR_MQTT_NOT_AUTHORIZED: 'A hook or rule does not allow this.',
  ERR_MQTT_HOOK_FAILED: 'A hook threw or rejected; what it was asked about is denied.',
  ERR_MQTT_MALFORMED_PACKET: 'The peer sent bytes that are not an MQTT control packet.',
  ERR_MQTT_PROTOCOL_ERROR: 'The peer sent a packet that its state or content does not allow.',
  ERR_MQTT_UNSUPPORTED_PROTOCOL_VERSION: 'The peer asks for a protocol or a version that is not spoken here.',
  ERR_MQTT_NOT_CONNECTED: 'The client is not connected.',
  ERR_MQTT_CONNECTION_REFUSED: 'The server refuses the connection.',
  ERR_MQTT_TIMEOUT: 'The server did not answer in time.',
  ERR_MQTT_QUEUE_FULL: 'The queue of the client is full.',
  ERR_MQTT_SESSION_ENDED: 'The session ended before it was known whether the message had arrived.',
  ERR_MQTT_MESSAGE_EXPIRED: 'The message expired before it could be sent.',
  ERR_MQTT_PUBLISH_REFUSED: 'The server does not take the message.',
  ERR_MQTT_SUBSCRIBE_REFUSED: 'The server does not allow the subscription.',
  ERR_MQTT_NOT_SUPPORTED: 'The server, or the version that it speaks, does not have this.',
  ERR_MQTT_AUTHENTICATION: 'The authentication failed on this side.',
  ERR_MQTT_INVALID_PACKET: 'This is not a packet that a receiver could accept.',
  ERR_MQTT_STORE_IN_USE: 'Another process has this store open.',
  ERR_MQTT_STORE_VERSION: 'The store was written by a newer version of topicwire.',
  ERR_MQTT_STORE_DAMAGED: 'What the store reads back is not what it wrote.',
  ERR_MQTT_STORE_FAILED: 'The store cannot be opened, or cannot do its work.',
  ERR_MQTT_NATIVE_MISSING: 'The native addon for this platform is not installed.',
  ERR_MQTT_NATIVE_STALE: 'The native addon does not match the JavaScript that loads it.',
  ERR_MQTT_PANIC: 'The native core met a bug and has been shut down.',
} as const

/** The stable name of an error. See `docs/errors.md`. */
export type ErrorCode = keyof typeof errorCodes

/** What may be said about an error beside its code and message. */
export interface MqttErrorDetails {
  /** The MQTT 5.0 Reason Code that a peer is, or was, told: 0x80 to 0xFF. */
  readonly reasonCode?: number
  /** The error behind this one. */
  readonly cause?: unknown
}

/** The only error class of topicwire. */
export class MqttError extends Error {
  /** Stable; compare this, not the message. */
  readonly code: ErrorCode
  /** The MQTT 5.0 Reason Code that belongs to it, where a peer is involved. */
  declare readonly reasonCode?: number

  /** Without a `message` the code's own sentence is used. */
  constructor(code: ErrorCode, message: string = errorCodes[code], details: MqttErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    if (details.reasonCode !== undefined) this.reasonCode = details.reasonCode
  }

  override get name(): 'MqttError' {
    return 'MqttError'
  }
}

/** The code of an error in what a peer sent, by the Reason Code that the core found for it. */
export function faultCode(reasonCode: number): ErrorCode {
  switch (reasonCode) {
    case 0x81:
      return 'ERR_MQTT_MALFORMED_PACKET'
    case 0x84:
      return 'ERR_MQTT_UNSUPPORTED_PROTOCOL_VERSION'
    case 0x95:
      return 'ERR_MQTT_PACKET_TOO_LARGE'
    default:
      return 'ERR_MQTT_PROTOCOL_ERROR'
  }
}
