/**
 * Reads a topic as a URL: `/topics/<topic>?qos=0|1|2&retained=true|false&clientId=...`.
 *
 * The path after `/topics/` is percent-decoded and is the topic, byte for byte: `%23` is `#`, `+` stays `+`, and `%2F`
 * is `/`, since an MQTT level cannot contain one and there is nothing else that it could mean. Whether a topic is
 * allowed is the broker's to say; what is refused here could not be meant.
 */
import type { CloseReason, TopicUrlRequest } from '../transports/transport.js'

/** Where topic URLs begin. */
export const TOPICS_PATH = '/topics/'

const TOPIC_INVALID = 0x90
const FILTER_INVALID = 0x8f
const BAD_CREDENTIALS = 0x86
/** Implementation specific error: the query is ours, not MQTT's. */
const BAD_QUERY = 0x83
const MAXIMUM_TOPIC_BYTES = 65_535

/** A byte order mark is a character like any other [MQTT-1.5.4-3]. */
const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const QOS: ReadonlyMap<string, 0 | 1 | 2> = new Map([
  ['0', 0],
  ['1', 1],
  ['2', 2],
])
const FLAGS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
])

/** A topic URL, or why it is none. */
export type TopicRequestResult = { readonly request: TopicUrlRequest } | { readonly refusal: CloseReason }

/** Signals a refusal; `parseTopicRequest` turns it into a value, and so does who reads another address. */
export class Refusal extends Error {
  readonly reasonCode: number

  constructor(reasonCode: number, text: string) {
    super(text)
    this.reasonCode = reasonCode
  }
}

/**
 * Parses a request target whose path begins with `/topics`.
 *
 * @param target path and query as they came, still encoded: a URL parser would tidy `//` and `..` away.
 * @param authorization the header; Basic credentials become user name and password.
 */
export function parseTopicRequest(target: string, authorization: string | undefined): TopicRequestResult {
  try {
    const mark = target.indexOf('?')
    const path = mark === -1 ? target : target.slice(0, mark)
    const topicFilter = parseTopic(path.slice(TOPICS_PATH.length), TOPICS_PATH)
    const query = parseQuery(mark === -1 ? '' : target.slice(mark + 1))
    return { request: { topicFilter, ...query, ...parseCredentials(authorization) } }
  } catch (error) {
    if (error instanceof Refusal) return { refusal: { reasonCode: error.reasonCode, text: error.message } }
    throw error
  }
}

/**
 * What stands behind `under` in a path, as a Topic Filter.
 *
 * @throws Refusal
 */
export function parseTopic(encoded: string, under: string): string {
  if (encoded === '') {
    throw new Refusal(
      TOPIC_INVALID,
      `The topic is empty: open ${under} followed by one, as in ${under}chat/room1.`,
    )
  }
  let topic: string
  try {
    topic = decodeURIComponent(encoded)
  } catch {
    throw new Refusal(TOPIC_INVALID, 'The topic has a % that does not begin an encoded UTF-8 character.')
  }
  // [MQTT-4.7.3-2], [MQTT-4.7.3-3]
  if (topic.includes('\0')) throw new Refusal(TOPIC_INVALID, 'A topic cannot contain the character U+0000.')
  if (Buffer.byteLength(topic) > MAXIMUM_TOPIC_BYTES) {
    throw new Refusal(TOPIC_INVALID, `A topic cannot be longer than ${MAXIMUM_TOPIC_BYTES} bytes.`)
  }
  const levels = topic.split('/')
  for (const [index, level] of levels.entries()) {
    // [MQTT-4.7.1-1]
    if (level.includes('#') && (level !== '#' || index !== levels.length - 1)) {
      throw new Refusal(
        FILTER_INVALID,
        `# (%23) stands alone in the last level of a topic, as in ${under}chat/%23.`,
      )
    }
    // [MQTT-4.7.1-2]
    if (level.includes('+') && level !== '+') {
      throw new Refusal(FILTER_INVALID, `+ stands alone in its level of a topic, as in ${under}chat/+.`)
    }
  }
  return topic
}

function parseQuery(query: string): Pick<TopicUrlRequest, 'qos' | 'retained' | 'clientId'> {
  const values = queryValues(query, ['qos', 'retained', 'clientId'])
  const qos = QOS.get(values.get('qos') ?? '0')
  if (qos === undefined) throw new Refusal(BAD_QUERY, `qos is 0, 1 or 2, not ${quote(values.get('qos'))}.`)
  const retained = flagValue(values, 'retained', true)
  const clientId = clientIdValue(values)
  return clientId === undefined ? { qos, retained } : { qos, retained, clientId }
}

/**
 * The values of a query that may have those keys, each once.
 *
 * @throws Refusal
 */
export function queryValues(query: string, keys: readonly string[]): ReadonlyMap<string, string> {
  const seen = new Map<string, string>()
  for (const part of query.split('&').filter((part) => part !== '')) {
    const [key = '', ...words] = part.split('=').map(decodeQueryPart)
    if (!keys.includes(key)) {
      const known = `${keys.slice(0, -1).join(', ')} and ${keys.at(-1)}`
      throw new Refusal(BAD_QUERY, `Unknown key ${quote(key)} in the URL; there are ${known}.`)
    }
    if (seen.has(key)) throw new Refusal(BAD_QUERY, `The key ${key} is in the URL twice.`)
    seen.set(key, words.join('='))
  }
  return seen
}

/** @throws Refusal */
export function flagValue(values: ReadonlyMap<string, string>, key: string, fallback: boolean): boolean {
  const value = FLAGS.get(values.get(key) ?? String(fallback))
  if (value === undefined)
    throw new Refusal(BAD_QUERY, `${key} is true or false, not ${quote(values.get(key))}.`)
  return value
}

/** @throws Refusal */
export function wholeValue(
  values: ReadonlyMap<string, string>,
  key: string,
  maximum: number,
): number | undefined {
  const value = values.get(key)
  if (value === undefined) return undefined
  if (!/^\d{1,10}$/.test(value) || Number(value) > maximum) {
    throw new Refusal(BAD_QUERY, `${key} is a whole number from 0 to ${maximum}, not ${quote(value)}.`)
  }
  return Number(value)
}

/** @throws Refusal */
export function clientIdValue(values: ReadonlyMap<string, string>): string | undefined {
  const clientId = values.get('clientId')
  if (clientId === '') throw new Refusal(BAD_QUERY, 'clientId is empty; leave it out to be given one.')
  return clientId
}

/** `URLSearchParams` would make U+FFFD of what is not UTF-8, and so one client identifier of many. */
function decodeQueryPart(encoded: string): string {
  try {
    return decodeURIComponent(encoded.replaceAll('+', ' '))
  } catch {
    throw new Refusal(BAD_QUERY, 'The query has a % that does not begin an encoded UTF-8 character.')
  }
}

/** HTTP Basic authentication as user name and password. */
export function parseAuthorization(
  authorization: string | undefined,
): { readonly credentials: Credentials } | { readonly refusal: CloseReason } {
  try {
    return { credentials: parseCredentials(authorization) }
  } catch (error) {
    if (error instanceof Refusal) return { refusal: { reasonCode: error.reasonCode, text: error.message } }
    throw error
  }
}

export type Credentials = Pick<TopicUrlRequest, 'username' | 'password'>

function parseCredentials(authorization: string | undefined): Credentials {
  if (authorization === undefined) return {}
  const match = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization)
  const bytes = match?.[1] === undefined ? undefined : Buffer.from(match[1], 'base64')
  const colon = bytes?.indexOf(':') ?? -1
  if (bytes === undefined || colon === -1) {
    throw new Refusal(BAD_CREDENTIALS, 'The Authorization header holds no Basic credentials (user:password).')
  }
  try {
    const username = UTF_8.decode(bytes.subarray(0, colon))
    return { username, password: bytes.subarray(colon + 1) }
  } catch {
    throw new Refusal(BAD_CREDENTIALS, 'The user name in the Authorization header is not UTF-8.')
  }
}

/** A peer's text inside our sentence: short, and without what could upset a terminal. */
function quote(text: string | undefined): string {
  return JSON.stringify((text ?? '').slice(0, 32))
}
