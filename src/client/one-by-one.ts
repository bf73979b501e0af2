/**
 * Connections on which the server has to prove itself: while it is to, their packets are handed on one by one, whatever
 * chunks they come in. So nothing that follows a CONNACK, or the AUTH that ends a new authentication, is looked at before
 * the method has said that the server is the right one (steps.ts). Otherwise it could settle messages that are under way, in
 * the same chunk as the proof that it does not have.
 */
import type { ClientTransport } from './transport.js'

/** Of a Remaining Length. Longer ones are malformed, which is not for here to say. */
const LONGEST_LENGTH_BYTES = 4

/**
 * Puts itself before `transport.onChunk`. Where packets end it knows from the first byte on, as a proof may be asked for at
 * any time. Nothing is handed on once it `isOver`.
 */
export function oneByOne(transport: ClientTransport, mustProve: () => boolean, isOver: () => boolean): void {
  const handOn = transport.onChunk
  const packets = new PacketEnds()
  transport.onChunk = (chunk, length) => {
    let from = 0
    while (from < length && mustProve() && !isOver()) {
      const end = packets.end(chunk, from, length)
      handOn(chunk.subarray(from, end), end - from)
      from = end
    }
    if (isOver() || from === length) return
    for (let at = from; at < length; ) at = packets.end(chunk, at, length)
    if (from === 0) handOn(chunk, length)
    else handOn(chunk.subarray(from, length), length - from)
  }
}

/** Where packets end, in a stream of chunks. */
class PacketEnds {
  /** What is to come of the packet at hand; 0 while its length is being read. */
  #missing = 0
  /** How much of its fixed header has been read. */
  #headBytes = 0
  #remainingLength = 0

  /** Where the packet that `from` is in ends, or the chunk. */
  end(chunk: Uint8Array, from: number, length: number): number {
    let at = from
    while (this.#missing === 0 && at < length) {
      const byte = chunk[at] as number
      at += 1
      this.#headBytes += 1
      if (this.#headBytes === 1) continue
      this.#remainingLength += (byte & 0x7f) * 128 ** (this.#headBytes - 2)
      if (byte < 0x80 || this.#headBytes > LONGEST_LENGTH_BYTES) {
        this.#missing = this.#remainingLength
        this.#headBytes = 0
        this.#remainingLength = 0
        if (this.#missing === 0) return at
      }
    }
    const taken = Math.min(this.#missing, length - at)
    this.#missing -= taken
    return at + taken
  }
}
