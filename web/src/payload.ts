/** Payloads as people read them: text, JSON over several lines, hexadecimal. */

/** A payload: text where it is UTF-8, bytes otherwise. */
export type Payload = string | Uint8Array

export type PayloadMode = 'text' | 'json' | 'hex'

/** What is shown at most; a browser that lays out megabytes of text stands still. */
const MOST_CHARACTERS = 100_000
const MOST_HEX_BYTES = 4_096
const MOST_PARSED_CHARACTERS = 500_000

/** How a payload is shown, and what of it is not. */
export interface Shown {
  readonly text: string
  readonly note?: string
}

export function sizeOf(payload: Payload): number {
  return typeof payload === 'string' ? byteLength(payload) : payload.length
}

/** Bytes in UTF-8, without making them. */
function byteLength(text: string): number {
  let length = text.length
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code < 0x80) continue
    // Half of a surrogate pair is two of its four bytes.
    length += code < 0x800 || (code >= 0xd800 && code < 0xe000) ? 1 : 2
  }
  return length
}

/** What suits a payload best. */
export function bestMode(payload: Payload): PayloadMode {
  if (typeof payload !== 'string') return 'hex'
  return /^\s*[[{]/.test(payload) && parsed(payload) !== undefined ? 'json' : 'text'
}

export function show(payload: Payload, mode: PayloadMode): Shown {
  if (mode === 'hex') return hex(payload)
  const text = typeof payload === 'string' ? payload : new TextDecoder().decode(payload)
  if (mode === 'text') return cut(text, typeof payload === 'string' ? undefined : 'This is not UTF-8.')
  const value = parsed(text)
  return value === undefined ? cut(text, 'This is not JSON.') : cut(JSON.stringify(value.value, undefined, 2))
}

/** One line for a list. */
export function preview(payload: Payload): string {
  if (typeof payload !== 'string') return `${payload.length} bytes`
  return payload.length > 160 ? `${payload.slice(0, 160)}…` : payload
}

function parsed(text: string): { readonly value: unknown } | undefined {
  if (text.length > MOST_PARSED_CHARACTERS) return undefined
  try {
    return { value: JSON.parse(text) }
  } catch {
    return undefined
  }
}

function cut(text: string, note?: string): Shown {
  const more = text.length - MOST_CHARACTERS
  const notes = [...(note === undefined ? [] : [note]), ...(more > 0 ? [`${more} more characters.`] : [])]
  return { text: text.slice(0, MOST_CHARACTERS), ...(notes.length > 0 && { note: notes.join(' ') }) }
}

function hex(payload: Payload): Shown {
  const bytes = typeof payload === 'string' ? new TextEncoder().encode(payload) : payload
  const lines: string[] = []
  for (let at = 0; at < Math.min(bytes.length, MOST_HEX_BYTES); at += 8) {
    const row = bytes.subarray(at, at + 8)
    const digits = [...row].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const letters = [...row]
      .map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·'))
      .join('')
    lines.push(`${at.toString(16).padStart(4, '0')}  ${digits.padEnd(23)}  ${letters}`)
  }
  const more = bytes.length - MOST_HEX_BYTES
  return { text: lines.join('\n'), ...(more > 0 && { note: `${more} more bytes.` }) }
}
