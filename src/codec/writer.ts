/**
 * Writing the packets that are rare: into memory that is used again, and then through the native codec, which puts
 * them into their one form and refuses what a receiver would have to refuse.
 */
import { MqttError } from '../errors.js'

const INITIAL_BYTES = 4096
/** What is kept of the memory once a packet needed more. */
const KEPT_BYTES = 65_536
/** The most that a Remaining Length can say. */
export const LARGEST_REMAINING_LENGTH = 268_435_455
const LONGEST_FIELD = 65_535
/** A first byte, and a Remaining Length of four. */
const HEADER_BYTES = 5

/** What `encode` throws about a packet that no receiver could accept. */
export function invalid(problem: string): MqttError {
  return new MqttError('ERR_MQTT_INVALID_PACKET', `The packet cannot be encoded: ${problem}.`)
}

/** What `encode` throws about a packet that no Remaining Length can say. */
export function tooLarge(): MqttError {
  return new MqttError(
    'ERR_MQTT_PACKET_TOO_LARGE',
    `The packet cannot be encoded: more than ${LARGEST_REMAINING_LENGTH} bytes follow its fixed header.`,
  )
}

/** Refuses what would become another text on its way: a lone surrogate, and U+0000 [MQTT-1.5.4-1], [MQTT-1.5.4-2]. */
export function checkText(name: string, text: string): void {
  if (text.includes('\0')) throw invalid(`${name} contains U+0000`)
  if (!isWellFormed(text)) throw invalid(`${name} contains a lone surrogate`)
}

/** `String.prototype.isWellFormed`, which Node 20 has and the library of ES2023 does not declare. */
export function isWellFormed(text: string): boolean {
  return (text as string & { isWellFormed(): boolean }).isWellFormed()
}

/** One packet at a time: `start`, the fields, `finish`. */
export class Writer {
  #bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  #at = HEADER_BYTES

  start(): void {
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES)
    this.#at = HEADER_BYTES
  }

  /** The whole packet: the fixed header goes right before the fields. A view, until the next `start`. */
  finish(firstByte: number): Buffer {
    const remainingLength = this.#at - HEADER_BYTES
    if (remainingLength > LARGEST_REMAINING_LENGTH) throw tooLarge()
    const start = HEADER_BYTES - 1 - varintLength(remainingLength)
    this.#bytes[start] = firstByte
    putVarint(this.#bytes, start + 1, remainingLength)
    return this.#bytes.subarray(start, this.#at)
  }

  byte(value: number): void {
    this.#room(1)
    this.#bytes[this.#at] = value
    this.#at += 1
  }

  twoBytes(value: number): void {
    this.#room(2)
    this.#at = this.#bytes.writeUInt16BE(value, this.#at)
  }

  fourBytes(value: number): void {
    this.#room(4)
    this.#at = this.#bytes.writeUInt32BE(value, this.#at)
  }

  /** A Variable Byte Integer. */
  varint(value: number): void {
    this.#room(4)
    this.#at = putVarint(this.#bytes, this.#at, value)
  }

  /** A UTF-8 Encoded String. */
  string(name: string, text: unknown): void {
    if (typeof text !== 'string') throw invalid(`${name} must be a string`)
    checkText(name, text)
    this.#field(name, Buffer.byteLength(text), (place) => place.write(text))
  }

  /** Binary Data, or text that becomes some. */
  binary(name: string, value: unknown): void {
    if (typeof value === 'string') this.binary(name, Buffer.from(value))
    else if (value instanceof Uint8Array) this.#field(name, value.length, (place) => place.set(value))
    else throw invalid(`${name} must be a Uint8Array`)
  }

  /** What `write` writes, with its length before it as a Variable Byte Integer. */
  counted(write: () => void): void {
    const start = this.#at
    write()
    const length = this.#at - start
    if (length > LARGEST_REMAINING_LENGTH) throw tooLarge()
    this.#room(4)
    this.#bytes.copyWithin(start + varintLength(length), start, this.#at)
    this.#at = putVarint(this.#bytes, start, length) + length
  }

  #field(name: string, length: number, write: (place: Buffer) => void): void {
    if (length > LONGEST_FIELD) throw invalid(`${name} has ${length} bytes, where ${LONGEST_FIELD} fit`)
    this.twoBytes(length)
    this.#room(length)
    write(this.#bytes.subarray(this.#at, this.#at + length))
    this.#at += length
  }

  #room(length: number): void {
    const needed = this.#at + length
    if (needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(needed * 2)
    larger.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = larger
  }
}

/** How many bytes a Variable Byte Integer takes. */
export function varintLength(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  return value < 0x20_0000 ? 3 : 4
}

/** Writes a Variable Byte Integer and returns the place behind it. */
export function putVarint(bytes: Buffer, start: number, value: number): number {
  let at = start
  let rest = value
  while (rest > 0x7f) {
    bytes[at] = (rest & 0x7f) | 0x80
    at += 1
    rest >>>= 7
  }
  bytes[at] = rest
  return at + 1
}
