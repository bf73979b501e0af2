/**
 * The packets that a client sends, for who listens to `packetsend`: read once more from the bytes that leave, since no
 * packet is made for them before. Nobody else pays for it.
 */
import { PacketParser } from '../codec/parser.js'
import type { ProtocolVersion } from '../hooks/types.js'
import { type PacketInWords, type PublishInWords, packetInWords, publishInWords } from './client-events.js'

/** Is told of a packet that has left, when the turn's work is done. It may keep it. */
export type ShowSent = (packet: PacketInWords | PublishInWords) => void

/** See the head of this file. */
export class SentPackets {
  readonly #show: ShowSent
  #parser: PacketParser | undefined

  constructor(show: ShowSent) {
    this.#show = show
  }

  /** What follows begins with a packet of that version. */
  begin(protocolVersion: ProtocolVersion): void {
    this.#parser = new PacketParser({ protocolVersion })
  }

  /** Bytes that were handed to the transport. */
  take(bytes: Uint8Array): void {
    for (const packet of this.#parser?.push(bytes) ?? []) {
      // The memory is written over in the next turn.
      const words = packet.type === 'publish' ? publishInWords(packet.copy()) : packetInWords(packet)
      process.nextTick(this.#show, words)
    }
  }
}
