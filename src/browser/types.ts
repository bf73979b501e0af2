/** The options and errors of the browser module. No type of the DOM or of Node is named: it runs in both. */

/** What `connect` uses of a WebSocket. */
export interface WebSocketLike {
  onopen: unknown
  onmessage: unknown
  onclose: unknown
  onerror: unknown
  send(data: string): void
  close(code?: number, reason?: string): void
}

export type WebSocketConstructor = new (url: string) => WebSocketLike

/** `connecting` until the broker has answered, `offline` between two tries, `closed` for good. */
export type State = 'connecting' | 'connected' | 'offline' | 'closed'

/** A string is sent as it is, bytes as they are, anything else as JSON. */
export type Payload = unknown

export interface Will {
  readonly topic: string
  readonly payload: Payload
  readonly qos?: 0 | 1
  readonly retain?: boolean
  readonly delaySecs?: number
}

export interface ConnectOptions {
  /** Default: one of its own for each client, so that no two pages have the same. */
  readonly clientId?: string
  readonly username?: string
  readonly password?: string
  /** Whether the first connection ends what is left of an earlier session. Default false. */
  readonly cleanStart?: boolean
  /** How long the broker keeps the session while the client is away. Default 300. */
  readonly sessionExpiryIntervalSecs?: number
  /** Messages at QoS 1 that may be under way to the client. Default: the broker's, 64. */
  readonly receiveMaximum?: number
  /** Published by the broker when the client goes without `close`. */
  readonly will?: Will
  /** How often the broker is asked whether it is there. Default 20000. */
  readonly pingIntervalMs?: number
  /** The longest pause before the next try. Default 30000. */
  readonly maximumBackoffMs?: number
  /** Commands that may wait for an answer, or for a connection. Default 1000. */
  readonly maximumQueued?: number
  /** Where there is none in `globalThis`, for instance that of `ws`. */
  readonly WebSocket?: WebSocketConstructor
}

export interface MessageOptions {
  readonly contentType?: string
  readonly messageExpiryIntervalSecs?: number
  readonly userProperties?: readonly (readonly [string, string])[]
}

export interface PublishOptions extends MessageOptions {
  /** Default 1: the promise is kept when the broker has the message. */
  readonly qos?: 0 | 1
  readonly retain?: boolean
  readonly responseTopic?: string
  /** Base64. */
  readonly correlationData?: string
}

export interface RequestOptions extends MessageOptions {
  /** Default 30000. */
  readonly timeoutMs?: number
}

export interface SubscribeOptions {
  /** Default 0. */
  readonly qos?: 0 | 1
  /** Whether the retained messages are wanted. Default true. */
  readonly retained?: boolean
  /** Whether the client's own messages are left out. Default false. */
  readonly noLocal?: boolean
}

export interface MessagesOptions extends SubscribeOptions {
  /** Messages at QoS 0 that may wait for the loop; then the oldest is dropped. Default 1000. */
  readonly maximumQueued?: number
}

/** What goes wrong, with a code of docs/errors.md. */
export class TopicwireError extends Error {
  readonly code: string
  /** An MQTT 5.0 Reason Code, where the broker has said one. */
  readonly reasonCode: number | undefined

  constructor(code: string, text: string, reasonCode?: number) {
    super(text)
    this.name = 'TopicwireError'
    this.code = code
    this.reasonCode = reasonCode
  }
}
