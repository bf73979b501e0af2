/** Reading the bytes of one packet that the native codec has checked: what it reads is there. */

/** Methods of Buffer that Node has and its types do not declare: without the arguments' checks of `toString`. */
interface Slices {
  latin1Slice(start: number, end: number): string
  utf8Slice(start: number, end: number): string
}

/** Bytes that are known to be UTF-8. */
export function decodeText(bytes: Buffer, start: number, end: number): string {
  return (bytes as unknown as Slices).utf8Slice(start, end)
}

/** Bytes that are known to be ASCII, which takes less. */
export function decodeAscii(bytes: Buffer, start: number, end: number): string {
  return (bytes as unknown as Slices).latin1Slice(start, end)
}

/** A place in a packet, moving forwards. */
export class Reader {
  readonly #bytes: Buffer
  readonly #end: number
  at: number

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes
    this.at = start
    this.#end = end
  }

  get isAtEnd(): boolean {
    return this.at >= this.#end
  }

  byte(): number {
    return this.#bytes.readUInt8(this.#step(1))
  }

  twoBytes(): number {
    return this.#bytes.readUInt16BE(this.#step(2))
  }

  fourBytes(): number {
    return this.#bytes.readUInt32BE(this.#step(4))
  }

  /** A Variable Byte Integer. */
  varint(): number {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte()
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }

  string(): string {
    const length = this.twoBytes()
    const start = this.#step(length)
    return decodeText(this.#bytes, start, start + length)
  }

  /** A copy: the packet may outlive the chunk. */
  binary(): Buffer {
    const length = this.twoBytes()
    const start = this.#step(length)
    return Buffer.from(this.#bytes.subarray(start, start + length))
  }

  #step(length: number): number {
    const start = this.at
    this.at += length
    return start
  }
}
