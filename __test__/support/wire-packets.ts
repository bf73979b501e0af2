/** Packets from a broker, taken apart by hand: what a test sees must not depend on the codec that it tests. */

/** Values by the number of their property (2.2.2.2): integers, strings, bytes, or pairs of User Properties. */
export type WireProperties = ReadonlyMap<number, readonly (number | string | Buffer)[]>

/** The properties that tests name. */
export const property = {
  messageExpiryInterval: 0x02,
  subscriptionIdentifier: 0x0b,
  sessionExpiryInterval: 0x11,
  willDelayInterval: 0x18,
  receiveMaximum: 0x21,
  topicAliasMaximum: 0x22,
  topicAlias: 0x23,
  maximumPacketSize: 0x27,
} as const

/** The high four bits of the first byte (2.1.2). */
export const type = {
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  suback: 9,
  unsuback: 11,
  pingresp: 13,
  disconnect: 14,
} as const

/** One packet. Fields that its type does not have are at their zero. */
export interface WirePacket {
  readonly type: number
  readonly qos: number
  readonly dup: boolean
  readonly retain: boolean
  readonly topicName: string
  readonly packetId: number
  readonly properties: WireProperties
  readonly payload: Buffer
  /** Of CONNACK. */
  readonly sessionPresent: boolean
  /** One, or one for each filter of a SUBACK or UNSUBACK. */
  readonly reasonCodes: readonly number[]
}

/** The whole packets at the start of `bytes`, and how many bytes they take. */
export function readPackets(bytes: Buffer, isV5: boolean): { packets: WirePacket[]; length: number } {
  const packets: WirePacket[] = []
  let length = 0
  for (;;) {
    const header = readHeader(bytes.subarray(length))
    if (header === undefined || bytes.length < length + header.length + header.remaining) break
    const start = length + header.length
    packets.push(readPacket(bytes[length] ?? 0, bytes.subarray(start, start + header.remaining), isV5))
    length = start + header.remaining
  }
  return { packets, length }
}

function readHeader(bytes: Buffer): { length: number; remaining: number } | undefined {
  const { value, next } = readVarint(bytes, 1)
  return next > bytes.length || bytes.length < 2 ? undefined : { length: next, remaining: value }
}

function readVarint(bytes: Buffer, at: number): { value: number; next: number } {
  let value = 0
  for (let step = 0; step < 4; step += 1) {
    const byte = bytes[at + step]
    if (byte === undefined) break
    value += (byte & 0x7f) * 128 ** step
    if (byte < 0x80) return { value, next: at + step + 1 }
  }
  return { value, next: bytes.length + 1 }
}

function readPacket(firstByte: number, body: Buffer, isV5: boolean): WirePacket {
  const reader = new Reader(body)
  const is = (...types: number[]) => types.includes(firstByte >> 4)
  const qos = is(type.publish) ? (firstByte >> 1) & 3 : 0
  const sessionPresent = is(type.connack) && reader.byte() === 1
  const topicName = is(type.publish) ? reader.string() : ''
  const hasId = is(type.puback, type.pubrec, type.pubrel, type.pubcomp, type.suback, type.unsuback) || qos > 0
  const packetId = hasId ? reader.word() : 0
  // In these the Reason Code comes first, and both it and the properties may be left out.
  const isBrief = is(type.puback, type.pubrec, type.pubrel, type.pubcomp, type.disconnect)
  const first = (isBrief || is(type.connack)) && reader.left > 0 ? [reader.byte()] : isBrief ? [0] : []
  const hasProperties = isV5 && !is(type.pingresp) && reader.left > 0
  const properties = hasProperties ? reader.properties() : new Map()
  const rest = reader.rest()
  return {
    type: firstByte >> 4,
    qos,
    dup: is(type.publish) && (firstByte & 8) !== 0,
    retain: is(type.publish) && (firstByte & 1) !== 0,
    topicName,
    packetId,
    properties,
    payload: is(type.publish) ? rest : Buffer.alloc(0),
    sessionPresent,
    reasonCodes: is(type.suback, type.unsuback) ? [...rest] : first,
  }
}

class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  byte(): number {
    this.#at += 1
    return this.#bytes.readUInt8(this.#at - 1)
  }

  word(): number {
    this.#at += 2
    return this.#bytes.readUInt16BE(this.#at - 2)
  }

  long(): number {
    this.#at += 4
    return this.#bytes.readUInt32BE(this.#at - 4)
  }

  varint(): number {
    const { value, next } = readVarint(this.#bytes, this.#at)
    this.#at = next
    return value
  }

  bytes(): Buffer {
    const length = this.word()
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  string(): string {
    return this.bytes().toString()
  }

  rest(): Buffer {
    return this.#bytes.subarray(this.#at)
  }

  properties(): WireProperties {
    const end = this.varint() + this.#at
    const found = new Map<number, (number | string | Buffer)[]>()
    while (this.#at < end) {
      const id = this.varint()
      const values = found.get(id) ?? []
      values.push(this.#value(id))
      found.set(id, values)
    }
    return found
  }

  #value(id: number): number | string | Buffer {
    switch (id) {
      case 0x01:
      case 0x17:
      case 0x19:
      case 0x24:
      case 0x25:
      case 0x28:
      case 0x29:
      case 0x2a:
        return this.byte()
      case 0x13:
      case 0x21:
      case 0x22:
      case 0x23:
        return this.word()
      case 0x02:
      case 0x11:
      case 0x18:
      case 0x27:
        return this.long()
      case 0x0b:
        return this.varint()
      case 0x09:
      case 0x16:
        return this.bytes()
      case 0x26:
        return `${this.string()}=${this.string()}`
      default:
        return this.string()
    }
  }
}
