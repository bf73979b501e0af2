/**
 * Memory for what is encoded: one piece for many packets, as Node's own pool has it, and larger. A caller that keeps
 * one small packet keeps its piece.
 */
import { Buffer } from 'node:buffer'
import { viewOf } from './publish.js'

const SLAB_BYTES = 65_536
/** What takes more has memory of its own. */
const LARGEST_SHARED = SLAB_BYTES / 8

/**
 * The piece that is being filled, and up to where; its memory beside it, which the piece is slow to tell. One object, so
 * that all are read where they are used.
 */
export const slab = { bytes: Buffer.alloc(0), memory: new ArrayBuffer(0), used: 0 }

/** Makes sure that so many bytes are free behind `slab.used`. */
export function reserve(length: number): void {
  if (slab.used + length <= slab.bytes.length) return
  slab.bytes = Buffer.allocUnsafeSlow(length > LARGEST_SHARED ? length : SLAB_BYTES)
  slab.memory = slab.bytes.buffer as ArrayBuffer
  slab.used = 0
}

/** What was written from `start` up to `end`, which is used from now on. */
export function take(start: number, end: number): Buffer {
  slab.used = end
  // A piece has all of its memory, so that places in the two are the same.
  return viewOf(slab.memory, start, end - start)
}
