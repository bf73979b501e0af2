import { describe, expect, it } from 'vitest'
import { decode, type EncodablePacket, encode, type Packet, type ProtocolVersion } from '../../src/index.js'
import { errorOf, plain, wire } from './support.js'

function hexOf(packet: EncodablePacket, protocolVersion: ProtocolVersion = 5): string {
  return encode(packet, { protocolVersion }).toString('hex')
}

function hex(text: string, protocolVersion: ProtocolVersion = 5): string {
  return wire(text, protocolVersion).toString('hex')
}

function refusal(packet: object, protocolVersion: ProtocolVersion = 5): string {
  const error = errorOf(() => encode(packet as EncodablePacket, { protocolVersion }))
  expect(error.code).toBe('ERR_MQTT_INVALID_PACKET')
  expect(error.reasonCode).toBeUndefined()
  return error.message.replace('The packet cannot be encoded: ', '')
}

describe('encode', () => {
  it('takes every packet as it is decoded, and the compiler agrees', () => {
    const encodeAgain = (packet: Packet) => encode(packet satisfies EncodablePacket, { protocolVersion: 5 })
    const bytes = wire(`30 [ "a" { 26 "n" "v" } 'x' ]`, 5)
    expect(decode(bytes, { protocolVersion: 5 }).packets.map(encodeAgain)).toEqual([bytes])
  })

  it('needs no more than what has no default', () => {
    expect(hexOf({ type: 'connect', clientId: 'c' })).toBe(hex('10 [ $protocol 02 00 00 00 "c" ]'))
    expect(hexOf({ type: 'connack', reasonCode: 0x87 })).toBe(hex('20 [ 00 87 00 ]'))
    expect(hexOf({ type: 'publish', topicName: 'a', payload: 'ü' })).toBe(hex(`30 [ "a" 00 'ü' ]`))
    expect(hexOf({ type: 'puback', packetId: 1 })).toBe('40020001')
    expect(hexOf({ type: 'pubrec', packetId: 1 })).toBe('50020001')
    expect(hexOf({ type: 'pubrel', packetId: 1 })).toBe('62020001')
    expect(hexOf({ type: 'pubcomp', packetId: 65_535 })).toBe('7002ffff')
    expect(hexOf({ type: 'subscribe', packetId: 1, filters: [{ topicFilter: 'a' }] })).toBe(
      hex('82 [ 00 01 00 "a" 00 ]'),
    )
    expect(hexOf({ type: 'suback', packetId: 1, reasonCodes: [1] })).toBe(hex('90 [ 00 01 00 01 ]'))
    expect(hexOf({ type: 'unsubscribe', packetId: 1, topicFilters: ['a'] })).toBe(hex('a2 [ 00 01 00 "a" ]'))
    expect(hexOf({ type: 'unsuback', packetId: 1 }, 4)).toBe('b0020001')
    expect(hexOf({ type: 'pingreq' })).toBe('c000')
    expect(hexOf({ type: 'pingresp' })).toBe('d000')
    expect(hexOf({ type: 'disconnect' })).toBe('e000')
    expect(hexOf({ type: 'auth', reasonCode: 0 })).toBe('f000')
  })

  it('leaves out before 5.0 what only 5.0 can say', () => {
    const userProperties = [['a', 'b']] as const
    const properties = { userProperties, reasonString: 'why' }
    expect(hexOf({ type: 'puback', packetId: 1, reasonCode: 0x80, properties }, 4)).toBe('40020001')
    expect(hexOf({ type: 'disconnect', reasonCode: 4, properties }, 4)).toBe('e000')
    expect(hexOf({ type: 'suback', packetId: 1, reasonCodes: [1, 0x87], properties }, 4)).toBe('900400010180')
    expect(hexOf({ type: 'publish', topicName: 'a', payload: '', properties: { userProperties } }, 4)).toBe(
      '3003000161',
    )
    const filters = [{ topicFilter: 'a', qos: 1, noLocal: true, retainHandling: 2 }] as const
    expect(hexOf({ type: 'subscribe', packetId: 1, filters }, 4)).toBe('820600010001' + '6101')
  })

  it('says a refused connection of 3.1.1 as the nearest Return Code, and never as an acceptance', () => {
    const returned = [0x84, 0x85, 0x86, 0x87, 0x8a, 0x97].map((reasonCode) =>
      hexOf({ type: 'connack', reasonCode }, 4),
    )
    expect(returned).toEqual(['20020001', '20020002', '20020004', '20020005', '20020005', '20020003'])
    expect(refusal({ type: 'connack', reasonCode: 5 }, 4)).toBe('5 is no Reason Code of CONNACK.')
  })

  it('encodes a CONNECT in the version that it says', () => {
    expect(hexOf({ type: 'connect', protocolVersion: 3, clientId: 'c', keepAliveSecs: 10 })).toBe(
      hex('10 [ $protocol 02 00 0a "c" ]', 3),
    )
  })

  it('leaves out a Maximum QoS of 2, which its absence says', () => {
    expect(hexOf({ type: 'connack', reasonCode: 0, properties: { maximumQos: 2 } })).toBe(
      hex('20 [ 00 00 00 ]'),
    )
    expect(hexOf({ type: 'connack', reasonCode: 0, properties: { maximumQos: 1 } })).toBe(
      hex('20 [ 00 00 { 24 01 } ]'),
    )
  })

  it('takes undefined for absent', () => {
    const properties = { contentType: undefined, topicAlias: undefined }
    expect(
      hexOf({
        type: 'publish',
        topicName: 'a',
        payload: '',
        qos: undefined,
        packetId: undefined,
        properties,
      }),
    ).toBe('300400016100')
  })

  it('puts properties into one order, whatever theirs', () => {
    const properties = { userProperties: [['a', 'b']], topicAlias: 3, messageExpiryIntervalSecs: 9 } as const
    expect(hexOf({ type: 'publish', topicName: '', payload: '', properties })).toBe(
      hex('30 [ "" { 02 u32(9) 23 00 03 26 "a" "b" } ]'),
    )
  })

  it.each([0, 1, 22, 23, 24, 25, 126, 127, 128, 16_383, 16_384, 65_535])(
    'encodes a topic, a payload and a property of %i characters',
    (length) => {
      for (const character of ['a', 'ü', '€']) {
        const fits = Buffer.byteLength(character) * length <= 65_535
        const text = fits ? character.repeat(length) : 'a'
        const packet = {
          type: 'publish',
          topicName: text === '' ? 'a' : text,
          payload: Buffer.from(text),
          qos: 1,
          retain: true,
          dup: true,
          packetId: 300,
          properties: { contentType: text, userProperties: [[text, text]] },
        } as const
        const { packets } = decode(encode(packet, { protocolVersion: 5 }), { protocolVersion: 5 })
        expect(plain(packets)).toEqual([packet])
      }
    },
  )

  it('gives each packet bytes of its own', () => {
    const packet = { type: 'publish', topicName: 'a', payload: 'x' } as const
    const all = Array.from({ length: 20_000 }, () => encode(packet, { protocolVersion: 4 }))
    const [first] = all
    first?.fill(0)
    expect(all.slice(1).every((bytes) => bytes.toString('hex') === '300400016178')).toBe(true)
  })

  it('is not disturbed by a packet that it refused', () => {
    const bad = { type: 'publish', topicName: 'a\0', payload: 'x' } as const
    const before = encode({ type: 'puback', packetId: 1 }, { protocolVersion: 4 })
    expect(refusal(bad)).toBe('topicName contains U+0000.')
    expect(before.toString('hex')).toBe('40020001')
    expect(hexOf({ type: 'puback', packetId: 2 })).toBe('40020002')
  })

  it('encodes a packet of many bytes, and refuses one that MQTT cannot say', () => {
    const payload = Buffer.alloc(3_000_000, 7)
    const bytes = encode({ type: 'publish', topicName: 'a', payload }, { protocolVersion: 4 })
    const { packets } = decode(bytes, { protocolVersion: 4 })
    expect(plain(packets)).toMatchObject([{ topicName: 'a' }])
    expect(bytes.subarray(-3_000_000).equals(payload)).toBe(true)
    const tooMuch = new Uint8Array(268_435_456)
    const error = errorOf(() =>
      encode({ type: 'publish', topicName: 'a', payload: tooMuch }, { protocolVersion: 4 }),
    )
    expect(error.code).toBe('ERR_MQTT_PACKET_TOO_LARGE')
  })

  const publish = { type: 'publish', topicName: 'a', payload: '' }
  const long = 'a'.repeat(65_536)
  it.each([
    [{ ...publish, topicName: '' }, 'topicName is empty.'],
    [{ ...publish, topicName: undefined }, 'topicName must be a string.'],
    [{ ...publish, topicName: 'a/\ud800' }, 'topicName contains a lone surrogate.'],
    [{ ...publish, topicName: `${'a'.repeat(30)}\0` }, 'topicName contains U+0000.'],
    [{ ...publish, topicName: `ü\0` }, 'topicName contains U+0000.'],
    [{ ...publish, topicName: long }, 'topicName is too long: 65535 bytes fit.'],
    [{ ...publish, topicName: 'ü'.repeat(40_000) }, 'topicName has 80000 bytes, where 65535 fit.'],
    [{ ...publish, payload: undefined }, 'payload must be a Uint8Array or a string.'],
    [{ ...publish, payload: [1] }, 'payload must be a Uint8Array or a string.'],
    [{ ...publish, qos: 3 }, 'qos must be 0, 1 or 2.'],
    [{ ...publish, retain: 1 }, 'retain must be true or false.'],
    [{ ...publish, packetId: 1 }, 'packetId does not go with QoS 0.'],
    [{ ...publish, dup: true }, 'dup does not go with QoS 0.'],
    [{ ...publish, qos: 1 }, 'packetId must be a whole number from 1 to 65535.'],
    [{ ...publish, qos: 1, packetId: 0 }, 'packetId must be a whole number from 1 to 65535.'],
    [{ ...publish, qos: 1, packetId: 65_536 }, 'packetId must be a whole number from 1 to 65535.'],
    [{ ...publish, properties: { topicAlias: 0 } }, 'topicAlias must not be 0.'],
    [
      { ...publish, properties: { topicAlias: 65_536 } },
      'topicAlias must be a whole number from 0 to 65535.',
    ],
    [{ ...publish, properties: { subscriptionIds: [0] } }, 'subscriptionIds must not be 0.'],
    [{ ...publish, properties: { subscriptionIds: 1 } }, 'subscriptionIds must be an array.'],
    [
      { ...publish, properties: { payloadFormatIndicator: 1 } },
      'payloadFormatIndicator must be true or false.',
    ],
    [
      { ...publish, properties: { messageExpiryIntervalSecs: -1 } },
      'messageExpiryIntervalSecs must be a whole number from 0 to 4294967295.',
    ],
    [{ ...publish, properties: { contentType: '\0' } }, 'contentType contains U+0000.'],
    [{ ...publish, properties: { contentType: long } }, 'contentType is too long: 65535 bytes fit.'],
    [{ ...publish, properties: { correlationData: 'x' } }, 'correlationData must be a Uint8Array.'],
    [{ ...publish, properties: { userProperties: { a: 'b' } } }, 'userProperties must be an array.'],
    [
      { ...publish, properties: { userProperties: [['a']] } },
      'userProperties must be pairs of name and value.',
    ],
    [{ ...publish, properties: { reasonString: 'x' } }, 'PUBLISH has no property reasonString.'],
    [{ type: 'puback', packetId: 0 }, 'packetId must be a whole number from 1 to 65535.'],
    [{ type: 'puback', packetId: 1, reasonCode: 1 }, 'protocol error: PUBACK with reason code 0x01.'],
    [
      { type: 'puback', packetId: 1, properties: { topicAlias: 1 } },
      /property Topic Alias is not allowed here/,
    ],
    [{ type: 'puback', packetId: 1, properties: { reason: 'x' } }, 'there is no property reason.'],
    [{ type: 'connect', clientId: 'c', keepAliveSecs: 65_536 }, /keepAliveSecs must be a whole number/],
    [{ type: 'connect', clientId: 'c', keepalive: 5, cleanStart: 0 }, 'cleanStart must be true or false.'],
    [{ type: 'connect' }, 'clientId must be a string.'],
    [{ type: 'connect', clientId: '\udc00' }, 'clientId contains a lone surrogate.'],
    [{ type: 'connect', clientId: 'c', username: long }, /username has 65536 bytes/],
    [{ type: 'connect', clientId: 'c', password: 5 }, 'password must be a Uint8Array.'],
    [{ type: 'connect', clientId: 'c', will: { topicName: '', payload: '' } }, /an empty topic name/],
    [{ type: 'connect', clientId: 'c', will: { topicName: 'a', payload: '', qos: 3 } }, /qos of the will/],
    [
      { type: 'connect', clientId: 'c', properties: { authenticationData: Buffer.of(1) } },
      /authentication data without an authentication method/,
    ],
    [{ type: 'connect', clientId: 'c', properties: { receiveMaximum: 0 } }, /Receive Maximum is 0/],
    [{ type: 'connack', reasonCode: 0x87, sessionPresent: true }, /session present on a refused connection/],
    [{ type: 'connack', reasonCode: 300 }, 'reasonCode must be a whole number from 0 to 255.'],
    [{ type: 'subscribe', packetId: 1, filters: [] }, /no topic filter/],
    [{ type: 'subscribe', packetId: 1, filters: 'a' }, 'filters must be an array.'],
    [
      { type: 'subscribe', packetId: 1, filters: [{ topicFilter: 'a', retainHandling: 3 }] },
      /retainHandling/,
    ],
    [{ type: 'suback', packetId: 1, reasonCodes: [] }, /no reason code/],
    [{ type: 'suback', packetId: 1, reasonCodes: [3] }, /SUBACK with reason code 0x03/],
    [{ type: 'unsubscribe', packetId: 1, topicFilters: [] }, /no topic filter/],
    [{ type: 'unsuback', packetId: 1 }, /no reason code/],
    [{ type: 'disconnect', reasonCode: 1 }, /DISCONNECT with reason code 0x01/],
    [{ type: 'auth', reasonCode: 0x18 }, /AUTH without an authentication method/],
    [{ type: 'wish' }, 'there is no packet of type wish.'],
  ])('refuses %o', (packet, problem) => {
    expect(refusal(packet)).toMatch(
      typeof problem === 'string' ? new RegExp(`^${escaped(problem)}$`) : problem,
    )
  })

  it('refuses before 5.0 what 5.0 allows', () => {
    expect(refusal({ type: 'auth', reasonCode: 0x18 }, 4)).toMatch(/AUTH does not exist before MQTT 5.0/)
    expect(refusal({ type: 'connect', clientId: 'c', password: 'x' }, 4)).toMatch(
      /password without a user name/,
    )
    expect(refusal({ ...publish, topicName: '', properties: { topicAlias: 1 } }, 4)).toBe(
      'topicName is empty.',
    )
  })

  it('refuses a spread PUBLISH, which has lost what its accessors have', () => {
    const { packets } = decode(wire(`30 [ "a" 00 'x' ]`, 5), { protocolVersion: 5 })
    expect(refusal({ ...packets[0] })).toMatch(/payload must be/)
    const [packet] = packets
    if (packet?.type !== 'publish') throw new Error('no PUBLISH')
    expect(hexOf({ ...packet.toObject(), retain: true })).toBe(hex(`31 [ "a" 00 'x' ]`))
  })

  it.each([undefined, 0, 6, '4'])('refuses the version %o', (protocolVersion) => {
    const options = { protocolVersion: protocolVersion as 4 }
    expect(errorOf(() => encode({ type: 'pingreq' }, options))).toMatchObject({
      code: 'ERR_MQTT_INVALID_OPTION',
    })
  })
})

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
