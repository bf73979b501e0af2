/**
 * Two Duplex ends without a socket between them: a client and a broker in one process, for unit tests and embedding.
 * What is written at one end is read at the other, in the same order and at the earliest one tick later, so neither
 * side is ever called from within its own write. Back-pressure works as over a socket. Chunks are not copied: as with
 * most Node streams, what has been written is not to be changed any more.
 */
import { Duplex } from 'node:stream'

/** What each direction holds before `write` returns false, in bytes. */
const HIGH_WATER_MARK = 65_536

/** Makes a connected pair. Destroying one end closes the other, as a lost connection would. */
export function createMemoryPair(): [Duplex, Duplex] {
  const first = new MemoryEnd()
  const second = new MemoryEnd()
  first.join(second)
  second.join(first)
  return [first, second]
}

class MemoryEnd extends Duplex {
  #peer: MemoryEnd | undefined
  /** The callback of a write that the peer has not made room for yet. */
  #waiting: (() => void) | undefined

  constructor() {
    super({ highWaterMark: HIGH_WATER_MARK, allowHalfOpen: true })
  }

  join(peer: MemoryEnd): void {
    this.#peer = peer
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: () => void): void {
    process.nextTick(() => {
      const peer = this.#peer
      if (peer === undefined || peer.destroyed || peer.push(chunk)) callback()
      else this.#waiting = callback
    })
  }

  override _read(): void {
    this.#peer?.handOver()
  }

  override _final(callback: () => void): void {
    process.nextTick(() => {
      this.#peer?.push(null)
      callback()
    })
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    const peer = this.#peer
    this.#peer = undefined
    process.nextTick(() => {
      if (peer !== undefined && !peer.destroyed) peer.#lost()
      callback(error)
    })
  }

  handOver(): void {
    const callback = this.#waiting
    this.#waiting = undefined
    callback?.()
  }

  /** The other end is gone. What it had sent may still be read. */
  #lost(): void {
    this.#peer = undefined
    this.handOver()
    if (!this.readableEnded) this.push(null)
    if (!this.writableEnded) this.end()
  }
}
