/** Bytes in the notation: to send them, or to compare them with what has come. */
import { type Item, parseItems, type Version, varint } from './notation.js'

/** The values of `$name` in one run of an exchange. */
export type Variables = Map<string, Buffer>

/** What a comparison comes to: so many bytes match; as expected so far; or something else from that byte on. */
export type Outcome = { readonly matched: number } | 'partial' | { readonly differsAt: number }

/** One or several packets. */
export class Pattern {
  readonly #items: readonly Item[]

  /** @throws SyntaxError for text that is not in the notation. */
  constructor(source: string, version: Version) {
    this.#items = parseItems(source, version)
  }

  /** The bytes to send. @throws Error for `~`, `?`, and a `$name` that has no value yet. */
  bytes(variables: Variables = new Map()): Buffer {
    return write(this.#items, variables)
  }

  /** Compares with the start of `bytes`. A `$name` that has no value takes one, if all of it matches. */
  compare(bytes: Buffer, variables: Variables): Outcome {
    const taken = new Map(variables)
    try {
      const matched = compare(this.#items, bytes, 0, taken)
      for (const [name, value] of taken) variables.set(name, value)
      return { matched }
    } catch (difference) {
      if (!(difference instanceof Difference)) throw difference
      return difference.at === undefined ? 'partial' : { differsAt: difference.at }
    }
  }
}

/** The length of the packet that the bytes begin with; undefined where it is not all there. */
export function packetLength(bytes: Buffer): number | undefined {
  try {
    const { value, size } = readVarint(bytes.subarray(1), 1)
    const length = 1 + size + value
    return length <= bytes.length ? length : undefined
  } catch {
    return undefined
  }
}

/** Bytes as a test shows them; of many only the first. */
export function hex(bytes: Buffer): string {
  const shown = bytes
    .subarray(0, 128)
    .toString('hex')
    .replace(/..(?=.)/g, '$& ')
  return bytes.length > 128 ? `${shown} … (${bytes.length} bytes)` : shown
}

/** Where bytes are not what was expected; without a place where they end too early. */
class Difference extends Error {
  readonly at: number | undefined

  constructor(at?: number) {
    super()
    this.at = at
  }
}

function write(items: readonly Item[], variables: Variables): Buffer {
  return Buffer.concat(
    items.map((item) => {
      switch (item.kind) {
        case 'bytes':
          return item.bytes
        case 'variable': {
          const value = variables.get(item.name)
          if (value === undefined) throw new Error(`$${item.name} has no value`)
          return value
        }
        case 'block': {
          const contents = write(item.contents, variables)
          return Buffer.concat([head(item.length, contents.length), contents])
        }
        default:
          throw new Error('~ and ? are nothing to send')
      }
    }),
  )
}

function head(length: 'varint' | 'twoBytes', value: number): Buffer {
  if (length === 'varint') return varint(value)
  if (value > 65_535) throw new Error(`two bytes do not count to ${value}`)
  return Buffer.of(value >> 8, value & 0xff)
}

/** Compares items with the start of `bytes`, which begin at `offset`; answers how many bytes they are. */
function compare(items: readonly Item[], bytes: Buffer, offset: number, variables: Variables): number {
  let at = 0
  for (const item of items) {
    const rest = bytes.subarray(at)
    switch (item.kind) {
      case 'bytes':
        at += literal(item.bytes, rest, offset + at)
        break
      case 'anyByte':
        if (rest.length === 0) throw new Difference()
        at += 1
        break
      case 'rest':
        at += rest.length
        break
      case 'variable': {
        const value = variables.get(item.name)
        if (value === undefined && rest.length < 2) throw new Difference()
        if (value === undefined) variables.set(item.name, Buffer.from(rest.subarray(0, 2)))
        at += value === undefined ? 2 : literal(value, rest, offset + at)
        break
      }
      case 'block': {
        const { value, size } = item.length === 'varint' ? readVarint(rest, offset + at) : readTwoBytes(rest)
        if (rest.length < size + value) throw new Difference()
        compareContents(item.contents, rest.subarray(size, size + value), offset + at + size, variables)
        at += size + value
      }
    }
  }
  return at
}

/** A block that is whole: nothing more can come, and nothing may be left over. */
function compareContents(
  items: readonly Item[],
  contents: Buffer,
  offset: number,
  variables: Variables,
): void {
  try {
    const length = compare(items, contents, offset, variables)
    if (length < contents.length) throw new Difference(offset + length)
  } catch (difference) {
    if (difference instanceof Difference && difference.at === undefined) {
      throw new Difference(offset + contents.length)
    }
    throw difference
  }
}

function literal(expected: Buffer, bytes: Buffer, offset: number): number {
  const length = Math.min(expected.length, bytes.length)
  if (expected.compare(bytes, 0, length, 0, length) !== 0) {
    throw new Difference(offset + expected.findIndex((byte, place) => byte !== bytes[place]))
  }
  if (bytes.length < expected.length) throw new Difference()
  return expected.length
}

/** A form that is not the shortest is a difference. */
function readVarint(bytes: Buffer, offset: number): { value: number; size: number } {
  let value = 0
  for (const [place, byte] of bytes.subarray(0, 4).entries()) {
    value += (byte & 0x7f) * 128 ** place
    if (byte < 0x80) {
      if (varint(value).length !== place + 1) throw new Difference(offset)
      return { value, size: place + 1 }
    }
  }
  throw bytes.length < 4 ? new Difference() : new Difference(offset)
}

function readTwoBytes(bytes: Buffer): { value: number; size: number } {
  if (bytes.length < 2) throw new Difference()
  return { value: bytes.readUInt16BE(0), size: 2 }
}
