/**
 * Whether a sender has published a QoS 2 message again after its PUBREL, which [MQTT-4.3.3-6] forbids: its receiver cannot
 * know it for the same one.
 */
import type { Packet } from '../../../src/index.js'

/** See the head of this file. Identifiers are those of one session. */
export class Releases {
  readonly published = new Set<number>()
  /** By identifier, the message that was sent last with it, and whether it has been released. */
  readonly #last = new Map<number, { readonly number: number; isReleased: boolean }>()

  see(packet: Packet): void {
    if (packet.type === 'pubrel') {
      const last = this.#last.get(packet.packetId)
      if (last !== undefined) last.isReleased = true
      return
    }
    if (packet.type !== 'publish' || packet.qos !== 2 || packet.packetId === undefined) return
    const number = Number(packet.payload)
    const last = this.#last.get(packet.packetId)
    if (last?.number === number && last.isReleased) this.published.add(number)
    else this.#last.set(packet.packetId, { number, isReleased: false })
  }
}
