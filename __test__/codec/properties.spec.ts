/**
 * Packets made at random: what is encoded is what the native encoder makes of it and decodes to the same packet, in a
 * stream that is cut anywhere; and bytes made at random give packets or one of four errors, the same for both readers.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decode,
  type EncodablePacket,
  encode,
  MqttError,
  type Packet,
  PacketParser,
  type ProtocolVersion,
} from '../../src/index.js'
import { recodePacket } from '../../src/native.js'
import { packetCases, plain } from './support.js'

const text = fc
  .oneof(fc.string({ maxLength: 40 }), fc.string({ unit: 'grapheme', maxLength: 40 }))
  .map((value) => value.replaceAll('\0', ''))
const filled = text.map((value) => value || 'x')
const bytes = fc.uint8Array({ maxLength: 40 }).map((value) => Buffer.from(value))
const flag = fc.boolean()
const packetId = fc.integer({ min: 1, max: 65_535 })
const twoBytes = fc.integer({ min: 0, max: 65_535 })
const fourBytes = fc.integer({ min: 0, max: 4_294_967_295 })
const varint = fc.integer({ min: 1, max: 268_435_455 })
const pairs = fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 4 })
const qos = fc.constantFrom(0 as const, 1 as const, 2 as const)

/** Some of these properties, and only those. */
function some<T extends object>(
  model: { [Name in keyof T]: fc.Arbitrary<T[Name]> },
): fc.Arbitrary<Partial<T>> {
  return fc.record(model, { requiredKeys: [] }) as fc.Arbitrary<Partial<T>>
}

const shared = {
  payloadFormatIndicator: flag,
  messageExpiryIntervalSecs: fourBytes,
  contentType: text,
  responseTopic: text,
  correlationData: bytes,
  userProperties: pairs,
}
const publishProperties = some({
  ...shared,
  topicAlias: packetId,
  subscriptionIds: fc.array(varint, { minLength: 1, maxLength: 3 }),
})
const reasonProperties = some({ reasonString: text, userProperties: pairs })
const authentication = fc.oneof(
  fc.constant({}),
  some({ authenticationData: bytes }).chain((data) =>
    text.map((method) => ({ authenticationMethod: method, ...data })),
  ),
)

/** A packet as it is decoded in that version. */
function packetIn(version: ProtocolVersion): fc.Arbitrary<Packet> {
  const only5 = <T extends object>(properties: fc.Arbitrary<T>) =>
    version === 5 ? properties : (fc.constant({}) as fc.Arbitrary<T | object>)
  const publish = fc.record({
    topicName: filled,
    payload: bytes,
    retain: flag,
    properties: only5(publishProperties),
  })
  const delivery = fc.oneof(
    fc.constant({ qos: 0, dup: false, packetId: undefined }),
    fc.record({ qos: fc.constantFrom(1, 2), dup: flag, packetId }),
  )
  const ack = (type: string, codes: number[]) =>
    fc.record({
      type: fc.constant(type),
      packetId,
      reasonCode: version === 5 ? fc.constantFrom(...codes) : fc.constant(0),
      properties: only5(reasonProperties),
    })
  const will = fc.record({
    topicName: filled,
    payload: bytes,
    qos,
    retain: flag,
    properties: only5(some({ ...shared, willDelayIntervalSecs: fc.integer({ min: 1, max: 4_294_967_295 }) })),
  })
  const login = fc.oneof(
    fc.constant({ username: undefined, password: undefined }),
    fc.record({ username: text, password: fc.option(bytes, { nil: undefined }) }),
  )
  const filter = fc.record({
    topicFilter: text,
    qos,
    noLocal: version === 5 ? flag : fc.constant(false),
    retainAsPublished: version === 5 ? flag : fc.constant(false),
    retainHandling: version === 5 ? qos : fc.constant(0),
  })
  const kinds: fc.Arbitrary<object>[] = [
    fc.tuple(publish, delivery).map(([rest, how]) => ({ type: 'publish', ...rest, ...how })),
    ack('puback', [0, 0x10, 0x80, 0x97]),
    ack('pubrec', [0, 0x10, 0x91]),
    ack('pubrel', [0, 0x92]),
    ack('pubcomp', [0, 0x92]),
    fc
      .tuple(
        fc.record({ bridge: flag, cleanStart: flag, keepAliveSecs: twoBytes, clientId: text }),
        fc.option(will, { nil: undefined }),
        login,
        only5(
          some({
            sessionExpiryIntervalSecs: fourBytes,
            receiveMaximum: packetId,
            maximumPacketSize: fc.integer({ min: 1, max: 4_294_967_295 }),
            topicAliasMaximum: twoBytes,
            requestResponseInformation: flag,
            requestProblemInformation: flag,
            userProperties: pairs,
          }),
        ),
        only5(authentication),
      )
      .map(([rest, own, who, some, more]) => ({
        type: 'connect',
        protocolVersion: version,
        ...rest,
        ...who,
        will: own,
        properties: { ...some, ...more },
      })),
    fc
      .tuple(
        only5(
          some({
            sessionExpiryIntervalSecs: fourBytes,
            receiveMaximum: packetId,
            maximumQos: fc.constantFrom(0, 1),
            retainAvailable: flag,
            maximumPacketSize: fc.integer({ min: 1, max: 4_294_967_295 }),
            assignedClientId: text,
            topicAliasMaximum: twoBytes,
            reasonString: text,
            userProperties: pairs,
            wildcardSubscriptionAvailable: flag,
            subscriptionIdsAvailable: flag,
            sharedSubscriptionAvailable: flag,
            serverKeepAliveSecs: twoBytes,
            responseInformation: text,
            serverReference: text,
          }),
        ),
        only5(authentication),
        fc.constantFrom(0, 0x84, 0x85, 0x86, 0x87, 0x88),
        flag,
      )
      .map(([some, more, reasonCode, present]) => ({
        type: 'connack',
        sessionPresent: present && reasonCode === 0 && version !== 3,
        reasonCode,
        properties: { ...some, ...more },
      })),
    fc.record({
      type: fc.constant('subscribe'),
      packetId,
      filters: fc.array(filter, { minLength: 1, maxLength: 4 }),
      properties: only5(some({ subscriptionId: varint, userProperties: pairs })),
    }),
    fc.record({
      type: fc.constant('suback'),
      packetId,
      reasonCodes: fc.array(fc.constantFrom(0, 1, 2, 0x80), { minLength: 1, maxLength: 4 }),
      properties: only5(reasonProperties),
    }),
    fc.record({
      type: fc.constant('unsubscribe'),
      packetId,
      topicFilters: fc.array(text, { minLength: 1, maxLength: 4 }),
      properties: only5(some({ userProperties: pairs })),
    }),
    fc.record({
      type: fc.constant('unsuback'),
      packetId,
      reasonCodes:
        version === 5
          ? fc.array(fc.constantFrom(0, 0x11, 0x87), { minLength: 1, maxLength: 4 })
          : fc.constant<number[]>([]),
      properties: only5(reasonProperties),
    }),
    fc.constantFrom({ type: 'pingreq' }, { type: 'pingresp' }),
    fc.record({
      type: fc.constant('disconnect'),
      reasonCode: version === 5 ? fc.constantFrom(0, 4, 0x8b) : fc.constant(0),
      properties: only5(
        some({ sessionExpiryIntervalSecs: fourBytes, serverReference: text, reasonString: text }),
      ),
    }),
  ]
  if (version === 5) {
    kinds.push(
      fc.record({
        type: fc.constant('auth'),
        reasonCode: fc.constantFrom(0, 0x18, 0x19),
        properties: fc
          .tuple(some({ authenticationData: bytes, reasonString: text, userProperties: pairs }), text)
          .map(([some, method]) => ({ ...some, authenticationMethod: method })),
      }),
    )
  }
  return fc.oneof(...kinds) as fc.Arbitrary<Packet>
}

/** A number of runs that stays within a test's time on a busy machine. */
const numRuns = 400

describe.each([3, 4, 5] as const)('in version %i', (protocolVersion) => {
  it('a packet comes back from its bytes, which are those of the native encoder', () => {
    fc.assert(
      fc.property(packetIn(protocolVersion), (packet) => {
        const encoded = encode(packet as EncodablePacket, { protocolVersion })
        const native = Buffer.from(encoded)
        const length = recodePacket(native, native.length, protocolVersion)
        expect(native.subarray(0, length).toString('hex')).toBe(encoded.toString('hex'))
        const { packets, bytesConsumed } = decode(encoded, { protocolVersion })
        expect(bytesConsumed).toBe(encoded.length)
        expect(plain(packets)).toEqual([packet])
      }),
      { numRuns },
    )
  })

  it('a stream gives its packets wherever it is cut', () => {
    const streams = fc.tuple(
      fc.array(packetIn(protocolVersion), { minLength: 1, maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 20 }),
    )
    fc.assert(
      fc.property(streams, ([packets, sizes]) => {
        const stream = Buffer.concat(
          packets.map((packet) => encode(packet as EncodablePacket, { protocolVersion })),
        )
        expect(plain(readInParts(stream, sizes, protocolVersion))).toEqual(packets)
      }),
      { numRuns },
    )
  })

  it('bytes that somebody has meddled with give packets or one of four errors, the same however they are cut', () => {
    const originals = packetCases()
      .filter((each) => each.protocolVersion === protocolVersion && each.bytes.length < 300)
      .map((each) => each.bytes)
    const meddled = fc.tuple(
      fc.array(fc.constantFrom(...originals), { minLength: 1, maxLength: 3 }),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
      fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 10 }),
    )
    fc.assert(
      fc.property(meddled, ([parts, changes, sizes]) => {
        const stream = Buffer.concat(parts)
        for (const [at, value] of changes) stream[at % stream.length] = value
        expect(outcomeOf(() => readInParts(stream, sizes, protocolVersion))).toEqual(
          outcomeOf(() => decode(stream, { protocolVersion }).packets),
        )
      }),
      { numRuns: numRuns * 3 },
    )
  })
})

it('any bytes at all give packets or one of four errors', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.constantFrom(3, 4, 5), (bytes, version) => {
      const protocolVersion = version as ProtocolVersion
      outcomeOf(() => decode(bytes, { protocolVersion }).packets)
    }),
    { numRuns: 2000 },
  )
})

/** What a parser makes of a stream, in chunks of these sizes again and again. */
function readInParts(stream: Buffer, sizes: readonly number[], protocolVersion: ProtocolVersion): Packet[] {
  const parser = new PacketParser({ protocolVersion })
  const packets: Packet[] = []
  for (let at = 0, turn = 0; at < stream.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1
    packets.push(...parser.push(stream.subarray(at, at + size)))
    at += size
  }
  return packets
}

const errors = new Set([
  'ERR_MQTT_MALFORMED_PACKET',
  'ERR_MQTT_PROTOCOL_ERROR',
  'ERR_MQTT_UNSUPPORTED_PROTOCOL_VERSION',
  'ERR_MQTT_PACKET_TOO_LARGE',
])

/** The packets, or what was thrown. */
function outcomeOf(read: () => Packet[]): unknown {
  try {
    const packets = read()
    return plain(packets)
  } catch (error) {
    if (!(error instanceof MqttError) || !errors.has(error.code)) throw error
    return { code: error.code, reasonCode: error.reasonCode, message: error.message }
  }
}
