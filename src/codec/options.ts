/** The options of the codec. */
import { MqttError } from '../errors.js'
import type { ProtocolVersion } from '../hooks/types.js'
import { LARGEST_PACKET, type Version } from './native-codec.js'

/** How bytes are decoded. */
export interface DecodeOptions {
  /**
   * 3 is 3.1, 4 is 3.1.1, 5 is 5.0. Left out, the first packet has to be a CONNECT, which says it, and so does
   * every CONNECT that comes.
   */
  readonly protocolVersion?: ProtocolVersion | undefined
  /** The largest packet that is accepted, in bytes, fixed header included. Default: as large as MQTT allows. */
  readonly maximumPacketSize?: number | undefined
}

/** How a packet is encoded. */
export interface EncodeOptions {
  /** 3 is 3.1, 4 is 3.1.1, 5 is 5.0. A CONNECT may say its own. */
  readonly protocolVersion: ProtocolVersion
}

/** The version that a caller gave, or 0 for none. */
export function versionOf(protocolVersion: ProtocolVersion | undefined): Version {
  if (protocolVersion === undefined) return 0
  checkVersion(protocolVersion)
  return protocolVersion
}

/** Refuses what is no version. */
export function checkVersion(protocolVersion: number): asserts protocolVersion is ProtocolVersion {
  if (protocolVersion === 5 || protocolVersion === 4 || protocolVersion === 3) return
  throw new MqttError('ERR_MQTT_INVALID_OPTION', 'protocolVersion must be 3, 4 or 5.')
}

/** The limit that a caller gave, or the default. */
export function maximumOf(maximumPacketSize: number | undefined): number {
  if (maximumPacketSize === undefined) return LARGEST_PACKET
  if (Number.isInteger(maximumPacketSize) && maximumPacketSize >= 2) {
    return Math.min(maximumPacketSize, LARGEST_PACKET)
  }
  throw new MqttError('ERR_MQTT_INVALID_OPTION', 'maximumPacketSize must be a whole number from 2 on.')
}
