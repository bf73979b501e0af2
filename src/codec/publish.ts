/** A PUBLISH that was decoded: the one packet that is a view of the bytes it came in. */
import { Buffer } from 'node:buffer'
import { inspect } from 'node:util'
import { NO_PROPERTIES, type PublishProperties, readPublishProperties } from './properties.js'

/**
 * Node's class of Buffers, whose constructor makes a view of memory without the checks of `subarray`: a payload is one
 * for each packet, and the view is most of what the packet costs.
 */
const View = (Buffer as unknown as Uint8ArrayConstructor & { [Symbol.species]: unknown })[
  Symbol.species
] as new (
  memory: ArrayBufferLike,
  byteOffset: number,
  length: number,
) => Buffer

/** A Buffer over a part of some memory; the caller knows that it is there. */
export function viewOf(memory: ArrayBufferLike, start: number, length: number): Buffer {
  return new View(memory, start, length)
}

/**
 * A message on its way. `payload` and `properties` are made when they are first asked for, from the bytes that were
 * decoded: whoever uses those bytes again, or wants one small packet and not the whole chunk in memory, keeps a
 * `copy()`. They are accessors, so `{ ...packet }` leaves them out; `toObject()` has them.
 */
export class PublishPacket {
  readonly type: 'publish'
  /** Empty where a Topic Alias stands for it. */
  readonly topicName: string
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly dup: boolean
  /** With QoS 1 and 2. */
  readonly packetId: number | undefined
  /** Not the chunk: to ask it for its memory takes as long as a view does. */
  readonly #memory: ArrayBufferLike
  /** Where in the memory the length of the properties is; 0 where there are none. */
  readonly #propertiesAt: number
  readonly #payloadAt: number
  readonly #end: number
  #payload: Buffer | undefined
  #properties: PublishProperties | undefined

  /**
   * Packets come from `decode` and `PacketParser`.
   *
   * @internal
   */
  constructor(
    memory: ArrayBufferLike,
    firstByte: number,
    packetId: number,
    topicName: string,
    propertiesAt: number,
    payloadAt: number,
    end: number,
  ) {
    this.type = 'publish'
    this.topicName = topicName
    this.qos = ((firstByte >> 1) & 3) as 0 | 1 | 2
    this.retain = (firstByte & 1) !== 0
    this.dup = (firstByte & 8) !== 0
    this.packetId = packetId === 0 ? undefined : packetId
    this.#memory = memory
    this.#propertiesAt = propertiesAt
    this.#payloadAt = payloadAt
    this.#end = end
    this.#payload = undefined
    this.#properties = undefined
  }

  /** A view of the bytes that were decoded. */
  get payload(): Buffer {
    this.#payload ??= new View(this.#memory, this.#payloadAt, this.#end - this.#payloadAt)
    return this.#payload
  }

  /** Empty before 5.0. Correlation Data is a view as the payload is one. */
  get properties(): PublishProperties {
    this.#properties ??= this.#propertiesAt === 0 ? NO_PROPERTIES : this.#readProperties()
    return this.#properties
  }

  #readProperties(): PublishProperties {
    const length = this.#payloadAt - this.#propertiesAt
    const section = new View(this.#memory, this.#propertiesAt, length)
    return readPublishProperties(section, afterVarint(section), length)
  }

  /** The same packet over a copy of its bytes, which nobody else has. */
  copy(): PublishPacket {
    const start = this.#propertiesAt === 0 ? this.#payloadAt : this.#propertiesAt
    // Properties do not begin at 0, which says that there are none.
    const own = new Uint8Array(1 + this.#end - start)
    own.set(new View(this.#memory, start, this.#end - start), 1)
    const firstByte = 0x30 | (this.dup ? 8 : 0) | (this.qos << 1) | (this.retain ? 1 : 0)
    const propertiesAt = this.#propertiesAt === 0 ? 0 : 1
    const payloadAt = 1 + this.#payloadAt - start
    return new PublishPacket(
      own.buffer,
      firstByte,
      this.packetId ?? 0,
      this.topicName,
      propertiesAt,
      payloadAt,
      own.length,
    )
  }

  /** A plain object with all of it, to be changed and encoded. Its bytes are still those that were decoded. */
  toObject(): PublishObject {
    const { type, topicName, payload, qos, retain, dup, packetId, properties } = this
    return { type, topicName, payload, qos, retain, dup, packetId, properties }
  }

  /** What `JSON.stringify` sees. */
  toJSON(): PublishObject {
    return this.toObject()
  }

  /** What `console.log` shows. */
  [inspect.custom](): PublishObject {
    return this.toObject()
  }
}

/** A PUBLISH as a plain object. */
export type PublishObject = Pick<
  PublishPacket,
  'type' | 'topicName' | 'payload' | 'qos' | 'retain' | 'dup' | 'packetId' | 'properties'
>

/** The place behind the Variable Byte Integer that some bytes begin with. */
function afterVarint(bytes: Buffer): number {
  let at = 0
  while ((bytes[at] ?? 0) > 0x7f) at += 1
  return at + 1
}
