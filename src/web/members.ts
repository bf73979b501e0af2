/** What a member of a command may be: docs/web-protocol.md. commands.ts says which command has which. */
import { isWellFormed } from '../codec/writer.js'
import type { ErrorCode } from '../errors.js'

const PROTOCOL_ERROR = 0x82
const TOPIC_FILTER_INVALID = 0x8f
const TOPIC_NAME_INVALID = 0x90
const UINT32 = 4_294_967_295
const LONGEST_TEXT_BYTES = 65_535

/** What is wrong with a member; `text` follows its name. */
export interface Problem {
  readonly code: ErrorCode
  readonly reasonCode: number
  readonly text: string
}

/** undefined where nothing is wrong. */
export type Check = (value: unknown) => Problem | undefined

function problem(text: string): Problem {
  return { code: 'ERR_MQTT_PROTOCOL_ERROR', reasonCode: PROTOCOL_ERROR, text }
}

export function isWhole(value: unknown, minimum: number, maximum: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= minimum && value <= maximum
}

export function whole(minimum: number, maximum: number): Check {
  const found = problem(`must be a whole number from ${minimum} to ${maximum}`)
  return (value) => (isWhole(value, minimum, maximum) ? undefined : found)
}

const NOT_A_FLAG = problem('must be true or false')
export const flag: Check = (value) => (typeof value === 'boolean' ? undefined : NOT_A_FLAG)

const NOT_TEXT = problem('must be a string')
const SURROGATE = problem('has half of a surrogate pair, which UTF-8 cannot say')
const HAS_NULL = problem('has the character U+0000, which MQTT does not allow there')
const TOO_LONG = problem(`is longer than the ${LONGEST_TEXT_BYTES} bytes that MQTT can say`)
const NOT_BASE64 = problem('must be base64, as RFC 4648 has it in section 4')

/** A UTF-8 Encoded String [MQTT-1.5.4-1], [MQTT-1.5.4-2]. */
export const text: Check = (value) => {
  if (typeof value !== 'string') return NOT_TEXT
  if (value.length * 3 > LONGEST_TEXT_BYTES && Buffer.byteLength(value) > LONGEST_TEXT_BYTES) return TOO_LONG
  if (value.includes('\0')) return HAS_NULL
  return isWellFormed(value) ? undefined : SURROGATE
}

export const payload: Check = (value) => {
  if (typeof value !== 'string') return NOT_TEXT
  return isWellFormed(value) ? undefined : SURROGATE
}

export const base64: Check = (value) => {
  if (typeof value !== 'string') return NOT_TEXT
  return value.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(value) ? undefined : NOT_BASE64
}

const BINARY_TOO_LONG = problem('is longer than the 65535 bytes that MQTT can say')
export const binary: Check = (value) =>
  base64(value) ??
  (Buffer.byteLength(value as string, 'base64') > LONGEST_TEXT_BYTES ? BINARY_TOO_LONG : undefined)

/** A Topic Name [MQTT-4.7.1-1], [MQTT-4.7.3-1]. */
export const topicName: Check = (value) => {
  const found = text(value)
  const why =
    found?.text ??
    (value === '' ? 'must not be empty' : /[+#]/.test(value as string) ? 'must not have + or #' : undefined)
  return why === undefined
    ? undefined
    : { code: 'ERR_MQTT_INVALID_TOPIC_NAME', reasonCode: TOPIC_NAME_INVALID, text: why }
}

/** A Topic Filter, as far as it is text; its rules are the codec's to say. */
export const topicFilter: Check = (value) => {
  const why = text(value)?.text ?? (value === '' ? 'must not be empty' : undefined)
  return why === undefined
    ? undefined
    : { code: 'ERR_MQTT_INVALID_TOPIC_FILTER', reasonCode: TOPIC_FILTER_INVALID, text: why }
}

const NOT_PAIRS = problem('must be a list of pairs of strings, [["name","value"]]')
export const pairs: Check = (value) => {
  if (!Array.isArray(value)) return NOT_PAIRS
  for (const pair of value) {
    if (!Array.isArray(pair) || pair.length !== 2) return NOT_PAIRS
    const found = text(pair[0]) ?? text(pair[1])
    if (found !== undefined) return found === NOT_TEXT ? NOT_PAIRS : found
  }
  return undefined
}

const NOT_RETAINED = problem('must be true, false or "new"')
export const retained: Check = (value) =>
  value === 'new' || typeof value === 'boolean' ? undefined : NOT_RETAINED

const willMembers = new Map<string, Check>([
  ['topic', topicName],
  ['payload', payload],
  ['payloadBase64', base64],
  ['qos', whole(0, 1)],
  ['retain', flag],
  ['delaySecs', whole(0, UINT32)],
])
export const will: Check = (value) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return problem('must be an object')
  const given = value as Record<string, unknown>
  for (const name of Object.keys(given)) {
    const check = willMembers.get(name)
    if (check === undefined) return problem(`has no member ${quote(name)}`)
    const found = check(given[name])
    if (found !== undefined) return { ...found, text: `has a ${name} that ${found.text}` }
  }
  return given.topic === undefined ? problem('needs topic') : undefined
}

/** A peer's text inside our sentence: short, and in UTF-8. */
export function quote(text: string): string {
  return JSON.stringify(text.slice(0, 32).replace(/\p{Surrogate}/gu, '\ufffd'))
}
