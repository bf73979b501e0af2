/** The events of a client, and packets in the words of MQTT.js. */
import type { Packet } from '../codec/packets.js'
import type { MqttError } from '../errors.js'
import type { ReceivedPublish } from './received.js'
import { type PacketWords, packetWords } from './words.js'

/** A packet of the server's, but for PUBLISH. */
export interface PacketInWords {
  readonly cmd: Exclude<Packet['type'], 'publish'>
  readonly messageId?: number
  readonly reasonCode?: number
  readonly properties?: PacketWords
  /** Of SUBACK and UNSUBACK: one Reason Code for each filter. */
  readonly granted?: readonly number[]
}

/** CONNACK. */
export interface ConnackWords extends PacketInWords {
  readonly cmd: 'connack'
  readonly sessionPresent: boolean
  /** The same as `reasonCode`. */
  readonly returnCode: number
  readonly reasonCode: number
}

/** What a client emits, as MQTT.js does. */
export interface ClientEvents {
  /** The server has accepted the connection. */
  connect: [packet: ConnackWords]
  /** A message has come. */
  message: [topic: string, payload: Buffer, packet: ReceivedPublish]
  /** Another attempt to connect begins. */
  reconnect: []
  /** A connection, or an attempt at one, is over. */
  close: []
  /** The server has said DISCONNECT. */
  disconnect: [packet: PacketInWords]
  /** There is no connection, and the client begins to wait for one. */
  offline: []
  /** What went wrong. Without a listener nobody hears of it, and nothing is thrown. */
  error: [error: MqttError | Error]
  /** The client has ended. */
  end: []
  /** A packet has come: of messages, and of what is not an acknowledgement of one. */
  packetreceive: [packet: ReceivedPublish | PacketInWords]
  /** Everything that was published has arrived, or left. */
  outgoingEmpty: []
}

export function packetInWords(packet: Packet): PacketInWords {
  const words: Record<string, unknown> = { cmd: packet.type }
  if ('packetId' in packet && packet.packetId !== undefined) words.messageId = packet.packetId
  if ('reasonCode' in packet) words.reasonCode = packet.reasonCode
  if ('reasonCodes' in packet) words.granted = packet.reasonCodes
  if (packet.type === 'connack') {
    words.sessionPresent = packet.sessionPresent
    words.returnCode = packet.reasonCode
  }
  if ('properties' in packet && Object.keys(packet.properties).length > 0) {
    words.properties = packetWords(packet.properties)
  }
  return words as unknown as PacketInWords
}
