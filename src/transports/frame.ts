/**
 * Whole frames of a WebSocket server (RFC 6455, section 5.2) in one Buffer: not masked, not fragmented. `ws` writes a
 * header and a payload as two buffers, which costs more than to copy a payload that is not large. `ws` still writes all
 * that is not a message, and reads.
 */

const FIN = 0x80
const TEXT = 0x1
const BINARY = 0x2
const LONGEST_SHORT = 125
const LONGEST_MIDDLE = 0xffff

/** What becomes a message. */
export interface Payload {
  readonly bytes: Uint8Array
  /** It is UTF-8, and the message is one of text. */
  readonly isText: boolean
}

/** The frame of a message. The payload is copied. */
export function frameOf(payload: Uint8Array, isBinary: boolean): Buffer {
  const frame = Buffer.allocUnsafe(headerLengthOf(payload.length) + payload.length)
  writeFrame(frame, 0, payload, isBinary)
  return frame
}

/** The frames of some messages, one after the other. The payloads are copied. */
export function framesOf(payloads: readonly Payload[]): Buffer {
  let length = 0
  for (const { bytes } of payloads) length += headerLengthOf(bytes.length) + bytes.length
  const frames = Buffer.allocUnsafe(length)
  let at = 0
  for (const { bytes, isText } of payloads) at = writeFrame(frames, at, bytes, !isText)
  return frames
}

function headerLengthOf(length: number): number {
  return length <= LONGEST_SHORT ? 2 : length <= LONGEST_MIDDLE ? 4 : 10
}

/** @returns where it ends */
function writeFrame(frames: Buffer, at: number, payload: Uint8Array, isBinary: boolean): number {
  const { length } = payload
  const headerLength = headerLengthOf(length)
  frames[at] = FIN | (isBinary ? BINARY : TEXT)
  if (headerLength === 2) {
    frames[at + 1] = length
  } else if (headerLength === 4) {
    frames[at + 1] = 126
    frames.writeUInt16BE(length, at + 2)
  } else {
    frames[at + 1] = 127
    frames.writeBigUInt64BE(BigInt(length), at + 2)
  }
  frames.set(payload, at + headerLength)
  return at + headerLength + length
}
