/**
 * mosquitto_sub's `-F`: `%` for what belongs to the message, `@` for the time as in strftime(3), `\` for characters. A
 * format is read once and then written for each message.
 */
import { mosquittoJson, mosquittoJsonOfJson } from './json.js'
import { type ReceivedMessage, userProperties } from './message.js'
import { formatTime, isTimeConversion } from './strftime.js'

/** Writes a message. @throws NotJson where `%J` meets a payload that is not JSON. */
export type Format = (message: ReceivedMessage) => Buffer

/** What is wrong with a format, as a sentence. */
export class FormatError extends Error {}

/** The payload of a message for `%J` is not JSON. */
export class NotJson extends Error {}

/** How wide a value is to be. */
interface Field {
  readonly left: boolean
  readonly zeros: boolean
  /** The least width; 0 for none. */
  readonly width: number
  /** The greatest width. */
  readonly maximum: number | undefined
}

type Value = (message: ReceivedMessage, pretty: boolean) => string | number | Buffer | undefined

/** `text` is padded with spaces and can be cut, `number` can have zeros, `bytes` can have both, `plain` has no width. */
type Kind = 'text' | 'number' | 'bytes' | 'plain'

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['\\', '\\'],
  ['0', '\0'],
  ['a', '\x07'],
  ['e', '\x1b'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
])

const PARAMETERS: ReadonlyMap<string, readonly [Kind, Value]> = new Map<string, readonly [Kind, Value]>([
  ['%', ['plain', () => '%']],
  ['A', ['number', property('topicAlias')]],
  ['C', ['text', property('contentType')]],
  ['D', ['plain', property('correlationData')]],
  ['E', ['number', property('messageExpiryInterval')]],
  ['F', ['number', property('payloadFormatIndicator')]],
  [
    'I',
    [
      'text',
      ({ receivedAt: { date } }) =>
        `${formatTime('F', date)}T${formatTime('T', date)}${formatTime('z', date)}`,
    ],
  ],
  ['j', ['plain', mosquittoJson]],
  ['J', ['plain', jsonOrThrow]],
  ['l', ['number', ({ payload }) => payload.length]],
  ['m', ['number', ({ packetId }) => packetId]],
  ['p', ['bytes', ({ payload }) => payload]],
  [
    'P',
    [
      'plain',
      (message) =>
        userProperties(message)
          .map(([name, value]) => `${name}:${value}`)
          .join(' '),
    ],
  ],
  ['q', ['plain', ({ qos }) => qos]],
  ['r', ['plain', ({ retain }) => (retain ? 1 : 0)]],
  ['R', ['text', property('responseTopic')]],
  [
    'S',
    ['number', (message) => [property('subscriptionIdentifier')(message)].flat()[0] as number | undefined],
  ],
  ['t', ['text', ({ topic }) => topic]],
  [
    'U',
    ['plain', ({ receivedAt: { date, nanoseconds } }) => `${formatTime('s', date)}.${nine(nanoseconds)}`],
  ],
  ['x', ['bytes', ({ payload }) => payload.toString('hex')]],
  ['X', ['bytes', ({ payload }) => payload.toString('hex').toUpperCase()]],
])

/** Reads a format. @throws FormatError */
export function parseFormat(format: string, pretty = false): Format {
  const pieces: (string | ((message: ReceivedMessage) => Buffer | string))[] = []
  let text = ''
  for (let at = 0; at < format.length; ) {
    const first = format[at] ?? ''
    if (!'%@\\'.includes(first)) {
      text += first
      at++
      continue
    }
    const { piece, end } = readSequence(format, at, pretty)
    if (typeof piece === 'string') text += piece
    else {
      pieces.push(text, piece)
      text = ''
    }
    at = end
  }
  pieces.push(text)
  return (message) =>
    Buffer.concat(
      pieces.map((piece) => {
        const written = typeof piece === 'string' ? piece : piece(message)
        return typeof written === 'string' ? Buffer.from(written) : written
      }),
    )
}

interface Sequence {
  readonly piece: string | ((message: ReceivedMessage) => Buffer | string)
  readonly end: number
}

function readSequence(format: string, at: number, pretty: boolean): Sequence {
  if (format[at] === '%') return readParameter(format, at, pretty)
  const letter = format[at + 1]
  if (letter === undefined) throw new FormatError(`The format ends in the middle of ${format.slice(at)}.`)
  const end = at + 2
  if (format[at] === '\\') {
    const character = ESCAPES.get(letter)
    if (character === undefined)
      throw new FormatError(
        `\\${letter} is not one of ${[...ESCAPES.keys()].map((key) => `\\${key}`).join(' ')}.`,
      )
    return { piece: character, end }
  }
  if (letter === '@') return { piece: '@', end }
  if (letter === '%') return { piece: '%', end }
  if (letter === 'N') return { piece: ({ receivedAt }) => nine(receivedAt.nanoseconds), end }
  if (!isTimeConversion(letter)) throw new FormatError(`@${letter} is not a conversion of strftime.`)
  return { piece: ({ receivedAt }) => formatTime(letter, receivedAt.date), end }
}

function readParameter(format: string, at: number, pretty: boolean): Sequence {
  const [found = '', left, zeros, width, maximum, letter] =
    /%(-?)(0?)(\d*)(?:\.(\d*))?(.?)/s.exec(format.slice(at)) ?? []
  if (!letter) throw new FormatError(`The format ends in the middle of ${format.slice(at)}.`)
  const parameter = PARAMETERS.get(letter)
  if (parameter === undefined) {
    throw new FormatError(
      `%${letter} is not one of ${[...PARAMETERS.keys()].map((key) => `%${key}`).join(' ')}.`,
    )
  }
  const [kind, value] = parameter
  const field: Field = {
    left: left === '-',
    zeros: zeros === '0',
    width: Math.min(Number(width), LARGEST_WIDTH),
    maximum: maximum === undefined ? undefined : Number(maximum),
  }
  return { piece: (message) => write(value(message, pretty), kind, field), end: at + found.length }
}

/** Nobody's screen is wider, and a slip of the finger should not take all memory. */
const LARGEST_WIDTH = 10_000

function write(
  value: ReturnType<Value>,
  kind: Kind,
  { left, zeros, width, maximum }: Field,
): Buffer | string {
  if (value === undefined && kind === 'plain') return ''
  const whole = value ?? ''
  if (kind === 'plain') return typeof whole === 'number' ? String(whole) : whole
  const canBeCut = kind === 'text' || kind === 'bytes'
  const shown = typeof whole === 'number' ? String(whole) : canBeCut ? whole.slice(0, maximum) : whole
  const missing = width - shown.length
  if (missing <= 0) return shown as Buffer | string
  const filler = (zeros && !left && kind !== 'text' ? '0' : ' ').repeat(missing)
  if (typeof shown === 'string') return left ? shown + filler : filler + shown
  return Buffer.concat(left ? [shown, Buffer.from(filler)] : [Buffer.from(filler), shown])
}

function property(name: string): (message: ReceivedMessage) => string | number | Buffer | undefined {
  return ({ properties }) => {
    const value = properties[name]
    return typeof value === 'boolean' ? Number(value) : (value as string | number | Buffer | undefined)
  }
}

function jsonOrThrow(message: ReceivedMessage, pretty: boolean): string {
  const json = mosquittoJsonOfJson(message, pretty)
  if (json === undefined) throw new NotJson(`The payload on ${message.topic} is not JSON.`)
  return json
}

function nine(nanoseconds: number): string {
  return String(nanoseconds).padStart(9, '0')
}
