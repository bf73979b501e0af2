/**
 * What a WebSocket peer is told when MQTT ends its connection: an MQTT Reason Code and its sentence become a close
 * code and reason, which a browser hands to `onclose`.
 *
 * | Reason Code                    | close code                                                      |
 * |--------------------------------|-----------------------------------------------------------------|
 * | none, 0x00                     | 1000, normal closure                                            |
 * | 0x8B Server shutting down      | 1001, going away: clients reconnect                             |
 * | 0x95 Packet too large          | 1009, message too big                                           |
 * | any other                      | 4000 + Reason Code, so 4135 is 0x87, Not authorized             |
 *
 * 1002, 1003 and 1007 stay with the WebSocket layer, whose own errors they are, and 1008 (policy) says less than a
 * Reason Code does. 4000 to 4999 is the range that RFC 6455 leaves to applications.
 */
import type { CloseReason } from './transport.js'

/** A close frame holds at most 125 bytes, two of which are the code. */
const MAXIMUM_REASON_BYTES = 123

const STANDARD_CODES: ReadonlyMap<number, number> = new Map([
  [0x00, 1000],
  [0x8b, 1001],
  [0x95, 1009],
])

/** The code and reason for `WebSocket.close`. */
export function webSocketClose(reason: CloseReason | undefined): { code: number; reason: string } {
  if (reason === undefined) return { code: 1000, reason: '' }
  const code = STANDARD_CODES.get(reason.reasonCode) ?? 4000 + reason.reasonCode
  return { code, reason: cutToBytes(reason.text, MAXIMUM_REASON_BYTES) }
}

/** The longest beginning of `text` that has at most `maximum` bytes as UTF-8 and ends between two characters. */
export function cutToBytes(text: string, maximum: number): string {
  if (text.length * 3 <= maximum) return text
  const bytes = Buffer.from(text)
  if (bytes.length <= maximum) return text
  let end = maximum
  // 10xxxxxx continues a character: step back to the byte that begins one.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1
  return bytes.toString('utf8', 0, end)
}
