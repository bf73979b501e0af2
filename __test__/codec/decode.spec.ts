import { inspect, isDeepStrictEqual } from 'node:util'
import { describe, expect, it } from 'vitest'
import { decode, type Packet, type ProtocolVersion, type PublishPacket } from '../../src/index.js'
import { errorOf, plain, versions, wire } from './support.js'

/** The one packet of these bytes. */
function one(text: string, protocolVersion: ProtocolVersion = 5): Packet {
  const { packets } = decode(wire(text, protocolVersion), { protocolVersion })
  expect(packets).toHaveLength(1)
  return packets[0] as Packet
}

function publish(text: string, protocolVersion: ProtocolVersion = 5): PublishPacket {
  const packet = one(text, protocolVersion)
  if (packet.type !== 'publish') throw new Error(packet.type)
  return packet
}

describe('decode', () => {
  it('reads a CONNECT with everything in it', () => {
    const properties =
      '11 u32(60) 21 u16(10) 27 u32(4096) 22 u16(5) 19 01 17 00 15 "SCRAM" 16 <01 02> 26 "a" "b" 26 "a" "c"'
    const will = '18 u32(9) 01 01 02 u32(7) 03 "text/plain" 08 "answers" 09 <03> 26 "w" "x"'
    const packet = one(
      `10 [ "MQTT" 85 ee u16(30) v5({ ${properties} }) "client" v5({ ${will} }) "gone" <04 05> "user" <06> ]`,
    )
    expect(packet).toEqual({
      type: 'connect',
      protocolVersion: 5,
      bridge: true,
      cleanStart: true,
      keepAliveSecs: 30,
      clientId: 'client',
      username: 'user',
      password: Buffer.from([6]),
      properties: {
        sessionExpiryIntervalSecs: 60,
        receiveMaximum: 10,
        maximumPacketSize: 4096,
        topicAliasMaximum: 5,
        requestResponseInformation: true,
        requestProblemInformation: false,
        authenticationMethod: 'SCRAM',
        authenticationData: Buffer.from([1, 2]),
        userProperties: [
          ['a', 'b'],
          ['a', 'c'],
        ],
      },
      will: {
        topicName: 'gone',
        payload: Buffer.from([4, 5]),
        qos: 1,
        retain: true,
        properties: {
          willDelayIntervalSecs: 9,
          payloadFormatIndicator: true,
          messageExpiryIntervalSecs: 7,
          contentType: 'text/plain',
          responseTopic: 'answers',
          correlationData: Buffer.from([3]),
          userProperties: [['w', 'x']],
        },
      },
    })
  })

  it.each(versions)('reads the version off a CONNECT of protocol level %i', (protocolVersion) => {
    const { packets } = decode(
      wire('10 [ $protocol 02 00 00 {} "c" ] 82 [ 00 01 {} "a" 01 ]', protocolVersion),
    )
    expect(packets[0]).toEqual({
      type: 'connect',
      protocolVersion,
      bridge: false,
      cleanStart: true,
      keepAliveSecs: 0,
      clientId: 'c',
      will: undefined,
      username: undefined,
      password: undefined,
      properties: {},
    })
    expect(packets[1]).toMatchObject({ type: 'subscribe', filters: [{ topicFilter: 'a', qos: 1 }] })
  })

  it('reads what comes before a CONNECT in its own version, and what follows in that of the CONNECT', () => {
    const bytes = Buffer.concat([
      wire('82 [ 00 01 "a" 00 ]', 4),
      wire('10 [ $protocol 02 00 00 {} "c" ] 82 [ 00 02 {} "b" 2e ]', 5),
    ])
    const { packets } = decode(bytes, { protocolVersion: 4 })
    expect(packets).toMatchObject([
      { packetId: 1, filters: [{ topicFilter: 'a' }] },
      { protocolVersion: 5 },
      {
        packetId: 2,
        filters: [{ topicFilter: 'b', qos: 2, noLocal: true, retainAsPublished: true, retainHandling: 2 }],
      },
    ])
  })

  it('asks for a CONNECT where nobody has said the version', () => {
    expect(errorOf(() => decode(Buffer.from([0xc0, 0])))).toMatchObject({
      code: 'ERR_MQTT_PROTOCOL_ERROR',
      reasonCode: 0x82,
      message: 'The packet cannot be decoded: protocol error: PINGREQ where CONNECT was expected.',
    })
  })

  it('reads a CONNACK with everything in it', () => {
    const properties =
      '11 u32(60) 21 u16(10) 24 01 25 00 27 u32(4096) 12 "assigned" 22 u16(5) 1f "because" 26 "a" "b" ' +
      '28 00 29 00 2a 01 13 u16(20) 1a "answers/" 1c "other" 15 "SCRAM" 16 <01 02>'
    expect(one(`20 [ 01 00 { ${properties} } ]`)).toEqual({
      type: 'connack',
      sessionPresent: true,
      reasonCode: 0,
      properties: {
        sessionExpiryIntervalSecs: 60,
        receiveMaximum: 10,
        maximumQos: 1,
        retainAvailable: false,
        maximumPacketSize: 4096,
        assignedClientId: 'assigned',
        topicAliasMaximum: 5,
        reasonString: 'because',
        userProperties: [['a', 'b']],
        wildcardSubscriptionAvailable: false,
        subscriptionIdsAvailable: false,
        sharedSubscriptionAvailable: true,
        serverKeepAliveSecs: 20,
        responseInformation: 'answers/',
        serverReference: 'other',
        authenticationMethod: 'SCRAM',
        authenticationData: Buffer.from([1, 2]),
      },
    })
  })

  it('turns the Return Codes of 3.1.1 into the Reason Codes that say the same', () => {
    const codes = [0, 1, 2, 3, 4, 5].map((code) => {
      const { packets } = decode(Buffer.from([0x20, 2, 0, code]), { protocolVersion: 4 })
      return (packets[0] as { reasonCode: number }).reasonCode
    })
    expect(codes).toEqual([0, 0x84, 0x85, 0x88, 0x86, 0x87])
  })

  it('reads a PUBLISH with every property', () => {
    const properties =
      '02 u32(60) 23 u16(9) 0b varint(1) 0b varint(268435455) 01 00 03 "text" 08 "answers/ü" 09 <01 02> 26 "a" "b"'
    const packet = publish(`3d [ "grüße/€/🌡" ff fe { ${properties} } 'payload' ]`)
    expect(packet.toObject()).toEqual({
      type: 'publish',
      topicName: 'grüße/€/🌡',
      payload: Buffer.from('payload'),
      qos: 2,
      retain: true,
      dup: true,
      packetId: 0xfffe,
      properties: {
        messageExpiryIntervalSecs: 60,
        topicAlias: 9,
        subscriptionIds: [1, 268_435_455],
        payloadFormatIndicator: false,
        contentType: 'text',
        responseTopic: 'answers/ü',
        correlationData: Buffer.from([1, 2]),
        userProperties: [['a', 'b']],
      },
    })
  })

  it.each(versions)('reads a PUBLISH without more than it needs in version %i', (protocolVersion) => {
    expect(publish(`30 [ "a" {} ]`, protocolVersion).toObject()).toEqual({
      type: 'publish',
      topicName: 'a',
      payload: Buffer.of(),
      qos: 0,
      retain: false,
      dup: false,
      packetId: undefined,
      properties: {},
    })
  })

  it('reads a property section whose length takes more than a byte', () => {
    const { properties, payload } = publish(`30 [ "a" { 26 "n" <61*300> } 'p' ]`)
    expect(properties.userProperties).toEqual([['n', 'a'.repeat(300)]])
    expect(payload.toString()).toBe('p')
  })

  it.each([
    ['40', 'puback', 0x10],
    ['50', 'pubrec', 0x97],
    ['62', 'pubrel', 0x92],
    ['70', 'pubcomp', 0x92],
  ] as const)('reads the acknowledgement %s', (firstByte, type, reasonCode) => {
    for (const protocolVersion of versions) {
      const short = { type, packetId: 0x0102, reasonCode: 0, properties: {} }
      expect(one(`${firstByte} [ 01 02 ]`, protocolVersion)).toEqual(short)
    }
    const code = reasonCode.toString(16).padStart(2, '0')
    expect(one(`${firstByte} [ 01 02 ${code} ]`)).toEqual({
      type,
      packetId: 0x0102,
      reasonCode,
      properties: {},
    })
    expect(one(`${firstByte} [ 01 02 ${code} { 1f "why" 26 "a" "b" } ]`)).toEqual({
      type,
      packetId: 0x0102,
      reasonCode,
      properties: { reasonString: 'why', userProperties: [['a', 'b']] },
    })
  })

  it('reads SUBSCRIBE and SUBACK', () => {
    expect(one('82 [ 00 07 { 0b varint(300) 26 "a" "b" } "x/+" 00 "y/#" 1d ]')).toEqual({
      type: 'subscribe',
      packetId: 7,
      filters: [
        { topicFilter: 'x/+', qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 },
        { topicFilter: 'y/#', qos: 1, noLocal: true, retainAsPublished: true, retainHandling: 1 },
      ],
      properties: { subscriptionId: 300, userProperties: [['a', 'b']] },
    })
    const suback = { type: 'suback', packetId: 7, reasonCodes: [0, 2, 0x87] }
    expect(one('90 [ 00 07 { 1f "no" } 00 02 87 ]')).toEqual({
      ...suback,
      properties: { reasonString: 'no' },
    })
    expect(one('90 [ 00 07 00 01 80 ]', 4)).toMatchObject({ reasonCodes: [0, 1, 0x80], properties: {} })
  })

  it('reads UNSUBSCRIBE and UNSUBACK', () => {
    const unsubscribe = { type: 'unsubscribe', packetId: 7, topicFilters: ['x', 'y'] }
    expect(one('a2 [ 00 07 { 26 "a" "b" } "x" "y" ]')).toEqual({
      ...unsubscribe,
      properties: { userProperties: [['a', 'b']] },
    })
    expect(one('b0 [ 00 07 { 1f "so" } 00 11 ]')).toEqual({
      type: 'unsuback',
      packetId: 7,
      reasonCodes: [0, 0x11],
      properties: { reasonString: 'so' },
    })
    expect(one('b0 [ 00 07 ]', 4)).toEqual({ type: 'unsuback', packetId: 7, reasonCodes: [], properties: {} })
  })

  it('reads PINGREQ, PINGRESP, DISCONNECT and AUTH', () => {
    for (const protocolVersion of versions) {
      expect(one('c0 []', protocolVersion)).toEqual({ type: 'pingreq' })
      expect(one('d0 []', protocolVersion)).toEqual({ type: 'pingresp' })
      expect(one('e0 []', protocolVersion)).toEqual({ type: 'disconnect', reasonCode: 0, properties: {} })
    }
    expect(one('e0 [ 04 ]')).toEqual({ type: 'disconnect', reasonCode: 4, properties: {} })
    expect(one('e0 [ 9c { 11 u32(1) 1f "go" 1c "there" 26 "a" "b" } ]')).toEqual({
      type: 'disconnect',
      reasonCode: 0x9c,
      properties: {
        sessionExpiryIntervalSecs: 1,
        reasonString: 'go',
        serverReference: 'there',
        userProperties: [['a', 'b']],
      },
    })
    expect(one('f0 []')).toEqual({ type: 'auth', reasonCode: 0, properties: {} })
    expect(one('f0 [ 18 { 15 "SCRAM" 16 <01> } ]')).toEqual({
      type: 'auth',
      reasonCode: 0x18,
      properties: { authenticationMethod: 'SCRAM', authenticationData: Buffer.from([1]) },
    })
  })

  it('says where the packets end, and how much the next one needs', () => {
    const bytes = wire(`30 [ "a" 'x' ] 30 [ "a" 'y' ]`, 4)
    const { packets, ...rest } = decode(bytes.subarray(0, -2), { protocolVersion: 4 })
    expect(packets).toHaveLength(1)
    expect(rest).toEqual({ bytesConsumed: bytes.length / 2, bytesNeeded: 2 })
    expect(decode(Buffer.of(), { protocolVersion: 4 })).toEqual({
      packets: [],
      bytesConsumed: 0,
      bytesNeeded: 0,
    })
  })

  it('takes more packets than its table has room for', () => {
    for (const count of [1023, 1024, 1025, 5000]) {
      const bytes = Buffer.concat(
        Array.from({ length: count }, (_, at) => wire(`32 [ "t" u16(${at + 1}) ]`, 4)),
      )
      const { packets, bytesConsumed, bytesNeeded } = decode(bytes, { protocolVersion: 4 })
      expect(packets.map((packet) => 'packetId' in packet && packet.packetId)).toEqual(
        Array.from({ length: count }, (_, at) => at + 1),
      )
      expect([bytesConsumed, bytesNeeded]).toEqual([bytes.length, 0])
    }
  })

  it('reads more topics than it remembers, long ones, and ones that push each other out', () => {
    const topics = Array.from({ length: 20_000 }, (_, at) => `topic/${at % 7000}/${'ü'.repeat(at % 40)}`)
    const bytes = Buffer.concat(topics.map((topic) => wire(`30 [ "${topic}" ]`, 4)))
    const { packets } = decode(bytes, { protocolVersion: 4 })
    const names = packets.map((packet) => packet.type === 'publish' && packet.topicName)
    expect(isDeepStrictEqual(names, topics)).toBe(true)
  })

  it('takes a Uint8Array that is not a Buffer, and a part of a larger one', () => {
    const bytes = wire(`30 [ "a" 'payload' ]`, 4)
    const larger = new Uint8Array(100)
    larger.set(bytes, 50)
    const part = larger.subarray(50, 50 + bytes.length)
    const { packets } = decode(part, { protocolVersion: 4 })
    const [packet] = packets as [PublishPacket]
    expect(Buffer.isBuffer(packet.payload)).toBe(true)
    expect(packet.payload.toString()).toBe('payload')
    expect(packet.payload.buffer).toBe(larger.buffer)
  })

  it.each([
    ['a string', 'text'],
    ['memory that threads share', new Uint8Array(new SharedArrayBuffer(2))],
    ['numbers of another size', new Uint16Array(2)],
    ['nothing', undefined],
  ])('refuses %s', (_, bytes) => {
    expect(errorOf(() => decode(bytes as Uint8Array))).toMatchObject({ code: 'ERR_MQTT_INVALID_OPTION' })
  })

  it.each([
    { protocolVersion: 6 },
    { protocolVersion: '5' },
    { maximumPacketSize: 1 },
    { maximumPacketSize: 2.5 },
    { maximumPacketSize: '10' },
  ])('refuses the options %o', (options) => {
    expect(errorOf(() => decode(Buffer.of(), options as object))).toMatchObject({
      code: 'ERR_MQTT_INVALID_OPTION',
    })
  })

  it('refuses a packet that is too large as soon as its length is there', () => {
    const bytes = Buffer.from([0x30, 0x09, 0x00])
    expect(errorOf(() => decode(bytes, { protocolVersion: 4, maximumPacketSize: 10 }))).toMatchObject({
      code: 'ERR_MQTT_PACKET_TOO_LARGE',
      reasonCode: 0x95,
    })
    expect(decode(bytes, { protocolVersion: 4, maximumPacketSize: 11 }).bytesNeeded).toBe(8)
  })
})

describe('a PUBLISH', () => {
  it('is a view of the bytes that were decoded, and its copy is not', () => {
    const bytes = wire(`32 [ "a" 00 01 { 09 <63> 26 "n" "v" } 'payload' ]`, 5)
    const { packets } = decode(bytes, { protocolVersion: 5 })
    const [packet] = packets as [PublishPacket]
    const copy = packet.copy()
    expect(packet.payload.buffer).toBe(bytes.buffer)
    expect(packet.properties.correlationData?.buffer).toBe(bytes.buffer)
    expect(copy.payload.buffer).not.toBe(bytes.buffer)
    const before = plain([packet])[0]
    bytes.fill(0)
    expect(copy.toObject()).toEqual({
      ...before,
      payload: Buffer.from('payload'),
      properties: { correlationData: Buffer.from('c'), userProperties: [['n', 'v']] },
    })
    expect(packet.payload.equals(Buffer.alloc(7))).toBe(true)
  })

  it('can be copied without properties, and again', () => {
    const packet = publish(`3b [ "a/b" 01 00 {} 'payload' ]`)
    expect(packet.copy().copy().toObject()).toEqual(packet.toObject())
    expect(publish(`30 [ "a" {} ]`).copy().payload).toHaveLength(0)
  })

  it('gives what it has made once, again', () => {
    const packet = publish(`30 [ "a" { 26 "n" "v" } 'payload' ]`)
    expect(packet.payload).toBe(packet.payload)
    expect(packet.properties).toBe(packet.properties)
  })

  it('shows itself whole, to people and as JSON', () => {
    const packet = publish(`30 [ "a" {} 'payload' ]`)
    expect(inspect(packet)).toContain('payload: <Buffer 70 61')
    expect(JSON.parse(JSON.stringify(packet))).toMatchObject({ topicName: 'a', payload: { type: 'Buffer' } })
  })

  it('does not fail when its bytes were written over', () => {
    const bytes = wire(`30 [ "a" { 26 "n" "v" 02 u32(9) } 'payload' ]`, 5)
    for (let filling = 0; filling < 256; filling += 1) {
      const chunk = Buffer.from(bytes)
      const { packets } = decode(chunk, { protocolVersion: 5 })
      chunk.fill(filling)
      const [packet] = packets as [PublishPacket]
      expect(() => [packet.payload, packet.properties]).not.toThrow()
    }
  })
})
