/**
 * PUBLISH and short acknowledgements, of which there are many: written straight into shared memory, in the form that
 * the native codec gives them. `__test__/codec/properties.spec.ts` holds the two against each other.
 */
import type { ProtocolVersion } from '../hooks/types.js'
import type { EncodablePublish } from './packets.js'
import { NO_PROPERTIES, type PublishProperties, whole } from './properties.js'
import { reserve, slab, take } from './slab.js'
import {
  invalid,
  isWellFormed,
  LARGEST_REMAINING_LENGTH,
  putVarint,
  tooLarge,
  varintLength,
} from './writer.js'

const LONGEST_FIELD = 65_535
/** A first byte, and a Remaining Length of four. The fields are written behind, and the header right before them. */
const HEADER_ROOM = 5

type BytesProperties = PublishProperties<Uint8Array>

/** An acknowledgement that says no more than what it acknowledges. */
export function encodeShortAck(firstByte: number, packetId: number): Buffer {
  reserve(4)
  const { bytes, used } = slab
  bytes[used] = firstByte
  bytes[used + 1] = 2
  bytes[used + 2] = packetId >> 8
  bytes[used + 3] = packetId & 0xff
  return take(used, used + 4)
}

/** A PUBLISH. Before 5.0 the properties are left out. */
export function encodePublish(packet: EncodablePublish, version: ProtocolVersion): Buffer {
  const { topicName, qos = 0, packetId } = packet
  const firstByte = firstByteOf(packet, qos)
  const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload
  if (!(payload instanceof Uint8Array)) throw invalid('payload must be a Uint8Array or a string')
  checkLength('topicName', topicName)
  const properties = version === 5 ? (packet.properties ?? NO_PROPERTIES) : undefined
  if (topicName === '' && properties?.topicAlias === undefined) throw invalid('topicName is empty')
  const propertiesRoom = properties === undefined || properties === NO_PROPERTIES ? 1 : roomFor(properties)
  // Before memory for it is asked for; exactly once it is written.
  if (payload.length > LARGEST_REMAINING_LENGTH) throw tooLarge()
  reserve(HEADER_ROOM + 2 + topicName.length * 3 + 2 + propertiesRoom + payload.length)

  const { bytes } = slab
  const start = slab.used + HEADER_ROOM
  let at = putText(bytes, start, 'topicName', topicName)
  if (qos !== 0) {
    checkPacketId(packetId)
    at = putTwoBytes(bytes, at, packetId)
  }
  if (properties !== undefined) {
    if (propertiesRoom === 1) {
      bytes[at] = 0
      at += 1
    } else at = putProperties(bytes, at, properties)
  }
  bytes.set(payload, at)
  at += payload.length

  const remainingLength = at - start
  if (remainingLength > LARGEST_REMAINING_LENGTH) throw tooLarge()
  const from = start - varintLength(remainingLength) - 1
  bytes[from] = firstByte
  putVarint(bytes, from + 1, remainingLength)
  return take(from, at)
}

function firstByteOf({ dup, retain, packetId }: EncodablePublish, qos: number): number {
  if (qos !== 0 && qos !== 1 && qos !== 2) throw invalid('qos must be 0, 1 or 2')
  if (qos === 0 && packetId !== undefined) throw invalid('packetId does not go with QoS 0')
  if (qos === 0 && dup) throw invalid('dup does not go with QoS 0')
  return 0x30 | (flag('dup', dup) << 3) | (qos << 1) | flag('retain', retain)
}

function flag(name: string, value: boolean | undefined): 0 | 1 {
  if (value === true) return 1
  if (value === false || value === undefined) return 0
  throw invalid(`${name} must be true or false`)
}

/** Refuses what is no Packet Identifier. */
export function checkPacketId(packetId: unknown): asserts packetId is number {
  if (Number.isInteger(packetId) && (packetId as number) > 0 && (packetId as number) <= 0xffff) return
  throw invalid('packetId must be a whole number from 1 to 65535')
}

function checkLength(name: string, text: unknown): asserts text is string {
  if (typeof text !== 'string') throw invalid(`${name} must be a string`)
  // Its bytes are counted once they are written.
  if (text.length > LONGEST_FIELD) throw invalid(`${name} is too long: ${LONGEST_FIELD} bytes fit`)
}

/** The most that these properties and their length take. */
function roomFor(properties: BytesProperties): number {
  let room = 4
  for (const name in properties) {
    const value = properties[name as keyof BytesProperties]
    if (value !== undefined) room += roomOf(name, value)
  }
  return room
}

function roomOf(name: string, value: unknown): number {
  switch (name as keyof BytesProperties) {
    case 'payloadFormatIndicator':
      if (typeof value !== 'boolean') throw invalid(`${name} must be true or false`)
      return 2
    case 'topicAlias':
      return 3
    case 'messageExpiryIntervalSecs':
      return 5
    case 'contentType':
    case 'responseTopic':
      checkLength(name, value)
      return 3 + value.length * 3
    case 'correlationData':
      if (!(value instanceof Uint8Array)) throw invalid(`${name} must be a Uint8Array`)
      if (value.length > LONGEST_FIELD) throw invalid(`${name} is too long: ${LONGEST_FIELD} bytes fit`)
      return 3 + value.length
    case 'subscriptionIds':
      if (!Array.isArray(value)) throw invalid(`${name} must be an array`)
      return value.length * 5
    case 'userProperties': {
      if (!Array.isArray(value)) throw invalid(`${name} must be an array`)
      let room = 0
      for (const pair of value) {
        if (!Array.isArray(pair) || pair.length !== 2)
          throw invalid(`${name} must be pairs of name and value`)
        checkLength('the name of a user property', pair[0])
        checkLength('the value of a user property', pair[1])
        room += 5 + (pair[0].length + pair[1].length) * 3
      }
      return room
    }
    default:
      throw invalid(`PUBLISH has no property ${name}`)
  }
}

/** In the order of the native codec. */
function putProperties(bytes: Buffer, start: number, properties: BytesProperties): number {
  let at = start + 1
  const { messageExpiryIntervalSecs, topicAlias, subscriptionIds, payloadFormatIndicator } = properties
  const { contentType, responseTopic, correlationData, userProperties } = properties
  if (messageExpiryIntervalSecs !== undefined) {
    bytes[at] = 0x02
    const seconds = whole('messageExpiryIntervalSecs', messageExpiryIntervalSecs, 0xffff_ffff)
    at = bytes.writeUInt32BE(seconds, at + 1)
  }
  if (topicAlias !== undefined) {
    bytes[at] = 0x23
    at = putTwoBytes(bytes, at + 1, notZero('topicAlias', topicAlias, 0xffff))
  }
  if (subscriptionIds !== undefined) {
    for (const subscriptionId of subscriptionIds) {
      bytes[at] = 0x0b
      at = putVarint(bytes, at + 1, notZero('subscriptionIds', subscriptionId, LARGEST_REMAINING_LENGTH))
    }
  }
  if (payloadFormatIndicator !== undefined) {
    bytes[at] = 0x01
    bytes[at + 1] = payloadFormatIndicator ? 1 : 0
    at += 2
  }
  if (contentType !== undefined) {
    bytes[at] = 0x03
    at = putText(bytes, at + 1, 'contentType', contentType)
  }
  if (responseTopic !== undefined) {
    bytes[at] = 0x08
    at = putText(bytes, at + 1, 'responseTopic', responseTopic)
  }
  if (correlationData !== undefined) {
    bytes[at] = 0x09
    at = putTwoBytes(bytes, at + 1, correlationData.length)
    bytes.set(correlationData, at)
    at += correlationData.length
  }
  if (userProperties !== undefined) {
    for (const [name, value] of userProperties) {
      bytes[at] = 0x26
      at = putText(bytes, at + 1, 'the name of a user property', name)
      at = putText(bytes, at, 'the value of a user property', value)
    }
  }
  return putLength(bytes, start, at)
}

/** Puts the length of the properties before them, where one byte was left for it. */
function putLength(bytes: Buffer, start: number, end: number): number {
  const length = end - start - 1
  if (length > LARGEST_REMAINING_LENGTH) throw tooLarge()
  const more = varintLength(length) - 1
  if (more > 0) bytes.copyWithin(start + 1 + more, start + 1, end)
  putVarint(bytes, start, length)
  return end + more
}

function notZero(name: string, value: number, maximum: number): number {
  if (value === 0) throw invalid(`${name} must not be 0`)
  return whole(name, value, maximum)
}

function putTwoBytes(bytes: Buffer, at: number, value: number): number {
  bytes[at] = value >> 8
  bytes[at + 1] = value & 0xff
  return at + 2
}

/** Up to this length a loop is faster than a call that leaves JavaScript. */
const SHORT_TEXT = 24

/** A UTF-8 Encoded String. There are three bytes of room for each of its UTF-16 code units. */
function putText(bytes: Buffer, at: number, name: string, text: string): number {
  const length = text.length
  if (length <= SHORT_TEXT) {
    let index = 0
    for (; index < length; index += 1) {
      const unit = text.charCodeAt(index)
      if (unit === 0 || unit > 0x7f) break
      bytes[at + 2 + index] = unit
    }
    if (index === length) {
      bytes[at] = 0
      bytes[at + 1] = length
      return at + 2 + length
    }
  }
  const written = (bytes as unknown as { utf8Write(text: string, at: number): number }).utf8Write(
    text,
    at + 2,
  )
  // A lone surrogate would have become U+FFFD [MQTT-1.5.4-1].
  if (written !== length && !isWellFormed(text)) throw invalid(`${name} contains a lone surrogate`)
  if (text.includes('\0')) throw invalid(`${name} contains U+0000`)
  if (written > LONGEST_FIELD) throw invalid(`${name} has ${written} bytes, where ${LONGEST_FIELD} fit`)
  return putTwoBytes(bytes, at, written) + written
}
