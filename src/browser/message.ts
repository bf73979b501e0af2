/** Payloads and messages, as docs/web-protocol.md has them and as a page wants them. */
import type { Payload } from './types.js'

/** A message, or the members of a response, as it comes. */
export interface MessageFrame {
  readonly topic: string
  readonly payload?: string
  readonly payloadBase64?: string
  readonly qos?: 1
  readonly retain?: true
  readonly duplicate?: true
  readonly ack?: number
  readonly subscriptions?: readonly number[]
  readonly contentType?: string
  readonly responseTopic?: string
  readonly correlationData?: string
  readonly messageExpiryIntervalSecs?: number
  readonly userProperties?: readonly (readonly [string, string])[]
}

/** A message that has come. */
export class Message {
  readonly topic: string
  readonly qos: 0 | 1
  readonly retain: boolean
  /** It may have come before. */
  readonly duplicate: boolean
  readonly contentType: string | undefined
  readonly responseTopic: string | undefined
  /** Base64. */
  readonly correlationData: string | undefined
  readonly messageExpiryIntervalSecs: number | undefined
  readonly userProperties: readonly (readonly [string, string])[]
  readonly #frame: MessageFrame

  /** Messages come from a client. */
  constructor(frame: MessageFrame) {
    this.#frame = frame
    this.topic = frame.topic
    this.qos = frame.qos ?? 0
    this.retain = frame.retain === true
    this.duplicate = frame.duplicate === true
    this.contentType = frame.contentType
    this.responseTopic = frame.responseTopic
    this.correlationData = frame.correlationData
    this.messageExpiryIntervalSecs = frame.messageExpiryIntervalSecs
    this.userProperties = frame.userProperties ?? []
  }

  /** The payload. */
  get bytes(): Uint8Array {
    const { payload, payloadBase64 } = this.#frame
    if (payload !== undefined) return new TextEncoder().encode(payload)
    return Uint8Array.from(atob(payloadBase64 ?? ''), (character) => character.charCodeAt(0))
  }

  /** The payload as text; what is not UTF-8 in it becomes U+FFFD. */
  text(): string {
    return this.#frame.payload ?? new TextDecoder().decode(this.bytes)
  }

  /** The payload as JSON. @throws SyntaxError where it is none. */
  json<Value = unknown>(): Value {
    return JSON.parse(this.text()) as Value
  }
}

/** The member of a command that says a payload. */
export function payloadMember(payload: Payload): { payload: string } | { payloadBase64: string } {
  if (typeof payload === 'string') return { payload }
  if (payload instanceof ArrayBuffer) return payloadMember(new Uint8Array(payload))
  if (!(payload instanceof Uint8Array)) return { payload: JSON.stringify(payload) ?? '' }
  let binary = ''
  for (const byte of payload) binary += String.fromCharCode(byte)
  return { payloadBase64: btoa(binary) }
}

/** Whether a topic is one of a filter's. */
export function matches(filter: string, topic: string): boolean {
  const shared = filter.startsWith('$share/')
  const wanted = filter.split('/').slice(shared ? 2 : 0)
  const levels = topic.split('/')
  if (topic.startsWith('$') && /^[+#]/.test(wanted[0] ?? '')) return false
  for (let at = 0; at < wanted.length; at += 1) {
    if (wanted[at] === '#') return true
    if (at >= levels.length || (wanted[at] !== '+' && wanted[at] !== levels[at])) return false
  }
  return wanted.length === levels.length
}
