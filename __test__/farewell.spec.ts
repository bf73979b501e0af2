/** Clients that are sent away, and where to: what they hear on the wire, and what of it is checked before. */
import { once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { Broker, type BrokerOptions, type Farewell } from '../src/index.js'
import { connect, packet, string } from './support/mqtt-bytes.js'
import { until } from './support/until.js'
import type { Version } from './vectors/reader/notation.js'
import { packetLength } from './vectors/reader/pattern.js'
import { dial, type TransportName, transports, type Wire } from './vectors/reader/wire.js'

const ELSEWHERE = 'mqtt2.example.org:1883'
const open: { close(): unknown }[] = []

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

async function start(options: BrokerOptions = {}): Promise<{ broker: Broker; port: number }> {
  const broker = await Broker.start({ port: 0, host: '127.0.0.1', ...options })
  open.push({ close: () => broker.close({ drainTimeoutMs: 0 }) })
  return { broker, port: broker.addresses[0]?.port ?? 0 }
}

/** A client with the id `c`, and its CONNACK. */
async function client(
  transport: TransportName,
  port: number,
  version: Version = '5.0',
): Promise<{ wire: Wire; connack: Buffer }> {
  const wire = await dial(transport, port, version)
  open.push({ close: () => wire.cut() })
  wire.send(connect('c', version === '5.0' ? 5 : 4))
  const length = await until(() => packetLength(wire.unread), 'CONNACK')
  const connack = wire.unread.subarray(0, length)
  wire.unread = wire.unread.subarray(length)
  return { wire, connack }
}

/** What came after CONNACK, once the broker has closed. */
async function rest(wire: Wire): Promise<Buffer> {
  await until(() => wire.isClosed, 'the end')
  return wire.unread
}

/** A UTF-8 Encoded String behind its property. */
function property(identifier: number, text: string): Buffer {
  return Buffer.concat([Buffer.of(identifier), string(text)])
}

/** A packet of codes and properties. */
function withProperties([first = 0, ...codes]: number[], properties: Buffer): Buffer {
  return packet(first, codes, [properties.length], properties)
}

describe.each(transports)('over %s', (transport) => {
  it('a client is sent to another server with DISCONNECT', async () => {
    const { broker, port } = await start()
    const { wire } = await client(transport, port)
    const gone = once(broker, 'disconnect')
    expect(broker.disconnect('c', { serverReference: ELSEWHERE, reason: 'moved' })).toBe(true)
    const words = Buffer.concat([property(0x1f, 'moved'), property(0x1c, ELSEWHERE)])
    expect(await rest(wire)).toEqual(withProperties([0xe0, 0x9c], words))
    expect((await gone)[0]).toMatchObject({
      clientId: 'c',
      reasonCode: 0x9c,
      reason: 'Use another server',
      detail: 'moved',
    })
    expect(broker.disconnect('c', { serverReference: ELSEWHERE })).toBe(false)
  })

  it('a 3.1.1 client only sees the end', async () => {
    const { broker, port } = await start()
    const { wire } = await client(transport, port, '3.1.1')
    broker.disconnect('c', { serverReference: ELSEWHERE })
    expect(await rest(wire)).toHaveLength(0)
  })

  it('control characters in the reason arrive escaped', async () => {
    const { broker, port } = await start()
    const { wire } = await client(transport, port)
    broker.disconnect('c', { reason: 'said "a\r\n\0b" – é' })
    const words = property(0x1f, 'said "a\\u000d\\u000a\\u0000b" – é')
    expect(await rest(wire)).toEqual(withProperties([0xe0, 0x98], words))
  })

  it('a Reason Code alone still does', async () => {
    const { broker, port } = await start()
    const { wire } = await client(transport, port)
    broker.disconnect('c', 0x89)
    expect([...(await rest(wire))]).toEqual([0xe0, 1, 0x89])
  })

  it('a broker that closes moves everybody', async () => {
    const { broker, port } = await start()
    const { wire } = await client(transport, port)
    await broker.close({ serverReference: ELSEWHERE, reasonCode: 0x9d })
    expect(await rest(wire)).toEqual(withProperties([0xe0, 0x9d], property(0x1c, ELSEWHERE)))
  })

  it('authenticate refuses with another server, which 3.1.1 hears as Server unavailable', async () => {
    const authenticate = () => ({ reasonCode: 0x9c, reason: 'full', serverReference: ELSEWHERE })
    const { port } = await start({ authenticate })
    const words = Buffer.concat([property(0x1f, 'full'), property(0x1c, ELSEWHERE)])
    expect((await client(transport, port)).connack).toEqual(withProperties([0x20, 0, 0x9c], words))
    expect([...(await client(transport, port, '3.1.1')).connack]).toEqual([0x20, 2, 0, 3])
  })

  it('a server reference with another code denies, and the log says what is wrong with the hook', async () => {
    const errors: { err: Error }[] = []
    const logger = {
      debug() {},
      info() {},
      warn() {},
      error: (fields: object) => errors.push(fields as never),
    }
    const authenticate = () => ({ reasonCode: 0x87, serverReference: ELSEWHERE })
    const { port } = await start({ authenticate, logger })
    expect([...(await client(transport, port)).connack.subarray(2, 4)]).toEqual([0, 0x80])
    expect(errors).toHaveLength(1)
    expect(errors[0]?.err.message).toBe(
      'serverReference goes with 0x9C (Use another server) or 0x9D (Server moved), not with 0x87.',
    )
  })

  it('[MQTT-3.1.2-28] authenticate gives a client that asks Response Information of its own', async () => {
    const authenticate = ({ clientId }: { clientId: string }) => ({ responseInformation: `own/${clientId}` })
    const { port } = await start({ authenticate, responseInformation: 'all/%c' })
    const wire = await dial(transport, port, '5.0')
    open.push({ close: () => wire.cut() })
    const requestResponseInformation = [2, 0x19, 1]
    wire.send(packet(0x10, string('MQTT'), [5, 2, 0, 0], requestResponseInformation, string('c')))
    const length = await until(() => packetLength(wire.unread), 'CONNACK')
    expect(wire.unread.subarray(3, 4)).toEqual(Buffer.of(0))
    expect(wire.unread.subarray(0, length).includes(property(0x1a, 'own/c'))).toBe(true)
    expect((await client(transport, port)).connack.includes('own/')).toBe(false)
  })
})

describe('a page on a topic', () => {
  it('reads why it was sent away in the close event', async () => {
    const { broker, port } = await start()
    const page = new WebSocket(`ws://127.0.0.1:${port}/topics/t?clientId=page`)
    const connected = once(broker, 'connect') as Promise<[{ clientId: string }]>
    await once(page, 'open')
    const [{ clientId }] = await connected
    const closed = once(page, 'close') as Promise<[number, Buffer]>
    broker.disconnect(clientId, { reasonCode: 0x98, reason: 'maintenance until noon' })
    const [code, reason] = await closed
    expect([code, `${reason}`]).toEqual([4152, 'Administrative action: maintenance until noon'])
  })
})

describe('a farewell that cannot be said', () => {
  const cases: [string, Farewell, RegExp][] = [
    [
      'a code that is none of a refusal',
      { reasonCode: 0x10 },
      /^reasonCode must be .* 128 to 255, not 16\.$/,
    ],
    ['a fraction', { reasonCode: 128.5 }, /^reasonCode must/],
    [
      'another server with another code',
      { reasonCode: 0x98, serverReference: ELSEWHERE },
      /not with 0x98\.$/,
    ],
    ['U+0000 in the server reference', { serverReference: 'a\0b' }, /^serverReference must be text/],
    [
      'a reason that no field holds',
      { reason: 'é'.repeat(32_768) },
      /^reason must be text of at most 65535 bytes/,
    ],
    ['a server reference that is no text', { serverReference: 1 as never }, /^serverReference must be text/],
  ]
  it.each(cases)('is refused before anybody is disconnected: %s', async (_, farewell, message) => {
    const { broker, port } = await start()
    const { wire } = await client('TCP', port)
    const expected = expect.objectContaining({
      code: 'ERR_MQTT_INVALID_OPTION',
      message: expect.stringMatching(message),
    })
    expect(() => broker.disconnect('c', farewell)).toThrow(expected)
    await expect(broker.close(farewell)).rejects.toEqual(expected)
    expect([wire.isClosed, wire.unread.length, broker.connectedClients]).toEqual([false, 0, 1])
  })
})
