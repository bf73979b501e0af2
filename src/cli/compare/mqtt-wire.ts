/**
 * As much of MQTT 5.0 as a load generator needs, written out: it has to be cheaper than what it measures, and to send
 * the same bytes each time. A client for applications is src/client.
 */
import type { Qos } from './ways.js'

/** `packetId` is for QoS 1 and 2. Without properties. */
export function publishPacket(topic: Buffer, payload: Buffer, qos: Qos, packetId: number): Buffer {
  const remaining = 2 + topic.length + (qos > 0 ? 2 : 0) + 1 + payload.length
  const head = variableByteInteger(remaining)
  const packet = Buffer.allocUnsafe(1 + head.length + remaining)
  packet[0] = 0x30 | (qos << 1)
  let at = 1
  for (const byte of head) packet[at++] = byte
  at = packet.writeUInt16BE(topic.length, at)
  at += topic.copy(packet, at)
  if (qos > 0) at = packet.writeUInt16BE(packetId, at)
  packet[at++] = 0
  payload.copy(packet, at)
  return packet
}

/** How CONNECT is to be. */
export interface ConnectOptions {
  readonly clientId: string
  readonly cleanStart: boolean
  readonly sessionExpirySecs: number
  readonly username?: string | undefined
  readonly password?: string | undefined
}

/** Without Keep Alive: its PINGREQ would be counted among the messages. */
export function connectPacket(options: ConnectOptions): Buffer {
  const { clientId, cleanStart, sessionExpirySecs, username, password } = options
  const flags =
    (cleanStart ? 0x02 : 0) | (username === undefined ? 0 : 0x80) | (password === undefined ? 0 : 0x40)
  const expiry = Buffer.alloc(sessionExpirySecs > 0 ? 5 : 0)
  if (sessionExpirySecs > 0) {
    expiry[0] = 0x11
    expiry.writeUInt32BE(sessionExpirySecs, 1)
  }
  const login = [username, password].flatMap((text) => (text === undefined ? [] : [string(text)]))
  const head = Buffer.from([5, flags, 0, 0, expiry.length])
  return packet(0x10, [string('MQTT'), head, expiry, string(clientId), ...login])
}

export function subscribePacket(topic: string, qos: Qos): Buffer {
  return packet(0x82, [Buffer.from([0, 1, 0]), string(topic), Buffer.from([qos])])
}

/** PUBACK, PUBREC, PUBREL (with its fixed flags), PUBCOMP. */
export function acknowledgement(firstByte: number, packetId: number): Buffer {
  return Buffer.from([firstByte, 2, packetId >> 8, packetId & 0xff])
}

export const DISCONNECT: Buffer = Buffer.from([0xe0, 0])
export const PUBACK = 0x40
export const PUBREC = 0x50
export const PUBREL = 0x62
export const PUBCOMP = 0x70

/** A packet that came: its first byte, and what follows the Remaining Length. */
export type OnPacket = (firstByte: number, body: Buffer) => void

/** Cuts what comes into packets. */
export class PacketCutter {
  readonly #onPacket: OnPacket
  #rest: Buffer = Buffer.alloc(0)

  constructor(onPacket: OnPacket) {
    this.#onPacket = onPacket
  }

  take(data: Buffer): void {
    const bytes = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data])
    let at = 0
    for (;;) {
      const end = endOfPacket(bytes, at)
      if (end === undefined || end.end > bytes.length) break
      this.#onPacket(bytes[at] ?? 0, bytes.subarray(end.body, end.end))
      at = end.end
    }
    this.#rest = bytes.subarray(at)
  }
}

/** Of the body of a PUBLISH. */
export interface PublishBody {
  readonly packetId: number
  readonly payload: Buffer
}

export function readPublish(firstByte: number, body: Buffer): PublishBody {
  const hasId = (firstByte & 0x06) !== 0
  let at = 2 + body.readUInt16BE(0)
  const packetId = hasId ? body.readUInt16BE(at) : 0
  if (hasId) at += 2
  const properties = readVariable(body, at)
  return { packetId, payload: body.subarray((properties?.next ?? at) + (properties?.value ?? 0)) }
}

function endOfPacket(bytes: Buffer, at: number): { body: number; end: number } | undefined {
  const remaining = at < bytes.length ? readVariable(bytes, at + 1) : undefined
  return remaining && { body: remaining.next, end: remaining.next + remaining.value }
}

function readVariable(bytes: Buffer, from: number): { value: number; next: number } | undefined {
  let value = 0
  for (let index = 0; index < 4; index++) {
    const byte = bytes[from + index]
    if (byte === undefined) return undefined
    value |= (byte & 0x7f) << (7 * index)
    if (byte < 0x80) return { value, next: from + index + 1 }
  }
  throw new Error('the server sends what is no MQTT')
}

function variableByteInteger(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  do {
    const byte = rest % 128
    rest = Math.floor(rest / 128)
    bytes.push(rest > 0 ? byte | 0x80 : byte)
  } while (rest > 0)
  return bytes
}

function packet(firstByte: number, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([firstByte, ...variableByteInteger(body.length)]), body])
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes])
}
