/** All the packets of some bytes. For a stream, where packets come in pieces, there is `PacketParser`. */
import { chunkOf, decodeChunk, outcome } from './native-codec.js'
import { type DecodeOptions, maximumOf, versionOf } from './options.js'
import type { Packet } from './packets.js'

/** What some bytes amount to. */
export interface Decoded {
  readonly packets: Packet[]
  /** How many bytes the packets are. What is left is the beginning of a packet. */
  readonly bytesConsumed: number
  /** So many more bytes have to come, at the least, before the next packet is whole; 0 where nothing is left. */
  readonly bytesNeeded: number
}

/**
 * Decodes every whole packet of `bytes`. Too few bytes are no error: they are not consumed.
 *
 * PUBLISH packets are views of `bytes`; the others have what they need.
 *
 * @throws MqttError ERR_MQTT_MALFORMED_PACKET, ERR_MQTT_PROTOCOL_ERROR, ERR_MQTT_UNSUPPORTED_PROTOCOL_VERSION or
 * ERR_MQTT_PACKET_TOO_LARGE with its `reasonCode`, where any packet is wrong.
 */
export function decode(bytes: Uint8Array, options: DecodeOptions = {}): Decoded {
  const packets: Packet[] = []
  const version = versionOf(options.protocolVersion)
  const chunk = chunkOf(bytes)
  decodeChunk(packets, chunk, 0, version, maximumOf(options.maximumPacketSize))
  const { end, needed, error } = outcome
  if (error !== undefined) throw error
  return { packets, bytesConsumed: end, bytesNeeded: end === chunk.length ? 0 : needed }
}
