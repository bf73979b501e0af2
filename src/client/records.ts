/**
 * The records that a native call has written: what came, one after the other, told to whom it is for. The chunk they point
 * into is copied once, and its messages share the copy. `crates/napi/src/client/record.rs` writes them.
 */
import { Buffer } from 'node:buffer'
import { decode } from '../codec/decode.js'
import type { Packet } from '../codec/packets.js'
import { decodeAscii, decodeText } from '../codec/reader.js'
import type { ProtocolVersion } from '../hooks/types.js'
import { acknowledge, type Commander } from './commands.js'
import type { Closing, EngineListener } from './engine-listener.js'
import * as native from './native-clients.js'
import { type NativeSide, WORDS } from './native-clients.js'
import { HeldPublish, ReceivedPublish } from './received.js'

const NOTHING = Buffer.alloc(0)

const kinds = new Map<number, Closing['kind']>([
  [native.CLOSED_REQUESTED, 'requested'],
  [native.CLOSED_REFUSED, 'refused'],
  [native.CLOSED_BY_SERVER, 'byServer'],
  [native.CLOSED_FAULT, 'fault'],
  [native.CLOSED_CONNACK_TIMEOUT, 'connackTimeout'],
  [native.CLOSED_PINGRESP_TIMEOUT, 'pingrespTimeout'],
  [native.CLOSED_TRANSPORT, 'transport'],
])

/** Whose records they are. */
export interface Reader extends Commander {
  readonly listener: EngineListener
}

/** See the head of this file. One reader serves all clients of the thread: it reads for one at a time. */
export class Records {
  readonly #side: NativeSide
  #version: ProtocolVersion = 5
  #chunk: Uint8Array = NOTHING
  #length = 0
  /** A copy of the chunk, which its messages may keep. */
  #own: Buffer | undefined
  /** A packet that began in an earlier chunk. */
  #carried: Buffer | undefined
  /** The one of the two that was asked for last; its memory beside it, which a Buffer is slow to tell. */
  #bytes: Buffer = NOTHING
  #memory: ArrayBufferLike = NOTHING.buffer
  #base = 0
  hasRare = false
  closing: Closing | undefined

  constructor(side: NativeSide) {
    this.#side = side
  }

  /** The records of this chunk are next. */
  begin(version: ProtocolVersion, chunk: Uint8Array, length: number): void {
    this.#version = version
    this.#chunk = chunk
    this.#length = length
    this.hasRare = false
    this.closing = undefined
  }

  /** Lets go of what was read. */
  finish(): void {
    this.#chunk = NOTHING
    this.#own = undefined
    this.#carried = undefined
    this.#look(NOTHING)
  }

  read(reader: Reader, count: number): void {
    const { records } = this.#side
    for (let at = 0, end = count * WORDS; at < end; at += WORDS) {
      const head = records[at] as number
      try {
        if ((head & 0xff) === native.MESSAGE) this.#message(reader, records, at, head)
        else this.#other(reader, records, at, head)
      } catch (error) {
        // What a handler throws is its own; the other messages come all the same.
        process.nextTick(() => {
          throw error
        })
      }
    }
  }

  #message(reader: Reader, records: Uint32Array, at: number, head: number): void {
    const payloadAt = records[at + 3] as number
    const payloadLength = records[at + 4] as number
    const low = records[at + 5] as number
    const high = records[at + 6] as number
    const bytes = this.#bytesOf(reader, head, payloadAt + payloadLength)
    const topic = this.#topic(bytes, records, at, head)
    const base = this.#base
    const isV5 = this.#version === 5
    const topicEnd = base + (records[at + 7] as number)
    if ((low | high) === 0) {
      reader.listener.message(
        new ReceivedPublish(topic, this.#memory, topicEnd, base + payloadAt, payloadLength, head, isV5),
      )
      return
    }
    const held = new HeldPublish(topic, this.#memory, topicEnd, base + payloadAt, payloadLength, head, isV5)
    held.hold((reasonCode) => acknowledge(reader, low, high, reasonCode))
    reader.listener.message(held)
  }

  /** The string of a topic. Whoever is new in a slot is read now: the next record may find it there. */
  #topic(bytes: Buffer, records: Uint32Array, at: number, head: number): string {
    const { topicNames, recordText } = this.#side
    const slot = head >>> 16
    if ((head & native.TOPIC_IS_NEW) === 0) return topicNames[slot] as string
    const source = (head & native.IN_TEXT) === 0 ? bytes : recordText
    const start = records[at + 1] as number
    const end = start + (records[at + 2] as number)
    const isAscii = (head & native.TOPIC_IS_ASCII) !== 0
    const topic = isAscii ? decodeAscii(source, start, end) : decodeText(source, start, end)
    if (slot !== 0) topicNames[slot] = topic
    return topic
  }

  #other(reader: Reader, records: Uint32Array, at: number, head: number): void {
    const { listener } = reader
    const kind = head & 0xff
    const ticket = (records[at + 3] as number) + (records[at + 4] as number) * 0x1_0000_0000
    const code = records[at + 5] as number
    if (kind === native.PUBLISHED) {
      const [start, length] = [records[at + 1] as number, records[at + 2] as number]
      listener.published(ticket, code, () => this.#packet(reader, head, start, length))
      return
    }
    this.hasRare = true
    const packet = this.#packet(reader, head, records[at + 1] as number, records[at + 2] as number)
    const textAt = records[at + 6] as number
    const textEnd = textAt + (records[at + 7] as number)
    const words = textAt === textEnd ? '' : decodeText(this.#side.recordText, textAt, textEnd)
    switch (kind) {
      case native.CONNECTED:
        if (packet !== undefined) listener.connected(code === 1, packet)
        break
      case native.SUBSCRIBED:
      case native.UNSUBSCRIBED:
        if (packet !== undefined) listener.answered(ticket, packet)
        break
      case native.ABANDONED:
        listener.abandoned(ticket, code, words)
        break
      case native.AUTHENTICATE:
        if (packet !== undefined) listener.authenticate(packet)
        break
      case native.REAUTHENTICATED:
        if (packet !== undefined) listener.reauthenticated(packet)
        break
      case native.PONG:
        break
      default: {
        const closed = kinds.get(kind)
        if (closed !== undefined) this.closing = { kind: closed, reasonCode: code, words, packet }
      }
    }
  }

  #packet(reader: Reader, head: number, start: number, length: number): Packet | undefined {
    if (length === 0) return undefined
    const bytes = this.#bytesOf(reader, head, start + length)
    return decode(bytes.subarray(start, start + length), { protocolVersion: this.#version }).packets[0]
  }

  /** What a record points into, in memory that stays. */
  #bytesOf(reader: Reader, head: number, end: number): Buffer {
    if ((head & native.CARRIED) === 0) {
      this.#own ??= copyOf(this.#chunk, this.#length)
      if (this.#bytes !== this.#own) this.#look(this.#own)
      return this.#own
    }
    if (this.#carried === undefined || this.#carried.length < end) {
      this.#carried = Buffer.allocUnsafe(end)
      this.#side.clients.carried(reader.id, this.#carried)
    }
    this.#look(this.#carried)
    return this.#carried
  }

  #look(bytes: Buffer): void {
    this.#bytes = bytes
    this.#memory = bytes.buffer
    this.#base = bytes.byteOffset
  }
}

function copyOf(chunk: Uint8Array, length: number): Buffer {
  const own = Buffer.allocUnsafe(length)
  own.set(length === chunk.length ? chunk : chunk.subarray(0, length))
  return own
}
