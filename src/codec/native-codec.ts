/**
 * The native codec of this thread, and from its records to packets. `crates/napi/src/codec/record.rs` says what is in
 * them. One call for a chunk of up to 1,024 packets; the table is read before anything else can run, so one is enough.
 */
import { Buffer } from 'node:buffer'
import { faultCode, MqttError } from '../errors.js'
import type { ProtocolVersion } from '../hooks/types.js'
import { fromNative, nativeDecoder, recodePacket } from '../native.js'
import type { Packet } from './packets.js'
import { PublishPacket, viewOf } from './publish.js'
import { readAck, readRare } from './read.js'
import { decodeAscii, decodeText } from './reader.js'

/** Words of the head. */
const PLACE = 0
const VERSION = 1
const MAXIMUM_PACKET_SIZE = 2
const COUNT = 3
const NEEDED = 4
const REASON_CODE = 5
const HEAD_WORDS = 6
const WORDS = 4
const ROOM = 1024
/** The native codec remembers as many topics; slot 0 is nobody's. */
const TOPIC_SLOTS = 4096

const HEADER_LENGTH_SHIFT = 8
const HAS_PROPERTIES = 1 << 11
const TOPIC_IS_NEW = 1 << 12
const TOPIC_IS_ASCII = 1 << 13

const CONNECT = 1
const PUBLISH = 3
const PUBACK = 4
const PUBCOMP = 7

/** Offsets have 32 bits. */
const LONGEST_CHUNK = 0xffff_ffff
/** The largest packet that MQTT can say: five bytes of header and 268,435,455 more. */
export const LARGEST_PACKET = 268_435_460

/** A version, or 0 where a CONNECT has to say it. */
export type Version = ProtocolVersion | 0

const records = new Uint32Array(HEAD_WORDS + ROOM * WORDS)
const topicNames = new Array<string>(TOPIC_SLOTS + 1).fill('')
let decodeRecords: ReturnType<typeof nativeDecoder> | undefined

/** What became of a chunk beside its packets. One object, overwritten by the next `decodeChunk`. */
export const outcome: { end: number; needed: number; version: Version; error: MqttError | undefined } = {
  end: 0,
  needed: 0,
  version: 0,
  error: undefined,
}

/** Appends the whole packets of a chunk, from `start` on, to `packets`; the rest is in `outcome`. */
export function decodeChunk(
  packets: Packet[],
  chunk: Buffer,
  start: number,
  version: Version,
  maximumPacketSize: number,
): void {
  decodeRecords ??= nativeDecoder(records)
  const memory = memoryOf(chunk)
  const base = chunk.byteOffset
  let at = start
  let spoken = version
  let problem: string | undefined
  let count: number
  records[PLACE] = start
  records[MAXIMUM_PACKET_SIZE] = maximumPacketSize
  do {
    records[VERSION] = spoken
    problem = call(decodeRecords, chunk)
    count = records[COUNT] as number
    for (let record = HEAD_WORDS, last = HEAD_WORDS + count * WORDS; record < last; record += WORDS) {
      const head = records[record] as number
      const end = records[record + 1] as number
      const third = records[record + 2] as number
      const packetType = (head >> 4) & 15
      if (packetType === PUBLISH) {
        const topicAt = at + ((head >> HEADER_LENGTH_SHIFT) & 7) + 2
        const topicEnd = topicAt + (third & 0xffff)
        const packetId = head >>> 16
        const topicName = topicOf(chunk, topicAt, topicEnd, head, third >>> 16)
        const propertiesAt = (head & HAS_PROPERTIES) === 0 ? 0 : base + topicEnd + (packetId === 0 ? 0 : 2)
        const payloadAt = base + at + (records[record + 3] as number)
        packets.push(
          new PublishPacket(memory, head & 0xff, packetId, topicName, propertiesAt, payloadAt, base + end),
        )
      } else {
        // What came before a CONNECT is not read in its version.
        if (packetType === CONNECT) spoken = third as ProtocolVersion
        packets.push(otherOf(packetType, chunk, at, end, head, third, spoken as ProtocolVersion))
      }
      at = end
    }
  } while (count === ROOM)
  outcome.end = at
  outcome.version = spoken
  outcome.needed = records[NEEDED] as number
  outcome.error = problem === undefined ? undefined : errorOf(records[REASON_CODE] as number, problem)
}

function call(decode: NonNullable<typeof decodeRecords>, chunk: Buffer): string | undefined {
  try {
    return decode(chunk)
  } catch (error) {
    throw fromNative(error)
  }
}

/** The string of a topic. Whoever is new in a slot is read now: the next packet may find it there. */
function topicOf(chunk: Buffer, start: number, end: number, head: number, slot: number): string {
  if (slot !== 0 && (head & TOPIC_IS_NEW) === 0) return topicNames[slot] as string
  const isAscii = (head & TOPIC_IS_ASCII) !== 0
  const topicName = isAscii ? decodeAscii(chunk, start, end) : decodeText(chunk, start, end)
  if (slot !== 0) topicNames[slot] = topicName
  return topicName
}

function otherOf(
  packetType: number,
  chunk: Buffer,
  start: number,
  end: number,
  head: number,
  third: number,
  version: ProtocolVersion,
): Packet {
  const packetId = head >>> 16
  const bodyAt = start + ((head >> HEADER_LENGTH_SHIFT) & 7)
  if (packetType < PUBACK || packetType > PUBCOMP) {
    return readRare(packetType, chunk, bodyAt, end, packetId, third, version)
  }
  return readAck(packetType, packetId, third, chunk, (head & HAS_PROPERTIES) === 0 ? -1 : bodyAt, end)
}

function errorOf(reasonCode: number, problem: string): MqttError {
  return new MqttError(faultCode(reasonCode), `The packet cannot be decoded: ${problem}.`, { reasonCode })
}

/**
 * Puts a packet that was written here into the form of the native codec, and returns it: a view of the same memory.
 *
 * @throws MqttError ERR_MQTT_INVALID_PACKET for what a receiver would have to refuse.
 */
export function recode(packet: Buffer, version: ProtocolVersion): Buffer {
  try {
    return packet.subarray(0, recodePacket(packet, packet.length, version))
  } catch (error) {
    throw fromNative(error)
  }
}

/** A caller's bytes as a Buffer. */
export function chunkOf(bytes: Uint8Array): Buffer {
  if (bytes instanceof Buffer) return bytes
  if (bytes instanceof Uint8Array) return viewOf(bytes.buffer, bytes.byteOffset, bytes.length)
  throw new MqttError('ERR_MQTT_INVALID_OPTION', 'Bytes must be a Uint8Array.')
}

/** The memory of a chunk that the native codec is about to read. */
function memoryOf(chunk: Buffer): ArrayBuffer {
  const memory = chunk.buffer
  // What another thread may write while it is read cannot be checked.
  if (!(memory instanceof ArrayBuffer)) {
    throw new MqttError('ERR_MQTT_INVALID_OPTION', 'Bytes must not be in memory that threads share.')
  }
  if (chunk.length > LONGEST_CHUNK) {
    throw new MqttError('ERR_MQTT_INVALID_OPTION', `Bytes must be ${LONGEST_CHUNK} at most in one piece.`)
  }
  return memory
}
