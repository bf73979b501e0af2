/**
 * What strangers send, as text for a terminal: one line, cut to a width, and nothing in it that a terminal would obey.
 * Control characters, escape sequences, characters that turn the direction of writing and other invisible ones are shown
 * as escapes.
 */
import stringWidth from 'string-width'

const ELLIPSIS = '…'
/** More than one base character and the marks that a living language puts on it; a pile of marks covers other lines. */
const MAXIMUM_GRAPHEME_UNITS = 16
/** Cc, Cf, Cs, Co, Cn, and the separators of lines and paragraphs. */
const INVISIBLES = /[\p{C}\p{Zl}\p{Zp}]/gu
/** Cc but for line ends and tabs. */
const CONTROLS = /(?![\n\t])\p{Cc}/gu
/** The first byte of U+0080 to U+009F, among others. */
const C1_LEAD = 0xc2
const NAMED: ReadonlyMap<string, string> = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
])

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })
const UTF8 = { fatal: true, ignoreBOM: true }
const utf8 = new TextDecoder('utf-8', UTF8)

/** Columns that a text takes on a terminal. */
export { stringWidth as widthOf }

/** A text of a peer, all of it, with escapes. */
export function escapeText(text: string): string {
  return text.replace(INVISIBLES, escapeOf)
}

/** The same, of bytes that may have several lines; without anything to escape they come back as they are. */
export function escapeLines(bytes: Buffer): Buffer | string {
  if (!bytes.some((byte) => isControl(byte) || byte === C1_LEAD)) return bytes
  return bytes.toString().replace(CONTROLS, escapeOf)
}

/** A payload: its text with escapes where it is UTF-8, else `0x` and hexadecimal digits. */
export function payloadText(payload: Uint8Array, maximumBytes = payload.length): string {
  const part = payload.subarray(0, maximumBytes)
  const isCut = part.length < payload.length
  const end = isCut ? ELLIPSIS : ''
  try {
    // A character that the cut goes through is left out: a decoder of a stream waits for the rest of it.
    const decoder = isCut ? new TextDecoder('utf-8', UTF8) : utf8
    return escapeText(decoder.decode(part, { stream: isCut })) + end
  } catch {
    return `0x${Buffer.from(part).toString('hex')}${end}`
  }
}

/** Cut to so many columns, with an ellipsis where something is missing, and filled with spaces if `fill`. */
export function cutTo(text: string, columns: number, fill = false): string {
  if (columns <= 0) return ''
  const padded = (kept: string, width: number) => (fill ? kept + ' '.repeat(columns - width) : kept)
  let [whole, width] = ['', 0]
  // The longest beginning that leaves a column for the ellipsis.
  let [shorter, shorterWidth] = ['', 0]
  for (const { segment } of graphemes.segment(text)) {
    const one = segment.length > MAXIMUM_GRAPHEME_UNITS ? '\uFFFD' : segment
    const oneWidth = stringWidth(one)
    if (width + oneWidth > columns) return padded(shorter + ELLIPSIS, shorterWidth + 1)
    whole += one
    width += oneWidth
    if (width < columns) [shorter, shorterWidth] = [whole, width]
  }
  return padded(whole, width)
}

function isControl(byte: number): boolean {
  return (byte < 0x20 && byte !== 0x0a && byte !== 0x09) || byte === 0x7f
}

function escapeOf(character: string): string {
  const named = NAMED.get(character)
  if (named !== undefined) return named
  const code = character.codePointAt(0) ?? 0
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`
  return `\\u{${code.toString(16)}}`
}
