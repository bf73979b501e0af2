/** Payloads that carry the time at which they were due, from `bench pub` to `bench sub`. */

/** Tells our payloads from those of others. */
const MAGIC = Buffer.from('twbench1')
/** The magic and a time. */
export const STAMP_BYTES = 16

/** A payload of so many bytes; with a time in it where it is long enough. */
export function stampedPayload(sizeBytes: number): Buffer {
  const payload = Buffer.alloc(sizeBytes, 'x')
  if (sizeBytes >= STAMP_BYTES) MAGIC.copy(payload)
  return payload
}

/** A copy with the time of day, in milliseconds with fractions. */
export function stamp(payload: Buffer, epochMs: number): Buffer {
  const stamped = Buffer.from(payload)
  if (stamped.length >= STAMP_BYTES) stamped.writeDoubleBE(epochMs, MAGIC.length)
  return stamped
}

/** The time in a payload of `bench pub`, or undefined. */
export function readStamp(payload: Uint8Array): number | undefined {
  if (payload.length < STAMP_BYTES) return undefined
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, STAMP_BYTES)
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined
  const epochMs = bytes.readDoubleBE(MAGIC.length)
  return Number.isFinite(epochMs) ? epochMs : undefined
}

/** The time of day with fractions of a millisecond. */
export function epochOf(monotonicMs: number): number {
  return performance.timeOrigin + monotonicMs
}
