/**
 * Packets to bytes. PUBLISH and the acknowledgements, of which there are many, are written here in the form that the
 * native codec gives them; the rest is written field by field and passes through it.
 */
import type { ProtocolVersion } from '../hooks/types.js'
import { checkPacketId, encodePublish, encodeShortAck } from './encode-publish.js'
import { recode } from './native-codec.js'
import { checkVersion, type EncodeOptions } from './options.js'
import type {
  AckType,
  EncodableConnect,
  EncodablePacket,
  EncodableSubscribe,
  EncodableWill,
} from './packets.js'
import { whole, writeProperties } from './properties.js'
import { invalid, Writer } from './writer.js'

const writer = new Writer()

const ackFirstBytes: Readonly<Record<AckType, number>> = {
  puback: 0x40,
  pubrec: 0x50,
  pubrel: 0x62,
  pubcomp: 0x70,
}

/**
 * The bytes of a packet, as `protocolVersion` has it: what a version cannot say is left out, which before 5.0 is
 * properties and most Reason Codes. The Buffer is the caller's; small ones share their memory, as those of
 * `Buffer.from` do.
 *
 * @throws MqttError ERR_MQTT_INVALID_PACKET for a packet that no receiver could accept, ERR_MQTT_PACKET_TOO_LARGE for
 * one that MQTT cannot say, ERR_MQTT_INVALID_OPTION for a version that does not exist.
 */
export function encode(packet: EncodablePacket, options: EncodeOptions): Buffer {
  const version = options.protocolVersion
  checkVersion(version)
  switch (packet.type) {
    case 'publish':
      return encodePublish(packet, version)
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
      return encodeAck(packet, version)
    default:
      return encodeRare(packet, version)
  }
}

type Ack = Extract<EncodablePacket, { type: AckType }>
type Rare = Exclude<EncodablePacket, { type: AckType | 'publish' }>

function encodeAck(packet: Ack, version: ProtocolVersion): Buffer {
  const { packetId, reasonCode = 0, properties } = packet
  checkPacketId(packetId)
  const firstByte = ackFirstBytes[packet.type]
  if (version !== 5 || (reasonCode === 0 && isEmpty(properties))) {
    return encodeShortAck(firstByte, packetId)
  }
  writer.start()
  writer.twoBytes(packetId)
  writer.byte(whole('reasonCode', reasonCode, 0xff))
  writeProperties(writer, properties)
  return finish(firstByte, version)
}

function isEmpty(properties: object | undefined): boolean {
  for (const _ in properties) return false
  return true
}

/** In the codec's form, and in memory of its own. */
function finish(firstByte: number, version: ProtocolVersion): Buffer {
  return Buffer.from(recode(writer.finish(firstByte), version))
}

function encodeRare(packet: Rare, version: ProtocolVersion): Buffer {
  writer.start()
  switch (packet.type) {
    case 'connect': {
      const own = packet.protocolVersion ?? version
      checkVersion(own)
      writeConnect(packet, own)
      return finish(0x10, own)
    }
    case 'connack':
      writer.byte(flag('sessionPresent', packet.sessionPresent) && version !== 3 ? 1 : 0)
      writer.byte(version === 5 ? reasonCodeOf(packet) : returnCode(reasonCodeOf(packet)))
      writePropertiesIn(version, packet.properties)
      return finish(0x20, version)
    case 'subscribe':
      writeSubscribe(packet, version)
      return finish(0x82, version)
    case 'suback':
      writePacketId(packet.packetId)
      writePropertiesIn(version, packet.properties)
      for (const reasonCode of listOf('reasonCodes', packet.reasonCodes)) {
        const code = whole('a reason code', reasonCode, 0xff)
        // Before 5.0 there is one word for every refusal.
        writer.byte(version === 5 || code < 0x80 ? code : 0x80)
      }
      return finish(0x90, version)
    case 'unsubscribe':
      writePacketId(packet.packetId)
      writePropertiesIn(version, packet.properties)
      for (const topicFilter of listOf('topicFilters', packet.topicFilters)) {
        writer.string('a topic filter', topicFilter)
      }
      return finish(0xa2, version)
    case 'unsuback':
      writePacketId(packet.packetId)
      writePropertiesIn(version, packet.properties)
      if (version === 5) {
        for (const reasonCode of listOf('reasonCodes', packet.reasonCodes ?? [])) {
          writer.byte(whole('a reason code', reasonCode, 0xff))
        }
      }
      return finish(0xb0, version)
    case 'pingreq':
      return Buffer.from([0xc0, 0])
    case 'pingresp':
      return Buffer.from([0xd0, 0])
    case 'disconnect':
      if (version === 5) {
        writer.byte(reasonCodeOf(packet))
        writeProperties(writer, packet.properties)
      }
      return finish(0xe0, version)
    case 'auth':
      if (reasonCodeOf(packet) !== 0 || !isEmpty(packet.properties)) {
        writer.byte(packet.reasonCode)
        writeProperties(writer, packet.properties)
      }
      return finish(0xf0, version)
    default:
      throw invalid(`there is no packet of type ${String((packet as { type: unknown }).type)}`)
  }
}

function writeConnect(packet: EncodableConnect, version: ProtocolVersion): void {
  const { will, username, password } = packet
  writer.string('protocol name', version === 3 ? 'MQIsdp' : 'MQTT')
  writer.byte(version | (flag('bridge', packet.bridge) ? 0x80 : 0))
  writer.byte(
    (flag('cleanStart', packet.cleanStart, true) ? 0x02 : 0) |
      (will === undefined ? 0 : willFlags(will)) |
      (password === undefined ? 0 : 0x40) |
      (username === undefined ? 0 : 0x80),
  )
  writer.twoBytes(whole('keepAliveSecs', packet.keepAliveSecs ?? 0, 0xffff))
  writePropertiesIn(version, packet.properties)
  writer.string('clientId', packet.clientId)
  if (will !== undefined) {
    writePropertiesIn(version, will.properties)
    writer.string('topicName of the will', will.topicName)
    writer.binary('payload of the will', will.payload)
  }
  if (username !== undefined) writer.string('username', username)
  if (password !== undefined) writer.binary('password', password)
}

function willFlags(will: EncodableWill): number {
  return 0x04 | (whole('qos of the will', will.qos ?? 0, 2) << 3) | (flag('retain', will.retain) ? 0x20 : 0)
}

function writeSubscribe(packet: EncodableSubscribe, version: ProtocolVersion): void {
  writePacketId(packet.packetId)
  writePropertiesIn(version, packet.properties)
  for (const filter of listOf('filters', packet.filters)) {
    writer.string('topicFilter', filter.topicFilter)
    const qos = whole('qos', filter.qos ?? 0, 2)
    const more =
      (flag('noLocal', filter.noLocal) ? 0x04 : 0) |
      (flag('retainAsPublished', filter.retainAsPublished) ? 0x08 : 0) |
      (whole('retainHandling', filter.retainHandling ?? 0, 2) << 4)
    writer.byte(version === 5 ? qos | more : qos)
  }
}

function writePacketId(packetId: unknown): void {
  checkPacketId(packetId)
  writer.twoBytes(packetId)
}

function writePropertiesIn(
  version: ProtocolVersion,
  properties: Parameters<typeof writeProperties>[1],
): void {
  if (version === 5) writeProperties(writer, properties)
}

function reasonCodeOf({ reasonCode = 0 }: { readonly reasonCode?: number | undefined }): number {
  return whole('reasonCode', reasonCode, 0xff)
}

/** What a CONNACK before 5.0 says instead of a Reason Code. A refusal stays one. */
function returnCode(reasonCode: number): number {
  switch (reasonCode) {
    case 0x84:
      return 1
    case 0x85:
      return 2
    case 0x86:
      return 4
    case 0x87:
    case 0x8a:
    case 0x8c:
      return 5
    case 0:
      return 0
    default:
      // Whoever means a Return Code must not have accepted by it.
      if (reasonCode < 0x80) throw invalid(`${reasonCode} is no Reason Code of CONNACK`)
      return 3
  }
}

function flag(name: string, value: unknown, fallback = false): boolean {
  if (value === undefined) return fallback
  if (typeof value !== 'boolean') throw invalid(`${name} must be true or false`)
  return value
}

function listOf<Item>(name: string, list: readonly Item[]): readonly Item[] {
  if (!Array.isArray(list)) throw invalid(`${name} must be an array`)
  return list
}
