/** Packets out of a stream, whose chunks end anywhere. */
import type { MqttError } from '../errors.js'
import type { ProtocolVersion } from '../hooks/types.js'
import { chunkOf, decodeChunk, outcome, type Version } from './native-codec.js'
import { type DecodeOptions, maximumOf, versionOf } from './options.js'
import type { Packet } from './packets.js'

/** What is set aside at once for a packet that is not all there. More only as its bytes come, whatever it says. */
const INITIAL_BYTES = 1024

/**
 * One direction of one Network Connection: chunks in, packets out.
 *
 * A PUBLISH is a view of the chunk that it came in, or of memory of its own where it came in pieces. A chunk whose
 * memory is used again may be written over once its packets have been dealt with; `copy()` keeps one for longer. What
 * the parser itself keeps of a chunk it copies.
 */
export class PacketParser {
  readonly #maximumPacketSize: number
  #version: Version
  /** The beginning of a packet. */
  #pending: Buffer = Buffer.alloc(0)
  #pendingLength = 0
  /** How many bytes it lacks, at the least; exact once its fixed header is there. */
  #needed = 0
  #error: MqttError | undefined

  constructor(options: DecodeOptions = {}) {
    this.#version = versionOf(options.protocolVersion)
    this.#maximumPacketSize = maximumOf(options.maximumPacketSize)
  }

  /** The version of the packets; undefined until it is given or a CONNECT has said it. */
  get protocolVersion(): ProtocolVersion | undefined {
    return this.#version === 0 ? undefined : this.#version
  }

  /** How many bytes of a packet that is not whole have come. */
  get pendingBytes(): number {
    return this.#pendingLength
  }

  /**
   * Takes the next chunk and returns the packets that it makes whole, in their order.
   *
   * Where one of them is wrong, the iteration gives those before it and then throws. Nothing can follow it: from then
   * on `push` throws the same.
   *
   * @throws MqttError as `decode` does.
   */
  push(chunk: Uint8Array): Iterable<Packet> {
    if (this.#error !== undefined) throw this.#error
    const packets: Packet[] = []
    const bytes = chunkOf(chunk)
    const start = this.#pendingLength === 0 ? 0 : this.#complete(packets, bytes)
    if (start < bytes.length && this.#error === undefined) {
      this.#decode(packets, bytes, start)
      if (outcome.end < bytes.length && this.#error === undefined) this.#keep(bytes.subarray(outcome.end))
    }
    return this.#error === undefined ? packets : failing(packets, this.#error)
  }

  #decode(packets: Packet[], bytes: Buffer, start: number): void {
    decodeChunk(packets, bytes, start, this.#version, this.#maximumPacketSize)
    this.#version = outcome.version
    this.#needed = outcome.needed
    this.#error = outcome.error
  }

  /** Adds to the pending packet what it lacks, and no more. Returns where in the chunk the next one begins. */
  #complete(packets: Packet[], bytes: Buffer): number {
    let start = 0
    // More than once only while the fixed header is incomplete.
    while (this.#pendingLength > 0 && this.#error === undefined) {
      const end = start + this.#needed
      if (end > bytes.length) {
        this.#needed = end - bytes.length
        this.#keep(bytes.subarray(start))
        return bytes.length
      }
      this.#keep(bytes.subarray(start, end))
      start = end
      this.#decode(packets, this.#pending.subarray(0, this.#pendingLength), 0)
      if (outcome.end > 0) {
        // The packet has the memory now.
        this.#pending = Buffer.alloc(0)
        this.#pendingLength = 0
      }
    }
    return start
  }

  /** Copies bytes behind those that are pending. */
  #keep(bytes: Buffer): void {
    const length = this.#pendingLength + bytes.length
    if (length > this.#pending.length) {
      const whole = length + this.#needed
      const capacity = Math.min(Math.max(length * 2, INITIAL_BYTES), Math.max(whole, length))
      const larger = Buffer.allocUnsafeSlow(capacity)
      larger.set(this.#pending.subarray(0, this.#pendingLength))
      this.#pending = larger
    }
    this.#pending.set(bytes, this.#pendingLength)
    this.#pendingLength = length
  }
}

function* failing(packets: readonly Packet[], error: MqttError): Generator<Packet> {
  yield* packets
  throw error
}
