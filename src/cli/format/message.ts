/** A message as formats see it: what arrived, and when. */
import type { ReceivedPublish } from '../lib/client.js'

export interface ReceivedMessage {
  readonly topic: string
  readonly payload: Buffer
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  /** 0 for QoS 0. */
  readonly packetId: number
  /** Under the client's names. */
  readonly properties: Readonly<Record<string, unknown>>
  readonly receivedAt: Timestamp
}

/** A point in time. A Date has milliseconds; formats want nanoseconds. */
export interface Timestamp {
  readonly date: Date
  /** Since the beginning of its second. */
  readonly nanoseconds: number
}

export function receivedMessage(
  topic: string,
  payload: Buffer,
  { qos, retain, messageId, properties }: ReceivedPublish,
  receivedAt: Timestamp = now(),
): ReceivedMessage {
  return { topic, payload, qos, retain, packetId: messageId ?? 0, properties: { ...properties }, receivedAt }
}

/** User properties as pairs; a name can stand there several times. */
export function userProperties({ properties }: ReceivedMessage): [string, string][] {
  const byName = (properties.userProperties ?? {}) as Record<string, string | string[]>
  return Object.entries(byName).flatMap(([name, values]) =>
    [values].flat().map((value): [string, string] => [name, value]),
  )
}

/** The clock that knows microseconds runs beside that of Date, which can be set: one is read off the other. */
function now(): Timestamp {
  const milliseconds = performance.timeOrigin + performance.now()
  const whole = Math.floor(milliseconds / 1_000)
  return {
    date: new Date(milliseconds),
    nanoseconds: Math.floor((milliseconds - whole * 1_000) * 1_000) * 1_000,
  }
}
