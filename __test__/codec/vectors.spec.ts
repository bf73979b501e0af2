/**
 * The packets of `__test__/vectors/packets` through `decode`, `encode` and `PacketParser`: what is valid comes back as
 * the same bytes, and as those of the native encoder; what is not has its error, however the stream is cut.
 */
import { isDeepStrictEqual } from 'node:util'
import { describe, expect, it } from 'vitest'
import { decode, encode, type Packet, PacketParser } from '../../src/index.js'
import { recodePacket } from '../../src/native.js'
import { codeOf, errorOf, type PacketCase, packetCases, plain } from './support.js'

const cases = packetCases()
const valid = cases.filter(({ vector }) => vector.reason_code === undefined)
const wrong = cases.filter(({ vector }) => vector.reason_code !== undefined)

/** Each of a short packet, a few of a long one. */
function cuts(length: number): number[] {
  const step = length < 200 ? 1 : Math.ceil(length / 20)
  const first = Array.from({ length: Math.min(length, 12) }, (_, at) => at)
  const rest = Array.from({ length: Math.ceil(length / step) }, (_, at) => at * step)
  return [...new Set([...first, ...rest, Math.max(0, length - 1)])].filter((cut) => cut < length)
}

describe('a packet that is valid', () => {
  it('is there in every kind', () => {
    const kinds = new Set(valid.map(({ bytes }) => (bytes[0] ?? 0) >> 4))
    expect(kinds.size).toBe(15)
  })

  it.each(valid)('$title', ({ vector, protocolVersion, bytes }) => {
    const { packets, bytesConsumed, bytesNeeded } = decode(bytes, { protocolVersion })
    expect({ count: packets.length, bytesConsumed, bytesNeeded }).toEqual({
      count: 1,
      bytesConsumed: bytes.length,
      bytesNeeded: 0,
    })
    const [packet] = packets as [Packet]

    const encoded = encode(packet, { protocolVersion })
    expect(encoded.equals(nativeForm(bytes, protocolVersion))).toBe(true)
    expect(encoded.equals(bytes)).toBe(vector.canonical ?? true)
    const again = decode(encoded, { protocolVersion })
    expect(isDeepStrictEqual(plain(again.packets), plain(packets))).toBe(true)

    for (const cut of cuts(bytes.length)) {
      const part = decode(bytes.subarray(0, cut), { protocolVersion })
      expect(part.packets, `cut after ${cut}`).toEqual([])
      expect(part.bytesConsumed).toBe(0)
      expect(part.bytesNeeded > 0, `cut after ${cut}`).toBe(cut > 0)
      expect(part.bytesNeeded).toBeLessThanOrEqual(bytes.length - cut)

      const parser = new PacketParser({ protocolVersion })
      const parts = [...parser.push(bytes.subarray(0, cut)), ...parser.push(bytes.subarray(cut))]
      // Without the matcher of vitest, which takes its time over long Buffers.
      expect(isDeepStrictEqual(plain(parts), plain(packets)), `in two parts at ${cut}`).toBe(true)
      expect(parser.pendingBytes).toBe(0)
    }
  })

  it('is found whatever surrounds it', () => {
    for (const { bytes, protocolVersion, title } of valid.filter(({ bytes }) => bytes.length < 2000)) {
      const ping = Buffer.from([0xc0, 0])
      const { packets } = decode(Buffer.concat([ping, bytes, bytes, ping]), { protocolVersion })
      const kinds = packets.map(({ type }) => type)
      expect([kinds.length, kinds[0], kinds[3]], title).toEqual([4, 'pingreq', 'pingreq'])
      const [first, second] = [packets[1], packets[2]] as [Packet, Packet]
      expect(isDeepStrictEqual(plain([first]), plain([second])), title).toBe(true)
    }
  })
})

describe('a packet that is not valid', () => {
  it.each(wrong)('$title', (it) => {
    const expected = { code: codeOf(reasonCodeOf(it)), reasonCode: reasonCodeOf(it) }
    const { bytes, protocolVersion } = it
    expect(errorOf(() => decode(bytes, { protocolVersion }))).toMatchObject(expected)

    // After a good one, which is not lost; and byte by byte.
    const parser = new PacketParser({ protocolVersion })
    const seen: string[] = []
    const failure = errorOf(() => {
      for (const packet of parser.push(Buffer.concat([Buffer.from([0xd0, 0]), bytes]))) seen.push(packet.type)
    })
    expect(failure).toMatchObject(expected)
    expect(seen).toEqual(['pingresp'])
    expect(errorOf(() => parser.push(Buffer.of()))).toBe(failure)

    const slow = new PacketParser({ protocolVersion })
    const again = errorOf(() => {
      for (const byte of bytes) expect([...slow.push(Buffer.of(byte))]).toEqual([])
    })
    expect(again).toMatchObject(expected)
  })
})

/** What the native encoder makes of it. */
function nativeForm(bytes: Buffer, protocolVersion: number): Buffer {
  const copy = Buffer.from(bytes)
  return copy.subarray(0, recodePacket(copy, copy.length, protocolVersion))
}

function reasonCodeOf({ vector }: PacketCase): number {
  return vector.reason_code ?? 0
}
