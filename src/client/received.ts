/** A message as it came, in the shape that MQTT.js gives it. What is rarely asked for is read when it is. */
import { readPublishProperties } from '../codec/properties.js'
import { viewOf } from '../codec/publish.js'
import { type PublishWords, publishWords } from './words.js'

/** A PUBLISH that has come. */
export class ReceivedPublish {
  readonly cmd: 'publish'
  readonly topic: string
  /** The caller's to keep. Messages that came together may share their memory. */
  readonly payload: Buffer
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly dup: boolean
  /** The memory that all of it is in, and where in it the Topic Name ends. */
  readonly #memory: ArrayBufferLike
  readonly #topicEnd: number
  readonly #hasProperties: boolean
  #properties: PublishWords | undefined

  /** @internal */
  constructor(
    topic: string,
    memory: ArrayBufferLike,
    topicEnd: number,
    payloadAt: number,
    payloadLength: number,
    flags: number,
    isV5: boolean,
  ) {
    this.cmd = 'publish'
    this.topic = topic
    this.payload = viewOf(memory, payloadAt, payloadLength)
    this.qos = ((flags >> 8) & 3) as 0 | 1 | 2
    this.retain = (flags & (1 << 11)) !== 0
    this.dup = (flags & (1 << 10)) !== 0
    this.#memory = memory
    this.#topicEnd = topicEnd
    this.#hasProperties = isV5
    this.#properties = undefined
  }

  /** The Packet Identifier; 0 with QoS 0. */
  get messageId(): number {
    if (this.qos === 0) return 0
    return viewOf(this.#memory, this.#topicEnd, 2).readUInt16BE(0)
  }

  /** The properties of 5.0; undefined where there are none. */
  get properties(): PublishWords | undefined {
    if (!this.#hasProperties) return undefined
    this.#properties ??= this.#read()
    return this.#properties
  }

  #read(): PublishWords | undefined {
    const start = this.#topicEnd + (this.qos === 0 ? 0 : 2)
    const end = this.payload.byteOffset
    const section = viewOf(this.#memory, start, end - start)
    let at = 0
    while ((section[at] ?? 0) > 0x7f) at += 1
    at += 1
    if (at >= section.length) return undefined
    return publishWords(readPublishProperties(section, at, section.length))
  }

  /**
   * Takes the message, or with a Reason Code of 0x80 and above refuses it, which is 5.0 only. With `manualAcknowledge`
   * the server keeps a QoS 1 or 2 message until then; otherwise there is nothing to do. False where it was too late, or
   * had been done.
   */
  acknowledge(_reasonCode = 0): boolean {
    return false
  }
}

/** A message that waits for its acknowledgement. */
export class HeldPublish extends ReceivedPublish {
  #answer: ((reasonCode: number) => void) | undefined

  /** Who is told of the answer. @internal */
  hold(answer: (reasonCode: number) => void): void {
    this.#answer = answer
  }

  override acknowledge(reasonCode = 0): boolean {
    const answer = this.#answer
    this.#answer = undefined
    answer?.(reasonCode)
    return answer !== undefined
  }
}

/**
 * One of each kind, for ever. What V8 has compiled for a class it throws away when it collects garbage while there is no
 * object of that class, and a client that keeps no message would run slow code after each collection.
 *
 * @internal
 */
export const LASTING: readonly ReceivedPublish[] = [ReceivedPublish, HeldPublish].map(
  (Kind) => new Kind('', new ArrayBuffer(0), 0, 0, 0, 0, false),
)
