/**
 * Topic URLs: the parser against its rules, written again without a URL parser. What is accepted means what it says,
 * and what is refused is refused for a reason that it gives.
 *
 * Input: what kind of Authorization header, how long it is, it, and the request target behind `/topics/`.
 */
import { deepStrictEqual, ok } from 'node:assert/strict'
import { parseTopicRequest } from '../../src/http/topic-request.js'
import { webSocketClose } from '../../src/transports/close-code.js'
import type { TopicUrlRequest } from '../../src/transports/transport.js'
import { Input } from './input.js'

/** The target. */
export function fuzz(data: Uint8Array): void {
  const input = new Input(data)
  const how = input.below(4)
  const secret = input.take(input.below(32))
  const authorization = authorizationOf(how, secret)
  // As Node's HTTP parser hands it over: a character for each byte.
  const target = `/topics/${input.rest().toString('latin1')}`

  const result = parseTopicRequest(target, authorization)
  const { reasonCodes, request } = read(target, authorization)
  if ('refusal' in result) {
    const { reasonCode, text } = result.refusal
    ok(reasonCodes.includes(reasonCode), `${reasonCode} in place of ${reasonCodes}: ${target}`)
    const { code, reason } = webSocketClose(result.refusal)
    ok(code === 4000 + reasonCode && text.startsWith(reason) && Buffer.byteLength(reason) <= 123)
  } else {
    deepStrictEqual([reasonCodes, plain(result.request)], [[], request], target)
  }
}

function authorizationOf(how: number, secret: Buffer): string | undefined {
  switch (how) {
    case 0:
      return undefined
    case 1:
      return `Basic ${secret.toString('base64')}`
    case 2:
      return `basic  ${secret.toString('base64').replaceAll('=', '')}`
    default:
      return secret.toString('latin1')
  }
}

function plain(request: TopicUrlRequest): object {
  const { password } = request
  return { ...request, ...(password !== undefined && { password: Buffer.from(password).toString('hex') }) }
}

/** All that the rules say of a target: every reason to refuse it, and the request where there is none. */
function read(target: string, authorization: string | undefined): { reasonCodes: number[]; request: object } {
  const [path = '', ...queries] = target.split('?')
  const topic = decoded(path.slice('/topics/'.length))
  const query = readQuery(queries.join('?'))
  const credentials = readCredentials(authorization)
  const reasonCodes = [...faultsOf(topic), ...query.faults, ...credentials.faults]
  return { reasonCodes, request: { topicFilter: topic, ...query.options, ...credentials.found } }
}

/** The reasons to refuse a topic. */
function faultsOf(topic: string | undefined): number[] {
  if (topic === undefined || topic === '' || topic.includes('\0') || Buffer.byteLength(topic) > 65_535) {
    return [0x90]
  }
  const levels = topic.split('/')
  const isFine = levels.every((level, index) => {
    if (level === '+' || (level === '#' && index === levels.length - 1)) return true
    return !level.includes('+') && !level.includes('#')
  })
  return isFine ? [] : [0x8f]
}

/** Percent-decodes: every % begins two digits, and all of it is UTF-8, or there is nothing. */
function decoded(encoded: string): string | undefined {
  const bytes: Buffer[] = []
  for (let at = 0; at < encoded.length; ) {
    const digits = /^%([0-9A-Fa-f]{2})/.exec(encoded.slice(at, at + 3))?.[1]
    if (digits !== undefined) bytes.push(Buffer.from(digits, 'hex'))
    else if (encoded[at] === '%') return undefined
    else bytes.push(Buffer.from(encoded[at] ?? ''))
    at += digits === undefined ? 1 : 3
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(bytes))
  } catch {
    return undefined
  }
}

function readQuery(query: string): { faults: number[]; options: object } {
  const parts = query.split('&').filter((part) => part !== '')
  const pairs = parts.map((part) => {
    const [key = '', ...rest] = part.split('=')
    return [key, rest.join('=')].map((text) => decoded(text.replaceAll('+', ' ')))
  })
  const value = (wanted: string) => pairs.find(([key]) => key === wanted)?.[1]
  const [qos, retained, clientId] = [value('qos') ?? '0', value('retained') ?? 'true', value('clientId')]
  const isFine =
    pairs.every(([key, text]) => ['qos', 'retained', 'clientId'].includes(key ?? '') && text !== undefined) &&
    new Set(pairs.map(([key]) => key)).size === pairs.length &&
    ['0', '1', '2'].includes(qos) &&
    ['true', 'false', '1', '0'].includes(retained) &&
    clientId !== ''
  const options = {
    qos: Number(qos),
    retained: retained === 'true' || retained === '1',
    ...(clientId !== undefined && { clientId }),
  }
  return { faults: isFine ? [] : [0x83], options }
}

function readCredentials(authorization: string | undefined): { faults: number[]; found: object } {
  if (authorization === undefined) return { faults: [], found: {} }
  const [scheme = '', ...words] = authorization.split(' ')
  const encoded = words.join(' ').replace(/^ */, '')
  const isBasic =
    scheme.toLowerCase() === 'basic' && words.length > 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(encoded)
  const bytes = Buffer.from(isBasic ? encoded : '', 'base64')
  const colon = bytes.indexOf(':')
  const username = colon === -1 ? undefined : bytes.subarray(0, colon)
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(username)
    if (username === undefined) return { faults: [0x86], found: {} }
    return { faults: [], found: { username: text, password: bytes.subarray(colon + 1).toString('hex') } }
  } catch {
    return { faults: [0x86], found: {} }
  }
}
