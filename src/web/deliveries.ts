/**
 * Messages at QoS 1 or 2 that a peer of `/live` has not acknowledged, in the order in which they went to it. They are
 * numbered from 1 in each connection, and `ack` stands for all up to its number. No more than Receive Maximum of them.
 */
import type { PacketHalf } from './packets.js'

interface Delivery {
  readonly packetId: number
  readonly qos: number
}

/** See the head of this file. */
export class Deliveries {
  readonly #packets: PacketHalf
  /** The number of the oldest one that is not acknowledged, minus one. */
  #acknowledged = 0
  #waiting: Delivery[] = []

  constructor(packets: PacketHalf) {
    this.#packets = packets
  }

  /** A message goes to the peer. @returns its number */
  add(packetId: number, qos: number): number {
    this.#waiting.push({ packetId, qos })
    return this.#acknowledged + this.#waiting.length
  }

  /** Tells the core of all up to `number`. False, and nothing told, where there has been no such message. */
  acknowledge(number: number): boolean {
    const count = number - this.#acknowledged
    if (count > this.#waiting.length) return false
    // What is acknowledged already may be again.
    if (count <= 0) return true
    for (const { packetId, qos } of this.#waiting.splice(0, count)) this.#packets.acknowledge(packetId, qos)
    this.#acknowledged = number
    return true
  }

  /** None is waited for any more. */
  clear(): void {
    this.#waiting = []
  }
}
