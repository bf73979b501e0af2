import { describe, expect, it } from 'vitest'
import { encode, type Packet, PacketParser, type PublishPacket } from '../../src/index.js'
import { errorOf, plain, versions, wire } from './support.js'

const conversation = (protocolVersion: 3 | 4 | 5): Buffer =>
  wire(
    `10 [ $protocol 02 00 00 {} "c" ] 82 [ 00 01 {} "a/#" 01 ] 32 [ "a/b" 00 02 {} 'one' ] c0 []
     30 [ "a/b" {} 'two' ] 30 [ "a/c" {} x*0 ( 61*300 ) ] e0 []`.replace('x*0 ', ''),
    protocolVersion,
  )

describe('PacketParser', () => {
  it.each(versions)('gives the same packets in version %i however the stream is cut', (protocolVersion) => {
    const bytes = conversation(protocolVersion)
    const whole = plain(new PacketParser().push(bytes))
    expect(whole).toHaveLength(7)
    for (let first = 0; first <= bytes.length; first += 1) {
      const parser = new PacketParser()
      const second = Math.min(bytes.length, first + 3)
      const parts = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)]
      expect(plain(parts.flatMap((part) => [...parser.push(part)]))).toEqual(whole)
    }
    const parser = new PacketParser()
    expect(plain([...bytes].flatMap((byte) => [...parser.push(Buffer.of(byte))]))).toEqual(whole)
    expect(parser.pendingBytes).toBe(0)
  })

  it('learns the version from CONNECT', () => {
    const parser = new PacketParser()
    expect(parser.protocolVersion).toBeUndefined()
    expect([...parser.push(wire('10 [ $protocol 02 00 00 {} "c" ]', 5))]).toHaveLength(1)
    expect(parser.protocolVersion).toBe(5)
    const [disconnect] = parser.push(wire('e0 [ 04 { 1f "bye" } ]', 5))
    expect(disconnect).toMatchObject({ reasonCode: 4, properties: { reasonString: 'bye' } })
    expect(new PacketParser({ protocolVersion: 4 }).protocolVersion).toBe(4)
  })

  it('needs a version to begin with anything else than CONNECT', () => {
    const failing = new PacketParser().push(wire('c0 []', 4))
    expect(errorOf(() => [...failing])).toMatchObject({ code: 'ERR_MQTT_PROTOCOL_ERROR', reasonCode: 0x82 })
  })

  it('gives what came before a packet that is wrong, then throws, and goes on throwing', () => {
    const parser = new PacketParser({ protocolVersion: 4 })
    const seen: Packet[] = []
    const error = errorOf(() => {
      for (const packet of parser.push(wire('c0 [] d0 [] 41 [ 00 01 ] c0 []', 4))) seen.push(packet)
    })
    expect(seen).toEqual([{ type: 'pingreq' }, { type: 'pingresp' }])
    expect(error).toMatchObject({ code: 'ERR_MQTT_MALFORMED_PACKET', reasonCode: 0x81 })
    expect(errorOf(() => parser.push(wire('c0 []', 4)))).toBe(error)
  })

  it('does not lose an error that nobody iterated to', () => {
    const parser = new PacketParser({ protocolVersion: 4 })
    parser.push(wire('c1 []', 4))
    expect(errorOf(() => parser.push(Buffer.of()))).toMatchObject({ code: 'ERR_MQTT_MALFORMED_PACKET' })
  })

  it('keeps nothing of a chunk, so that its memory can be used again', () => {
    const parser = new PacketParser()
    const shared = Buffer.alloc(16)
    const bytes = conversation(5)
    const kept: object[] = []
    for (let at = 0; at < bytes.length; at += shared.length) {
      const length = bytes.copy(shared, 0, at, at + shared.length)
      for (const packet of parser.push(shared.subarray(0, length))) {
        kept.push(packet.type === 'publish' ? packet.copy().toObject() : packet)
      }
      shared.fill(0xff)
    }
    expect(kept).toEqual(plain(new PacketParser().push(bytes)))
  })

  it('gives packets that came in pieces memory of their own', () => {
    const parser = new PacketParser({ protocolVersion: 4 })
    const one = wire(`30 [ "a" 'one' ]`, 4)
    const two = wire(`30 [ "a" 'two' ]`, 4)
    expect([...parser.push(one.subarray(0, 4))]).toEqual([])
    const [first] = [...parser.push(one.subarray(4))] as [PublishPacket]
    expect([...parser.push(two.subarray(0, 4))]).toEqual([])
    const [second] = [...parser.push(two.subarray(4))] as [PublishPacket]
    expect([first.payload.toString(), second.payload.toString()]).toEqual(['one', 'two'])
    expect(first.payload.buffer).not.toBe(second.payload.buffer)
  })

  it('does not set memory aside for a length that a peer only claims', () => {
    const parser = new PacketParser({ protocolVersion: 4 })
    const before = process.memoryUsage().arrayBuffers
    const parsers = Array.from({ length: 100 }, () => new PacketParser({ protocolVersion: 4 }))
    for (const each of [parser, ...parsers]) each.push(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f, 0]))
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4_000_000)
    expect(parser.pendingBytes).toBe(6)
    for (let chunk = 0; chunk < 10; chunk += 1) parser.push(Buffer.alloc(100_000, 0x61))
    expect(parser.pendingBytes).toBe(1_000_006)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000)
  })

  it('puts a large packet together from many chunks', () => {
    const payload = Buffer.alloc(1_000_000, 'payload')
    const bytes = encode({ type: 'publish', topicName: 'a', payload }, { protocolVersion: 4 })
    const parser = new PacketParser({ protocolVersion: 4 })
    const packets: Packet[] = []
    for (let at = 0; at < bytes.length; at += 1460)
      packets.push(...parser.push(bytes.subarray(at, at + 1460)))
    expect(packets).toHaveLength(1)
    expect((packets[0] as PublishPacket).payload.equals(payload)).toBe(true)
  })

  it('refuses a packet that is too large once its length is there, and no sooner', () => {
    const parser = new PacketParser({ protocolVersion: 4, maximumPacketSize: 100 })
    expect([...parser.push(Buffer.from([0x30]))]).toEqual([])
    expect([...parser.push(Buffer.from([0xff]))]).toEqual([])
    const error = errorOf(() => [...parser.push(Buffer.from([0x01]))])
    expect(error).toMatchObject({
      code: 'ERR_MQTT_PACKET_TOO_LARGE',
      reasonCode: 0x95,
      message: 'The packet cannot be decoded: limit exceeded: a packet of 258 bytes, where 100 are allowed.',
    })
  })

  it('refuses a length of five bytes', () => {
    const parser = new PacketParser({ protocolVersion: 4 })
    expect([...parser.push(Buffer.from([0x30, 0x80, 0x80, 0x80]))]).toEqual([])
    expect(errorOf(() => [...parser.push(Buffer.from([0x80]))])).toMatchObject({ reasonCode: 0x81 })
  })

  it('refuses what is no Uint8Array', () => {
    const parser = new PacketParser({ protocolVersion: 4 })
    expect(errorOf(() => parser.push('text' as unknown as Buffer))).toMatchObject({
      code: 'ERR_MQTT_INVALID_OPTION',
    })
    expect([...parser.push(Buffer.from([0xc0, 0]))]).toEqual([{ type: 'pingreq' }])
  })
})
