/**
 * The MQTT half of whoever comes by the web: it speaks MQTT 5.0 with the core on behalf of a peer that does not. So
 * sessions, hooks, limits, queues and all else are the core's, as for any client.
 *
 * What is said in one turn goes to the core at its end, in one call; hence never from within a call of the core's.
 */
import { encode } from '../codec/encode.js'
import type {
  ConnackPacket,
  DisconnectPacket,
  EncodableConnect,
  EncodablePacket,
  EncodablePublish,
  SubscribeFilter,
} from '../codec/packets.js'
import { PacketParser } from '../codec/parser.js'
import type { PublishPacket } from '../codec/publish.js'
import type { TransportSink } from '../transports/transport.js'

/** Whom the core's packets are for. */
export interface PacketListener {
  onConnack(packet: ConnackPacket): void
  /** A message, a view of memory that is used again. With a Packet Identifier it waits for `acknowledge`. */
  onMessage(packet: PublishPacket): void
  /** The core ends the connection, and says why. */
  onDisconnect(packet: DisconnectPacket): void
}

/** The core's answer to a packet with an identifier: a Reason Code, and a sentence where it has one. */
export type Answered = (reasonCode: number, reasonString: string | undefined) => void

const VERSION = { protocolVersion: 5 } as const
const PUBACK_FAILS_FROM = 0x80

/** See the head of this file. */
export class PacketHalf {
  readonly #listener: PacketListener
  readonly #parser = new PacketParser(VERSION)
  #sink: TransportSink | undefined
  /** What is to be said at the end of the turn. */
  #out: Buffer[] = []
  #lastPacketId = 0
  /** By Packet Identifier: who waits for an answer. */
  readonly #pending = new Map<number, Answered>()
  /** Who waits for PINGRESP, in their order; undefined is a ping of our own. */
  readonly #pings: ((() => void) | undefined)[] = []

  constructor(listener: PacketListener) {
    this.#listener = listener
  }

  open(sink: TransportSink): void {
    this.#sink = sink
  }

  /** Nothing is said to the core any more, and nobody waits. */
  close(): void {
    this.#sink = undefined
    this.#out = []
    this.#pending.clear()
    this.#pings.length = 0
  }

  /** Packets that have no answer yet. */
  get pendingCount(): number {
    return this.#pending.size
  }

  /** What has come so far ends with a packet. */
  get isBetweenPackets(): boolean {
    return this.#parser.pendingBytes === 0
  }

  /** Deals with what the core writes. @returns whether that were whole messages at QoS 0 and nothing else */
  take(bytes: Uint8Array): boolean {
    let areMessages = true
    for (const packet of this.#parser.push(bytes)) {
      areMessages &&= packet.type === 'publish' && packet.packetId === undefined
      switch (packet.type) {
        case 'publish':
          this.#listener.onMessage(packet)
          break
        case 'puback':
          this.#settle(packet.packetId, packet.reasonCode, packet.properties.reasonString)
          break
        case 'suback':
        case 'unsuback':
          this.#settle(packet.packetId, packet.reasonCodes[0] ?? 0, packet.properties.reasonString)
          break
        case 'pubrel':
          // A message at QoS 2, for a subscription that another client of this session has made.
          this.#say({ type: 'pubcomp', packetId: packet.packetId })
          break
        case 'connack':
          this.#listener.onConnack(packet)
          break
        case 'disconnect':
          this.#listener.onDisconnect(packet)
          break
        case 'pingresp':
          this.#pings.shift()?.()
          break
        default:
      }
    }
    return areMessages && this.isBetweenPackets
  }

  connect(packet: Omit<EncodableConnect, 'type'>): void {
    this.#say({ type: 'connect', ...packet })
  }

  /** @throws MqttError what `encode` does, and then nothing is said. */
  publish(packet: Omit<EncodablePublish, 'type' | 'packetId'>, answered?: Answered): void {
    if (answered === undefined) this.#say({ type: 'publish', ...packet })
    else this.#ask((packetId) => ({ type: 'publish', ...packet, packetId }), answered)
  }

  /** @throws MqttError what `encode` does for a filter that is none. */
  subscribe(
    filter: Partial<SubscribeFilter> & { topicFilter: string },
    subscriptionId: number | undefined,
    answered: Answered,
  ): void {
    const properties = { subscriptionId }
    this.#ask((packetId) => ({ type: 'subscribe', packetId, filters: [filter], properties }), answered)
  }

  /** @throws MqttError what `encode` does for a filter that is none. */
  unsubscribe(topicFilter: string, answered: Answered): void {
    this.#ask((packetId) => ({ type: 'unsubscribe', packetId, topicFilters: [topicFilter] }), answered)
  }

  /** A message has been dealt with. */
  acknowledge(packetId: number, qos: number): void {
    this.#say({ type: qos === 2 ? 'pubrec' : 'puback', packetId })
  }

  ping(answered?: () => void): void {
    this.#pings.push(answered)
    this.#say({ type: 'pingreq' })
  }

  disconnect(sessionExpiryIntervalSecs?: number): void {
    this.#say({ type: 'disconnect', properties: { sessionExpiryIntervalSecs } })
  }

  #ask(packetOf: (packetId: number) => EncodablePacket, answered: Answered): void {
    let packetId = this.#lastPacketId
    do packetId = packetId === 65_535 ? 1 : packetId + 1
    while (this.#pending.has(packetId))
    this.#say(packetOf(packetId))
    this.#lastPacketId = packetId
    this.#pending.set(packetId, answered)
  }

  #settle(packetId: number, reasonCode: number, reasonString: string | undefined): void {
    const answered = this.#pending.get(packetId)
    this.#pending.delete(packetId)
    answered?.(reasonCode, reasonString)
  }

  #say(packet: EncodablePacket): void {
    const bytes = encode(packet, VERSION)
    if (this.#out.length === 0) queueMicrotask(this.#flush)
    this.#out.push(bytes)
  }

  readonly #flush = (): void => {
    const out = this.#out
    this.#out = []
    const [first] = out
    if (first !== undefined) this.#sink?.receive(out.length === 1 ? first : Buffer.concat(out))
  }
}

/** Whether a Reason Code is a refusal. */
export function isRefusal(reasonCode: number): boolean {
  return reasonCode >= PUBACK_FAILS_FROM
}
