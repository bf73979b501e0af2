/** Properties of MQTT 5.0 on the command line, in mosquitto_pub's words: `-D PUBLISH user-property name value`. */
import { Command } from 'commander'
import { nearest } from '../../validate.js'
import { wrongUsage } from './exit.js'

/** The packets that properties can be given for. */
export type PropertyTarget = 'connect' | 'publish' | 'subscribe' | 'unsubscribe' | 'disconnect' | 'will'

/** Properties under the names that the client has for them. */
export type Properties = Readonly<Record<string, unknown>>

/** What was given with `-D`, packet by packet. */
export type PropertiesByTarget = ReadonlyMap<PropertyTarget, Properties>

type Kind = 'text' | 'binary' | 'flag' | 'uint16' | 'uint32' | 'varint' | 'pair'

const KINDS: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ['authentication-data', 'binary'],
  ['authentication-method', 'text'],
  ['content-type', 'text'],
  ['correlation-data', 'binary'],
  ['maximum-packet-size', 'uint32'],
  ['message-expiry-interval', 'uint32'],
  ['payload-format-indicator', 'flag'],
  ['receive-maximum', 'uint16'],
  ['request-problem-information', 'flag'],
  ['request-response-information', 'flag'],
  ['response-topic', 'text'],
  ['session-expiry-interval', 'uint32'],
  ['subscription-identifier', 'varint'],
  ['topic-alias-maximum', 'uint16'],
  ['user-property', 'pair'],
  ['will-delay-interval', 'uint32'],
])

const MESSAGE = [
  'content-type',
  'correlation-data',
  'message-expiry-interval',
  'payload-format-indicator',
  'response-topic',
  'user-property',
]

const ALLOWED: ReadonlyMap<PropertyTarget, readonly string[]> = new Map<PropertyTarget, readonly string[]>([
  [
    'connect',
    [
      ...['authentication-data', 'authentication-method', 'maximum-packet-size', 'receive-maximum'],
      ...['request-problem-information', 'request-response-information', 'session-expiry-interval'],
      ...['topic-alias-maximum', 'user-property'],
    ],
  ],
  ['publish', MESSAGE],
  ['subscribe', ['subscription-identifier', 'user-property']],
  ['unsubscribe', ['user-property']],
  ['disconnect', ['session-expiry-interval', 'user-property']],
  ['will', [...MESSAGE, 'will-delay-interval']],
])

const LARGEST: Readonly<Record<'uint16' | 'uint32' | 'varint', number>> = {
  uint16: 65_535,
  uint32: 4_294_967_295,
  varint: 268_435_455,
}

/** Reads what `-D` was given, each time two or three words after the packet's name. */
export function readProperties(given: readonly (readonly string[])[]): PropertiesByTarget {
  const byTarget = new Map<PropertyTarget, Record<string, unknown>>()
  for (const [packet = '', name = '', ...values] of given) {
    const target = targetOf(packet)
    const kind = kindOf(name)
    const allowed = ALLOWED.get(target) ?? []
    if (!allowed.includes(name)) {
      throw wrongUsage(`-D: ${packet.toUpperCase()} has no ${name}; it can have ${list(allowed)}.`)
    }
    const properties = byTarget.get(target) ?? {}
    byTarget.set(target, properties)
    const key = camelCase(name)
    if (kind === 'pair') addPair(properties, values)
    else if (key in properties) throw wrongUsage(`-D: ${name} can be given once only.`)
    else properties[key] = readValue(name, kind, values[0] ?? '')
  }
  return byTarget
}

/** `session-expiry-interval` as the client calls it. */
export function camelCase(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

/** `contentType` as it is written on the command line. */
export function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

/** Whether the packet of a `-D` with this property takes a name and a value. */
function isPair(name: string | undefined): boolean {
  return name === 'user-property'
}

/**
 * A command with `-D`, whose number of words depends on the second of them, which commander has no notion of: they are
 * put into one before it reads the line. Words that are the value of another option are left alone.
 */
export class CommandWithProperties extends Command {
  override parseOptions(args: string[]): ReturnType<Command['parseOptions']> {
    return super.parseOptions(this.#folded(args))
  }

  #folded(args: readonly string[]): string[] {
    const folded: string[] = []
    for (let index = 0; index < args.length; ) {
      const word = args[index] ?? ''
      if (word === '-D' || word === '--property') {
        const length = isPair(args[index + 2]) ? 4 : 3
        const words = args.slice(index + 1, index + 1 + length)
        if (words.length < length) throw wrongUsage(`-D needs a packet, a property and its value: ${USE}`)
        folded.push(word, JSON.stringify(words))
        index += 1 + length
      } else {
        const option = this.options.find((one) => one.short === word || one.long === word)
        const length = option?.required ? 2 : 1
        folded.push(...args.slice(index, index + length))
        index += length
      }
    }
    return folded
  }
}

const USE = '-D PUBLISH content-type text/plain, or -D PUBLISH user-property name value.'

/** Collects the folded words of each `-D`; for commander. */
export function collectProperty(text: string, before: readonly string[][] = []): readonly string[][] {
  return [...before, JSON.parse(text) as string[]]
}

function targetOf(packet: string): PropertyTarget {
  const known = [...ALLOWED.keys()]
  const target = known.find((name) => name === packet.toLowerCase())
  if (target !== undefined) return target
  const names = known.map((name) => name.toUpperCase())
  throw wrongUsage(`-D: ${packet} is not one of ${list(names)}.${meant(packet, names)}`)
}

function kindOf(name: string): Kind {
  if (name === 'topic-alias') {
    throw wrongUsage(
      '-D: topic-alias cannot be given: aliases are used by themselves where the server takes them.',
    )
  }
  const kind = KINDS.get(name)
  if (kind === undefined) throw wrongUsage(`-D: ${name} is not a property.${meant(name, [...KINDS.keys()])}`)
  return kind
}

function meant(word: string, known: readonly string[]): string {
  const best = nearest(word, known)
  return best === undefined ? '' : ` Did you mean ${best}?`
}

function addPair(properties: Record<string, unknown>, [name = '', value = '']: readonly string[]): void {
  properties.userProperties ??= Object.create(null)
  const pairs = properties.userProperties as Record<string, string | string[]>
  const before = pairs[name]
  pairs[name] = before === undefined ? value : [...[before].flat(), value]
}

function readValue(name: string, kind: Exclude<Kind, 'pair'>, text: string): unknown {
  switch (kind) {
    case 'text':
      return text
    case 'binary':
      return Buffer.from(text)
    case 'flag':
      if (text !== '0' && text !== '1') throw wrongUsage(`-D: ${name} is 0 or 1, not '${text}'.`)
      return text === '1'
    default: {
      const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
      if (!(value <= LARGEST[kind])) {
        throw wrongUsage(`-D: ${name} is a whole number from 0 to ${LARGEST[kind]}, not '${text}'.`)
      }
      return value
    }
  }
}

function list(words: readonly string[]): string {
  return words.join(', ')
}
