/**
 * The loads of the codec's bench, and the two codecs behind one face. The bytes are mqtt-packet's; both sides decode
 * the same chunks and touch the same things of every packet.
 */
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const mqttPacket = require('mqtt-packet')

export const versions = {
  topicwire: require('../../package.json').version,
  'mqtt-packet': require('mqtt-packet/package.json').version,
}

/** Topics that come again and again, as sensors have them; a codec may profit from that. */
const HOT_TOPICS = 256
/** More topics than anybody remembers. */
const COLD_TOPICS = 32_768

const properties = {
  messageExpiryInterval: 60,
  payloadFormatIndicator: true,
  contentType: 'application/json',
}
const userProperties = { trace: '4bf92f3577b34da6a3ce929d0e0e4736', source: 'gateway-7' }

/** `row13` marks those that the claim is made of. */
export const loads = [
  { name: 'v4-qos0-64', title: '3.1.1, QoS 0, 64 B', version: 4, qos: 0, payloadBytes: 64, row13: true },
  { name: 'v4-qos1-64', title: '3.1.1, QoS 1, 64 B', version: 4, qos: 1, payloadBytes: 64, row13: true },
  { name: 'v4-qos0-1k', title: '3.1.1, QoS 0, 1 KiB', version: 4, qos: 0, payloadBytes: 1024, row13: true },
  {
    name: 'v4-qos0-64-cold',
    title: '3.1.1, QoS 0, 64 B, each topic new',
    version: 4,
    qos: 0,
    payloadBytes: 64,
    topics: COLD_TOPICS,
  },
  {
    name: 'v5-3-properties',
    title: '5.0, QoS 1, 64 B, 3 properties',
    version: 5,
    qos: 1,
    payloadBytes: 64,
    properties,
    row13: true,
  },
  {
    name: 'v5-user-properties',
    title: '5.0, QoS 1, 64 B, 2 user properties',
    version: 5,
    qos: 1,
    payloadBytes: 64,
    properties: { userProperties },
    row13: true,
  },
  {
    name: 'v5-3-properties-read',
    title: '5.0, QoS 1, 64 B, 3 properties, all read',
    version: 5,
    qos: 1,
    payloadBytes: 64,
    properties,
    readsProperties: true,
  },
  {
    name: 'v5-user-properties-read',
    title: '5.0, QoS 1, 64 B, 2 user properties, all read',
    version: 5,
    qos: 1,
    payloadBytes: 64,
    properties: { userProperties },
    readsProperties: true,
  },
  { name: 'v4-puback', title: '3.1.1, PUBACK', version: 4, ack: true },
]

/** The packets of a load, as mqtt-packet and as topicwire call their fields. */
export function packetsOf({ version, qos, payloadBytes, topics = HOT_TOPICS, properties: given, ack }) {
  return Array.from({ length: topics }, (_, at) => {
    const packetId = (at % 65_535) + 1
    if (ack) {
      return { theirs: { cmd: 'puback', messageId: packetId }, ours: { type: 'puback', packetId }, version }
    }
    const topic = `site-${at % 16}/floor-${at % 7}/sensor-${at}/temperature`
    const payload = Buffer.alloc(payloadBytes, `{"value":${at}}`)
    const common = { payload, qos, retain: false, dup: false }
    const id = qos > 0
    return {
      theirs: {
        cmd: 'publish',
        topic,
        ...common,
        ...(id && { messageId: packetId }),
        ...(given && { properties: given }),
      },
      ours: {
        type: 'publish',
        topicName: topic,
        ...common,
        ...(id && { packetId }),
        ...(given && { properties: ourNames(given) }),
      },
      version,
    }
  })
}

function ourNames({ messageExpiryInterval, userProperties: pairs, ...same }) {
  return {
    ...same,
    ...(messageExpiryInterval !== undefined && { messageExpiryIntervalSecs: messageExpiryInterval }),
    ...(pairs !== undefined && { userProperties: Object.entries(pairs) }),
  }
}

/** The packets of a load as chunks of so many. */
export function chunksOf(load, packetsPerChunk) {
  const encoded = packetsOf(load).map(({ theirs, version }) =>
    mqttPacket.generate(theirs, { protocolVersion: version }),
  )
  const chunks = []
  for (let at = 0; at < encoded.length; at += packetsPerChunk) {
    chunks.push(Buffer.concat(encoded.slice(at, at + packetsPerChunk)))
  }
  return chunks
}

/**
 * A reader for each codec: `read(chunk)` decodes it and touches every packet; `seen()` is what has been touched, by
 * which the two are compared.
 */
export function readers({ PacketParser }, { version, readsProperties }) {
  return {
    'mqtt-packet': theirReader(version, readsProperties),
    topicwire: ourReader(PacketParser, version, readsProperties),
  }
}

function theirReader(protocolVersion, readsProperties) {
  let packets = 0
  let sum = 0
  const parser = mqttPacket.parser({ protocolVersion })
  parser.on('packet', (packet) => {
    packets += 1
    if (packet.cmd !== 'publish') sum += packet.messageId
    else {
      sum += packet.topic.length + packet.payload.length
      if (readsProperties) {
        const { contentType, messageExpiryInterval, userProperties: pairs } = packet.properties
        if (contentType !== undefined) sum += contentType.length + messageExpiryInterval
        if (pairs !== undefined) for (const name in pairs) sum += name.length + pairs[name].length
      }
    }
  })
  return { read: (chunk) => parser.parse(chunk), seen: () => ({ packets, sum }) }
}

function ourReader(PacketParser, protocolVersion, readsProperties) {
  let packets = 0
  let sum = 0
  const parser = new PacketParser({ protocolVersion })
  const read = (chunk) => {
    for (const packet of parser.push(chunk)) {
      packets += 1
      if (packet.type !== 'publish') sum += packet.packetId
      else {
        sum += packet.topicName.length + packet.payload.length
        if (readsProperties) {
          const { contentType, messageExpiryIntervalSecs, userProperties: pairs } = packet.properties
          if (contentType !== undefined) sum += contentType.length + messageExpiryIntervalSecs
          if (pairs !== undefined) for (const [name, value] of pairs) sum += name.length + value.length
        }
      }
    }
  }
  return { read, seen: () => ({ packets, sum }) }
}

/** A writer for each codec: `write(packet)` returns its bytes. */
export function writers({ encode }, { version }) {
  const options = { protocolVersion: version }
  return {
    'mqtt-packet': (packet) => mqttPacket.generate(packet.theirs, options),
    topicwire: (packet) => encode(packet.ours, options),
  }
}
