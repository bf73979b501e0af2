/**
 * A whole frame of a WebSocket server (RFC 6455, section 5.2) in one Buffer: not masked, not fragmented. `ws` writes a
 * header and a payload as two buffers, which costs more than to copy a payload that is not large. `ws` still writes all
 * that is not a message, and reads.
 */

const FIN = 0x80
const TEXT = 0x1
const BINARY = 0x2
const LONGEST_SHORT = 125
const LONGEST_MIDDLE = 0xffff

/** The frame of a message. The payload is copied. */
export function frameOf(payload: Uint8Array, isBinary: boolean): Buffer {
  const { length } = payload
  const headerLength = length <= LONGEST_SHORT ? 2 : length <= LONGEST_MIDDLE ? 4 : 10
  const frame = Buffer.allocUnsafe(headerLength + length)
  frame[0] = FIN | (isBinary ? BINARY : TEXT)
  if (headerLength === 2) {
    frame[1] = length
  } else if (headerLength === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
  frame.set(payload, headerLength)
  return frame
}
