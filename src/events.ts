/**
 * The core's events, read from their bytes. One stream holds what happened in a turn; nothing is decoded that nobody
 * looks at. The order of the fields is that of `crates/napi/src/events.rs`.
 */

/** Kinds of events; the numbers are those of the core. */
export const EventKind = {
  connected: 1,
  refused: 2,
  disconnected: 3,
  protocolError: 4,
  subscribed: 5,
  unsubscribed: 6,
  message: 7,
  dropped: 8,
  askAuthenticate: 9,
  askPublish: 10,
  askSubscribe: 11,
  askEnhancedAuthentication: 12,
  reAuthenticated: 13,
} as const

/** In place of a length: the text is the one that was read last as a repeated one. */
const AS_BEFORE = 0xffff_ffff

/** Bytes that have been passed over. */
export interface Span {
  readonly memory: Buffer
  readonly from: number
  readonly to: number
}

/** Reads fields from the front. Every event must be read to its end, or `skip`ped field by field. */
export class EventReader {
  readonly #bytes: Buffer
  #at = 0
  #repeated = ''

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  byte(): number {
    const value = this.#bytes.readUInt8(this.#at)
    this.#at += 1
    return value
  }

  short(): number {
    const value = this.#bytes.readUInt16LE(this.#at)
    this.#at += 2
    return value
  }

  word(): number {
    const value = this.#bytes.readUInt32LE(this.#at)
    this.#at += 4
    return value
  }

  /** A view of the turn's memory: whoever keeps it keeps all of that. */
  bytes(): Buffer {
    const length = this.word()
    const view = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return view
  }

  /** Passes over what `bytes` or `string` would read. */
  skip(): void {
    const length = this.word()
    this.#at += length
  }

  /** Where bytes lie that `bytes` would read, for whoever may want them later. */
  span(): Span {
    const length = this.word()
    const from = this.#at
    this.#at += length
    return { memory: this.#bytes, from, to: this.#at }
  }

  /** A string that is often the same as the one before: it is made once. */
  repeatedString(): string {
    const length = this.word()
    if (length !== AS_BEFORE) this.#repeated = this.#string(length)
    return this.#repeated
  }

  string(): string {
    return this.#string(this.word())
  }

  #string(length: number): string {
    const value = this.#bytes.toString('utf8', this.#at, this.#at + length)
    this.#at += length
    return value
  }
}
