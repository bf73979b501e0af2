/** From the bytes of a packet that the native codec has checked to an object. PUBLISH has `publish.ts`. */
import type { ProtocolVersion } from '../hooks/types.js'
import type { AckPacket, AckType, ConnectPacket, Packet, Qos, SubscribeFilter, Will } from './packets.js'
import { NO_PROPERTIES, type Properties, readProperties } from './properties.js'
import { Reader } from './reader.js'

const ackTypes: readonly AckType[] = ['puback', 'pubrec', 'pubrel', 'pubcomp']

/** `bodyAt` is where the Packet Identifier is, or -1 where there are no properties behind it. */
export function readAck(
  packetType: number,
  packetId: number,
  reasonCode: number,
  chunk: Buffer,
  bodyAt: number,
  end: number,
): AckPacket {
  const type = ackTypes[packetType - 4] as AckType
  // Behind a Packet Identifier and a Reason Code.
  const properties = bodyAt === -1 ? NO_PROPERTIES : readProperties(new Reader(chunk, bodyAt + 3, end))
  return { type, packetId, reasonCode, properties }
}

/** The packets that come once in a while. `packetId` and `reasonCode` are there where the kind has one. */
export function readRare(
  packetType: number,
  chunk: Buffer,
  bodyAt: number,
  end: number,
  packetId: number,
  reasonCode: number,
  version: ProtocolVersion,
): Packet {
  const reader = new Reader(chunk, bodyAt, end)
  if (packetId !== 0) reader.twoBytes()
  switch (packetType) {
    case 1:
      return readConnect(reader, version)
    case 2: {
      // In 3.1 the flags are reserved.
      const sessionPresent = reader.byte() === 1 && version !== 3
      reader.byte()
      return { type: 'connack', sessionPresent, reasonCode, properties: propertiesOf(reader, version) }
    }
    case 8: {
      const properties = propertiesOf(reader, version)
      return { type: 'subscribe', packetId, filters: readFilters(reader, version), properties }
    }
    case 9: {
      const properties = propertiesOf(reader, version)
      return { type: 'suback', packetId, reasonCodes: readReasonCodes(reader), properties }
    }
    case 10: {
      const properties = propertiesOf(reader, version)
      const topicFilters: string[] = []
      while (!reader.isAtEnd) topicFilters.push(reader.string())
      return { type: 'unsubscribe', packetId, topicFilters, properties }
    }
    case 11: {
      const properties = propertiesOf(reader, version)
      return { type: 'unsuback', packetId, reasonCodes: readReasonCodes(reader), properties }
    }
    case 12:
      return { type: 'pingreq' }
    case 13:
      return { type: 'pingresp' }
    default: {
      // DISCONNECT and AUTH may leave out the properties, and the Reason Code where it is 0.
      const code = reader.isAtEnd ? 0 : reader.byte()
      const properties = reader.isAtEnd ? NO_PROPERTIES : readProperties(reader)
      return { type: packetType === 14 ? 'disconnect' : 'auth', reasonCode: code, properties }
    }
  }
}

function propertiesOf(reader: Reader, version: ProtocolVersion): Properties {
  return version === 5 ? readProperties(reader) : NO_PROPERTIES
}

function readConnect(reader: Reader, protocolVersion: ProtocolVersion): ConnectPacket {
  reader.string()
  const bridge = reader.byte() > 0x7f
  const flags = reader.byte()
  const keepAliveSecs = reader.twoBytes()
  const properties = propertiesOf(reader, protocolVersion)
  const clientId = reader.string()
  const will = (flags & 0x04) === 0 ? undefined : readWill(reader, flags, protocolVersion)
  // A packet of 3.1 may end before a field that its flags have promised.
  const username = (flags & 0x80) === 0 || reader.isAtEnd ? undefined : reader.string()
  const password = (flags & 0x40) === 0 || reader.isAtEnd ? undefined : reader.binary()
  const cleanStart = (flags & 0x02) !== 0
  return {
    type: 'connect',
    protocolVersion,
    bridge,
    cleanStart,
    keepAliveSecs,
    clientId,
    will,
    username,
    password,
    properties,
  }
}

function readWill(reader: Reader, flags: number, version: ProtocolVersion): Will {
  const properties = propertiesOf(reader, version)
  const topicName = reader.string()
  const payload = reader.binary()
  return { topicName, payload, qos: ((flags >> 3) & 3) as Qos, retain: (flags & 0x20) !== 0, properties }
}

function readFilters(reader: Reader, version: ProtocolVersion): SubscribeFilter[] {
  const filters: SubscribeFilter[] = []
  while (!reader.isAtEnd) {
    const topicFilter = reader.string()
    const byte = reader.byte()
    // 3.1 leaves the other bits unused and does not say that they are 0.
    const options = version === 5 ? byte : byte & 3
    filters.push({
      topicFilter,
      qos: (options & 3) as Qos,
      noLocal: (options & 4) !== 0,
      retainAsPublished: (options & 8) !== 0,
      retainHandling: (options >> 4) as 0 | 1 | 2,
    })
  }
  return filters
}

function readReasonCodes(reader: Reader): number[] {
  const reasonCodes: number[] = []
  while (!reader.isAtEnd) reasonCodes.push(reader.byte())
  return reasonCodes
}
