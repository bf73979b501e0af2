/**
 * The properties of 5.0: their names here, their types, and reading and writing them.
 *
 * What is read was checked by the native codec, and is not checked again. What is written is checked there too, but for
 * what only this side can see: a name that does not exist, and a value that its type on the wire cannot hold.
 */
import { decodeText, type Reader } from './reader.js'
import { invalid, type Writer } from './writer.js'

/** Every property. Absent is what the standard says that its absence means. */
export interface Properties<Bytes extends Uint8Array = Buffer> {
  /** True: the payload is UTF-8. */
  readonly payloadFormatIndicator?: boolean | undefined
  readonly messageExpiryIntervalSecs?: number | undefined
  readonly contentType?: string | undefined
  readonly responseTopic?: string | undefined
  readonly correlationData?: Bytes | undefined
  /** Of a SUBSCRIBE: 1 to 268,435,455. */
  readonly subscriptionId?: number | undefined
  /** Of a PUBLISH: one for each subscription that matched and has one. */
  readonly subscriptionIds?: readonly number[] | undefined
  /** 4,294,967,295: the session does not expire. */
  readonly sessionExpiryIntervalSecs?: number | undefined
  readonly assignedClientId?: string | undefined
  readonly serverKeepAliveSecs?: number | undefined
  readonly authenticationMethod?: string | undefined
  readonly authenticationData?: Bytes | undefined
  readonly requestProblemInformation?: boolean | undefined
  readonly willDelayIntervalSecs?: number | undefined
  readonly requestResponseInformation?: boolean | undefined
  readonly responseInformation?: string | undefined
  readonly serverReference?: string | undefined
  readonly reasonString?: string | undefined
  /** 1 to 65,535. */
  readonly receiveMaximum?: number | undefined
  readonly topicAliasMaximum?: number | undefined
  /** 1 to 65,535. */
  readonly topicAlias?: number | undefined
  /** Absent is 2. */
  readonly maximumQos?: 0 | 1 | 2 | undefined
  readonly retainAvailable?: boolean | undefined
  /** In their order; a name may come more than once. */
  readonly userProperties?: readonly (readonly [name: string, value: string])[] | undefined
  /** In bytes, at least 1. */
  readonly maximumPacketSize?: number | undefined
  readonly wildcardSubscriptionAvailable?: boolean | undefined
  readonly subscriptionIdsAvailable?: boolean | undefined
  readonly sharedSubscriptionAvailable?: boolean | undefined
}

/** What a packet without properties has. */
export const NO_PROPERTIES: Properties<never> = Object.freeze({})

type Kind = 'flag' | 'byte' | 'twoBytes' | 'fourBytes' | 'varint' | 'varints' | 'string' | 'binary' | 'pairs'
type PropertyName = keyof Properties

/** Section 2.2.2.2 of the standard. */
const table: readonly (readonly [id: number, name: PropertyName, kind: Kind])[] = [
  [0x01, 'payloadFormatIndicator', 'flag'],
  [0x02, 'messageExpiryIntervalSecs', 'fourBytes'],
  [0x03, 'contentType', 'string'],
  [0x08, 'responseTopic', 'string'],
  [0x09, 'correlationData', 'binary'],
  [0x0b, 'subscriptionId', 'varint'],
  [0x0b, 'subscriptionIds', 'varints'],
  [0x11, 'sessionExpiryIntervalSecs', 'fourBytes'],
  [0x12, 'assignedClientId', 'string'],
  [0x13, 'serverKeepAliveSecs', 'twoBytes'],
  [0x15, 'authenticationMethod', 'string'],
  [0x16, 'authenticationData', 'binary'],
  [0x17, 'requestProblemInformation', 'flag'],
  [0x18, 'willDelayIntervalSecs', 'fourBytes'],
  [0x19, 'requestResponseInformation', 'flag'],
  [0x1a, 'responseInformation', 'string'],
  [0x1c, 'serverReference', 'string'],
  [0x1f, 'reasonString', 'string'],
  [0x21, 'receiveMaximum', 'twoBytes'],
  [0x22, 'topicAliasMaximum', 'twoBytes'],
  [0x23, 'topicAlias', 'twoBytes'],
  [0x24, 'maximumQos', 'byte'],
  [0x25, 'retainAvailable', 'flag'],
  [0x26, 'userProperties', 'pairs'],
  [0x27, 'maximumPacketSize', 'fourBytes'],
  [0x28, 'wildcardSubscriptionAvailable', 'flag'],
  [0x29, 'subscriptionIdsAvailable', 'flag'],
  [0x2a, 'sharedSubscriptionAvailable', 'flag'],
]

const byId = new Map(table.map(([id, name, kind]) => [id, { name, kind }]))
const byName = new Map<string, { id: number; kind: Kind }>(
  table.map(([id, name, kind]) => [name, { id, kind }]),
)

/** The properties of a packet that is not a PUBLISH, their length before them. Bytes are copied. */
export function readProperties(reader: Reader): Properties {
  const end = reader.varint() + reader.at
  if (end === reader.at) return NO_PROPERTIES
  const properties: Record<string, unknown> = {}
  while (reader.at < end) {
    const property = byId.get(reader.byte())
    if (property === undefined) break
    // In a SUBSCRIBE there is one at most; a PUBLISH is read below.
    const name = property.kind === 'varints' ? 'subscriptionId' : property.name
    if (property.kind === 'pairs') append(properties, name, [reader.string(), reader.string()])
    else properties[name] = readValue(reader, property.kind)
  }
  return properties as Properties
}

function readValue(reader: Reader, kind: Kind): unknown {
  switch (kind) {
    case 'flag':
      return reader.byte() === 1
    case 'byte':
      return reader.byte()
    case 'twoBytes':
      return reader.twoBytes()
    case 'fourBytes':
      return reader.fourBytes()
    case 'string':
      return reader.string()
    case 'binary':
      return reader.binary()
    default:
      return reader.varint()
  }
}

function append(properties: Record<string, unknown>, name: string, item: unknown): void {
  const list = properties[name] as unknown[] | undefined
  if (list === undefined) properties[name] = [item]
  else list.push(item)
}

/** The properties that a PUBLISH may have. */
export type PublishProperties<Bytes extends Uint8Array = Buffer> = Pick<
  Properties<Bytes>,
  | 'payloadFormatIndicator'
  | 'messageExpiryIntervalSecs'
  | 'contentType'
  | 'responseTopic'
  | 'correlationData'
  | 'subscriptionIds'
  | 'topicAlias'
  | 'userProperties'
>

/** The properties of a PUBLISH between two places. Correlation Data is a view of `bytes`. */
export function readPublishProperties(bytes: Buffer, start: number, end: number): PublishProperties {
  const properties: { -readonly [Name in keyof PublishProperties]: PublishProperties[Name] } = {}
  let subscriptionIds: number[] | undefined
  let userProperties: [string, string][] | undefined
  let at = start
  /** Steps over a field and returns where its contents begin. What somebody has written over may lead anywhere. */
  const step = (): number => {
    const from = Math.min(at + 2, end)
    at = Math.min(from + twoBytesAt(bytes, at), end)
    return from
  }
  const text = (): string => decodeText(bytes, step(), at)
  while (at < end) {
    const id = bytes[at]
    at += 1
    switch (id) {
      case 0x01:
        properties.payloadFormatIndicator = bytes[at] === 1
        at += 1
        break
      case 0x02:
        properties.messageExpiryIntervalSecs = twoBytesAt(bytes, at) * 0x1_0000 + twoBytesAt(bytes, at + 2)
        at += 4
        break
      case 0x03:
        properties.contentType = text()
        break
      case 0x08:
        properties.responseTopic = text()
        break
      case 0x09:
        properties.correlationData = bytes.subarray(step(), at)
        break
      case 0x0b: {
        let value = 0
        for (let shift = 0; ; shift += 7) {
          const byte = bytes[at] ?? 0
          at += 1
          value |= (byte & 0x7f) << shift
          if (byte < 0x80) break
        }
        subscriptionIds ??= properties.subscriptionIds = [] as number[]
        subscriptionIds.push(value)
        break
      }
      case 0x23:
        properties.topicAlias = twoBytesAt(bytes, at)
        at += 2
        break
      case 0x26:
        userProperties ??= properties.userProperties = [] as [string, string][]
        userProperties.push([text(), text()])
        break
      default:
        // Never with the bytes that were checked: somebody has written over them.
        return properties
    }
  }
  return properties
}

function twoBytesAt(bytes: Buffer, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}

/** Writes a property section, its length before it, in the order in which the properties are given. */
export function writeProperties(writer: Writer, properties: Properties<Uint8Array> = NO_PROPERTIES): void {
  writer.counted(() => {
    for (const [name, value] of Object.entries(properties)) {
      if (value !== undefined) writeProperty(writer, name, value)
    }
  })
}

function writeProperty(writer: Writer, name: string, value: unknown): void {
  const property = byName.get(name)
  if (property === undefined) throw invalid(`there is no property ${name}`)
  const { id, kind } = property
  if (kind === 'pairs' || kind === 'varints') {
    if (!Array.isArray(value)) throw invalid(`${name} must be an array`)
    for (const item of value) writeItem(writer, id, kind, name, item)
  } else if (!(name === 'maximumQos' && value === 2)) {
    // A Maximum QoS of 2 is said by leaving it out.
    writeItem(writer, id, kind, name, value)
  }
}

function writeItem(writer: Writer, id: number, kind: Kind, name: string, value: unknown): void {
  writer.byte(id)
  switch (kind) {
    case 'flag':
      if (typeof value !== 'boolean') throw invalid(`${name} must be true or false`)
      writer.byte(value ? 1 : 0)
      break
    case 'byte':
      writer.byte(whole(name, value, 0xff))
      break
    case 'twoBytes':
      writer.twoBytes(whole(name, value, 0xffff))
      break
    case 'fourBytes':
      writer.fourBytes(whole(name, value, 0xffff_ffff))
      break
    case 'string':
      writer.string(name, value)
      break
    case 'binary':
      writer.binary(name, value)
      break
    case 'pairs':
      if (!Array.isArray(value) || value.length !== 2)
        throw invalid(`${name} must be pairs of name and value`)
      writer.string(name, value[0])
      writer.string(name, value[1])
      break
    default:
      writer.varint(whole(name, value, 268_435_455))
  }
}

/** A whole number from 0 to `maximum`, or an error that names it. */
export function whole(name: string, value: unknown, maximum: number): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= maximum)
    return value as number
  throw invalid(`${name} must be a whole number from 0 to ${maximum}`)
}
