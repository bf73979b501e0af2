/** Messages as JSON: mosquitto_sub's `%j` and `%J`, and our own `--json`. */
import { kebabCase } from '../lib/properties.js'
import { type ReceivedMessage, type Timestamp, userProperties } from './message.js'
import { formatTime } from './strftime.js'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** `%j`: the payload is a string, null where it is empty. */
export function mosquittoJson(message: ReceivedMessage, pretty: boolean): string {
  const payload = message.payload.length === 0 ? null : message.payload.toString()
  return JSON.stringify({ ...mosquittoFields(message), payload }, null, pretty ? '\t' : undefined)
}

/** `%J`: the payload is JSON and stands there as it is; undefined where it is not JSON. */
export function mosquittoJsonOfJson(message: ReceivedMessage, pretty: boolean): string | undefined {
  const text = message.payload.length === 0 ? 'null' : jsonText(message.payload)
  if (text === undefined) return undefined
  if (pretty) {
    return JSON.stringify({ ...mosquittoFields(message), payload: JSON.parse(text) as unknown }, null, '\t')
  }
  const rest = JSON.stringify(mosquittoFields(message))
  return `${rest.slice(0, -1)},"payload":${text}}`
}

/** `--json`: words of MQTT, and for a payload that is not text `payloadBase64`, so that every line is JSON. */
export function messageJson(message: ReceivedMessage, pretty: boolean): string {
  const { topic, payload, qos, retain, packetId, receivedAt } = message
  const properties = ourProperties(message)
  const text = textOf(payload)
  const fields = {
    time: `${receivedAt.date.toISOString().slice(0, -4)}${microseconds(receivedAt)}Z`,
    topic,
    ...(text === undefined ? { payloadBase64: payload.toString('base64') } : { payload: text }),
    qos,
    retain,
    ...(qos > 0 && { packetId }),
    ...(Object.keys(properties).length > 0 && { properties }),
  }
  return JSON.stringify(fields, null, pretty ? 2 : undefined)
}

/** Local time with microseconds and offset, as `tst` is documented. */
function timestamp(time: Timestamp): string {
  const { date } = time
  return `${formatTime('F', date)}T${formatTime('T', date)}.${microseconds(time)}${formatTime('z', date)}`
}

function microseconds({ nanoseconds }: Timestamp): string {
  return String(Math.floor(nanoseconds / 1_000)).padStart(6, '0')
}

function mosquittoFields(message: ReceivedMessage): Record<string, unknown> {
  const { topic, payload, qos, retain, packetId, receivedAt } = message
  const properties = mosquittoProperties(message)
  return {
    tst: timestamp(receivedAt),
    topic,
    qos,
    retain: retain ? 1 : 0,
    payloadlen: payload.length,
    ...(qos > 0 && { mid: packetId }),
    ...(Object.keys(properties).length > 0 && { properties }),
  }
}

function mosquittoProperties(message: ReceivedMessage): Record<string, unknown> {
  const entries = Object.entries(message.properties).map(([key, value]): [string, unknown] => {
    if (key === 'userProperties') return ['user-properties', pairs(message)]
    if (value instanceof Uint8Array) return [kebabCase(key), Buffer.from(value).toString()]
    return [kebabCase(key), typeof value === 'boolean' ? Number(value) : value]
  })
  return Object.fromEntries(entries)
}

function ourProperties(message: ReceivedMessage): Record<string, unknown> {
  const entries = Object.entries(message.properties).map(([key, value]): [string, unknown] => {
    if (key === 'userProperties') return [key, pairs(message)]
    if (!(value instanceof Uint8Array)) return [key, value]
    const text = textOf(value)
    return text === undefined ? [`${key}Base64`, Buffer.from(value).toString('base64')] : [key, text]
  })
  return Object.fromEntries(entries)
}

/** A name that stands there several times has a list. */
function pairs(message: ReceivedMessage): Record<string, string | string[]> {
  const byName = new Map<string, string[]>()
  for (const [name, value] of userProperties(message)) byName.set(name, [...(byName.get(name) ?? []), value])
  return Object.fromEntries(
    [...byName].map(([name, values]) => [name, values.length === 1 ? (values[0] ?? '') : values]),
  )
}

/** Text that is JSON, on one line and otherwise untouched: a number keeps all of its digits. */
function jsonText(payload: Uint8Array): string | undefined {
  const text = textOf(payload)
  if (text === undefined) return undefined
  try {
    JSON.parse(text)
  } catch {
    return undefined
  }
  // Line ends are allowed between the parts of JSON only, never within a string.
  return text.trim().replace(/[\r\n]+/g, ' ')
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}
