/**
 * A message as an in-process subscriber gets it. Made from the bytes of the turn; properties are decoded when they
 * are first asked for.
 */

/** The properties of a 5.0 PUBLISH that travel with the message (3.3.2.3). */
export interface MessageProperties {
  /** True: the publisher says that the payload is UTF-8. */
  readonly payloadFormatIndicator?: boolean
  readonly contentType?: string
  readonly responseTopic?: string
  readonly correlationData?: Buffer
  /** In the order they were sent; a name may come more than once. */
  readonly userProperties?: readonly (readonly [string, string])[]
}

/** An Application Message. */
export class Message {
  readonly topicName: string
  /** A view of memory that the messages of one turn share: copy what is kept for long. */
  readonly payload: Buffer
  readonly qos: 0 | 1 | 2
  /** True for a message that was retained before the subscription, and for one published to be retained. */
  readonly retain: boolean
  readonly #forwarded: Buffer
  #properties: MessageProperties | undefined

  constructor(topicName: string, payload: Buffer, qos: 0 | 1 | 2, retain: boolean, forwarded: Buffer) {
    this.topicName = topicName
    this.payload = payload
    this.qos = qos
    this.retain = retain
    this.#forwarded = forwarded
  }

  get properties(): MessageProperties {
    this.#properties ??= decodeProperties(this.#forwarded)
    return this.#properties
  }

  /** The payload as UTF-8 text; bytes that are none become U+FFFD. */
  text(): string {
    return this.payload.toString('utf8')
  }

  /**
   * The payload as JSON.
   *
   * @throws SyntaxError when it is none.
   */
  json(): unknown {
    return JSON.parse(this.text())
  }
}

/** Property identifiers of what is passed on (2.2.2.2). */
const PAYLOAD_FORMAT_INDICATOR = 0x01
const CONTENT_TYPE = 0x03
const RESPONSE_TOPIC = 0x08
const CORRELATION_DATA = 0x09
const USER_PROPERTY = 0x26

/** Reads what the core's codec has checked and written. */
function decodeProperties(bytes: Buffer): MessageProperties {
  const properties: { -readonly [Name in keyof MessageProperties]: MessageProperties[Name] } = {}
  const userProperties: [string, string][] = []
  let at = 0
  const binary = (): Buffer => {
    const end = at + 2 + bytes.readUInt16BE(at)
    const value = bytes.subarray(at + 2, end)
    at = end
    return value
  }
  while (at < bytes.length) {
    const identifier = bytes.readUInt8(at)
    at += 1
    if (identifier === PAYLOAD_FORMAT_INDICATOR) {
      properties.payloadFormatIndicator = bytes.readUInt8(at) === 1
      at += 1
    } else if (identifier === CONTENT_TYPE) properties.contentType = binary().toString()
    else if (identifier === RESPONSE_TOPIC) properties.responseTopic = binary().toString()
    else if (identifier === CORRELATION_DATA) properties.correlationData = binary()
    else if (identifier === USER_PROPERTY) userProperties.push([binary().toString(), binary().toString()])
    else break
  }
  if (userProperties.length > 0) properties.userProperties = userProperties
  return properties
}
