/** The events of a client, and packets in the words of MQTT.js. */
import type { Packet } from '../codec/packets.js'
import type { PublishPacket } from '../codec/publish.js'
import type { MqttError } from '../errors.js'
import type { ReceivedPublish } from './received.js'
import { type PacketWords, type PublishWords, packetWords, publishWords } from './words.js'

/** A packet, but for PUBLISH. */
export interface PacketInWords {
  readonly cmd: Exclude<Packet['type'], 'publish'>
  readonly messageId?: number
  readonly reasonCode?: number
  readonly properties?: PacketWords
  /** Of SUBACK and UNSUBACK: one Reason Code for each filter. */
  readonly granted?: readonly number[]
  /** Of CONNECT. */
  readonly clientId?: string
  /** Of SUBSCRIBE. */
  readonly subscriptions?: readonly { readonly topic: string; readonly qos: 0 | 1 | 2 }[]
  readonly unsubscriptions?: readonly string[]
}

/** A PUBLISH that was sent. */
export interface PublishInWords {
  readonly cmd: 'publish'
  /** Empty where a topic alias stands for it. */
  readonly topic: string
  readonly payload: Buffer
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly dup: boolean
  /** The Packet Identifier; 0 with QoS 0. */
  readonly messageId: number
  readonly properties: PublishWords
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
  /** A packet has been handed to the transport; it is told of a moment later. */
  packetsend: [packet: PublishInWords | PacketInWords]
  /** A packet has come. Not told: PINGRESP, and the PUBREC and PUBREL in the middle of a QoS 2 message. */
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
  if (packet.type === 'connect') words.clientId = packet.clientId
  if (packet.type === 'subscribe') {
    words.subscriptions = packet.filters.map(({ topicFilter, qos }) => ({ topic: topicFilter, qos }))
  }
  if (packet.type === 'unsubscribe') words.unsubscriptions = packet.topicFilters
  if ('properties' in packet && Object.keys(packet.properties).length > 0) {
    words.properties = packetWords(packet.properties)
  }
  return words as unknown as PacketInWords
}

export function publishInWords(packet: PublishPacket): PublishInWords {
  const { topicName, payload, qos, retain, dup, packetId = 0, properties } = packet
  return {
    cmd: 'publish',
    topic: topicName,
    payload,
    qos,
    retain,
    dup,
    messageId: packetId,
    properties: publishWords(properties),
  }
}
