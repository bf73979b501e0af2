/** What the specs of the codec share. */
import { MqttError, type Packet, type ProtocolVersion } from '../../src/index.js'
import { type PacketVector, readPackets } from '../vectors/reader/files.js'
import { type Item, parseItems, type Version, varint } from '../vectors/reader/notation.js'

export const versions: readonly ProtocolVersion[] = [3, 4, 5]

const levels: Readonly<Record<Version, ProtocolVersion>> = { '3.1': 3, '3.1.1': 4, '5.0': 5 }

/** A packet of `__test__/vectors/packets` in one of its versions. */
export interface PacketCase {
  readonly title: string
  readonly vector: PacketVector
  readonly protocolVersion: ProtocolVersion
  readonly bytes: Buffer
}

/** Every vector in each of its versions. */
export function packetCases(): PacketCase[] {
  return readPackets().flatMap((vector) =>
    vector.versions.map((version) => ({
      title: `${vector.file}: ${vector.name} (${version})`,
      vector,
      protocolVersion: levels[version],
      bytes: bytesOf(parseItems(vector.bytes.replaceAll('\n', ' '), version)),
    })),
  )
}

/** Bytes in the notation of the vectors. */
export function wire(text: string, protocolVersion: ProtocolVersion): Buffer {
  const version = (Object.keys(levels) as Version[]).find((name) => levels[name] === protocolVersion)
  return bytesOf(parseItems(text, version ?? '5.0'))
}

function bytesOf(items: readonly Item[]): Buffer {
  return Buffer.concat(
    items.map((item) => {
      if (item.kind === 'bytes') return item.bytes
      if (item.kind !== 'block') throw new Error(`${item.kind} in what is not a pattern`)
      const contents = bytesOf(item.contents)
      const { length } = contents
      const head = item.length === 'varint' ? varint(length) : Buffer.from([length >> 8, length & 0xff])
      return Buffer.concat([head, contents])
    }),
  )
}

/** Packets as plain objects, to be compared. */
export function plain(packets: Iterable<Packet>): object[] {
  return [...packets].map((packet) => (packet.type === 'publish' ? packet.toObject() : packet))
}

/** The error that `action` throws. */
export function errorOf(action: () => unknown): MqttError {
  try {
    action()
  } catch (error) {
    if (error instanceof MqttError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

/** The code of an error with that Reason Code. */
export function codeOf(reasonCode: number): string {
  if (reasonCode === 0x81) return 'ERR_MQTT_MALFORMED_PACKET'
  if (reasonCode === 0x84) return 'ERR_MQTT_UNSUPPORTED_PROTOCOL_VERSION'
  return 'ERR_MQTT_PROTOCOL_ERROR'
}
