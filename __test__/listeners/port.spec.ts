import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { connect as tlsConnect } from 'node:tls'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { type Listener, listen } from '../../src/listeners/listener.js'
import { identify } from '../../src/listeners/port.js'
import type { Limits, ListenerProtocol, TlsOptions } from '../../src/options.js'
import { RecordingAcceptor } from '../support/acceptor.js'
import { type Certificate, makeCertificate } from '../support/certificates.js'
import { RawClient } from '../support/raw-client.js'
import { until } from '../support/until.js'

const CONNECT = Buffer.from('10100004 4d515454 04020000 0004 74657374'.replaceAll(' ', ''), 'hex')
/** The beginning of a ClientHello; no server here reads further unless it has a certificate. */
const CLIENT_HELLO = Buffer.from('160301020001', 'hex')
const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'

const open: Listener[] = []
let certificate: Certificate

async function start(
  protocol: ListenerProtocol,
  { tls, limits = {} }: { tls?: boolean | TlsOptions; limits?: Partial<Limits> } = {},
): Promise<{ acceptor: RecordingAcceptor; port: number; listener: Listener }> {
  const acceptor = new RecordingAcceptor({ limits })
  const options = {
    protocol,
    port: 0,
    host: '127.0.0.1',
    tls: tls ? { ...certificate, ...(tls === true ? {} : tls) } : undefined,
  }
  const listener = await listen(options, acceptor)
  acceptor.addresses.push(...listener.addresses)
  open.push(listener)
  return { acceptor, port: listener.addresses[0]?.port ?? 0, listener }
}

/** A client that begins with these bytes. */
async function dial(port: number, bytes: Uint8Array | string): Promise<RawClient> {
  return (await RawClient.connect(port)).send(bytes)
}

/** Whoever begins with these bytes is told nothing, and the connection ends. */
async function expectEnd(port: number, bytes: Uint8Array | string): Promise<void> {
  const client = await dial(port, bytes)
  expect(await client.end()).toHaveLength(0)
}

async function secure(port: number): Promise<RawClient> {
  const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  return RawClient.over(socket)
}

beforeAll(async () => {
  certificate = await makeCertificate()
})

afterEach(async () => {
  await Promise.all(open.splice(0).map((listener) => listener.close()))
})

describe('identify', () => {
  it.each([
    ['nothing', [], undefined],
    ['CONNECT', [0x10], 'mqtt'],
    ['CONNECT and more', [0x10, 0x0c], 'mqtt'],
    ['GET', [0x47], 'http'],
    ['a lower-case letter', [0x67], 'http'],
    ['half of a TLS record header', [0x16], undefined],
    ['a TLS record', [0x16, 0x03], 'tls'],
    ['0x16 and something else', [0x16, 0x01], 'unknown'],
    ['PUBLISH', [0x30], 'unknown'],
    ['CONNECT with a reserved flag', [0x11], 'unknown'],
    ['the characters around the letters', [0x40], 'unknown'],
    ['[', [0x5b], 'unknown'],
    ['{', [0x7b], 'unknown'],
    ['a zero', [0x00], 'unknown'],
    ['0xff', [0xff], 'unknown'],
    ['P, which may be POST or PROXY', [0x50], undefined],
    ['PO', [0x50, 0x4f], 'http'],
    ['PROXY', [...Buffer.from('PROXY')], undefined],
    ['PROXY and a space', [...Buffer.from('PROXY ')], 'unknown'],
    ['SSH-', [...Buffer.from('SSH-2.0-x')], 'unknown'],
    ['CONNECT to a host', [...Buffer.from('CONNECT h')], 'http'],
  ])('%s', (_title, bytes, spoken) => {
    expect(identify(Uint8Array.from(bytes))).toBe(spoken)
  })
})

describe('the one port', () => {
  it('gives MQTT to the acceptor with all bytes that were read to find out', async () => {
    const { acceptor, port } = await start('auto')
    const client = await dial(port, CONNECT)
    const sink = await acceptor.sink()
    expect(sink.received).toEqual(CONNECT)
    expect(sink.transport.protocol).toBe('mqtt')
    expect(sink.transport.remoteAddress).toBe(`127.0.0.1:${client.socket.localPort}`)
    client.destroy()
  })

  it('takes a CONNECT that comes byte by byte', async () => {
    const { acceptor, port } = await start('auto')
    const client = await RawClient.connect(port)
    await client.sendSlowly(CONNECT)
    const sink = await acceptor.sink()
    await until(() => sink.received.length === CONNECT.length, 'the whole packet')
    expect(sink.received).toEqual(CONNECT)
    client.destroy()
  })

  it('answers HTTP, also byte by byte', async () => {
    const { acceptor, port } = await start('auto')
    const client = await RawClient.connect(port)
    await client.sendSlowly(Buffer.from(GET))
    const response = (await client.end()).toString()
    expect(response).toMatch(/^HTTP\/1\.1 200 OK/)
    expect(response).toContain('/topics/chat/room1')
    expect(acceptor.sinks).toHaveLength(0)
  })

  it('serves MQTT, HTTP and WebSocket inside TLS beside the plain ones when it has a certificate', async () => {
    const { acceptor, port } = await start('auto', { tls: true })
    const mqtts = (await secure(port)).send(CONNECT)
    expect((await acceptor.sink(0)).transport.protocol).toBe('mqtts')
    expect((await acceptor.sink(0)).received).toEqual(CONNECT)

    const https = (await secure(port)).send(GET)
    expect((await https.end()).toString()).toContain('wss://localhost/mqtt')

    const wss = new WebSocket(`wss://127.0.0.1:${port}/mqtt`, 'mqtt', { rejectUnauthorized: false })
    await once(wss, 'open')
    expect((await acceptor.sink(1)).transport.protocol).toBe('wss')

    const mqtt = await dial(port, CONNECT)
    expect((await acceptor.sink(2)).transport.protocol).toBe('mqtt')
    mqtts.destroy()
    wss.terminate()
    mqtt.destroy()
  })

  it('takes a TLS handshake that comes byte by byte at first', async () => {
    const { acceptor, port } = await start('auto', { tls: true })
    const raw = await RawClient.connect(port)
    let isFirst = true
    const pipe = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, callback) {
        const slow = isFirst ? 4 : 0
        isFirst = false
        raw.sendSlowly(chunk.subarray(0, slow)).then(() => {
          raw.send(chunk.subarray(slow))
          callback()
        }, callback)
      },
    })
    raw.socket.on('data', (chunk) => pipe.push(chunk))
    const client = tlsConnect({ socket: pipe, rejectUnauthorized: false })
    await once(client, 'secureConnect')
    client.write(CONNECT)
    expect((await acceptor.sink()).received).toEqual(CONNECT)
    client.destroy()
    raw.destroy()
  })

  it('closes on a TLS client without a certificate, and says so once', async () => {
    const { acceptor, port } = await start('auto')
    const client = await RawClient.connect(port)
    await client.sendSlowly(CLIENT_HELLO)
    expect(await client.end()).toHaveLength(0)
    expect(client.error).toBeUndefined()
    expect(acceptor.warnings).toEqual([
      'A TLS client on a port without a certificate: use mqtt:// or ws://, or give --tls-cert and --tls-key.',
    ])
    expect(acceptor.lines[0]?.fields).toMatchObject({ peer: `127.0.0.1:${client.socket.localPort}`, port })
  })

  it.each([0x00, 0x11, 0x30, 0x80, 0xe0, 0xff])('closes on the first byte %i and names it', async (byte) => {
    const { acceptor, port } = await start('auto')
    await expectEnd(port, Buffer.of(byte, 1, 2, 3))
    const hex = byte.toString(16).padStart(2, '0')
    expect(acceptor.warnings).toEqual([
      `A client began with the byte 0x${hex}, which is neither MQTT, HTTP nor TLS.`,
    ])
  })

  it.each<[string, string | number[], string]>([
    ['SSH', 'SSH-2.0-OpenSSH_9.2\r\n', 'An SSH client on a port for MQTT and WebSockets: its port is 22.'],
    [
      'AMQP',
      'AMQP\0\0\x09\x01',
      'An AMQP client on a port for MQTT and WebSockets: this broker speaks MQTT;',
    ],
    ['the PROXY protocol', 'PROXY TCP4 1.2.3.4 1.2.3.5 1 2\r\n', 'A proxy with the PROXY protocol on a port'],
    [
      'its second version',
      [0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21, 0x11],
      'A proxy with the PROXY protocol (version 2) on a port',
    ],
    [
      'HTTP/2',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      'An HTTP/2 client on a port for MQTT and WebSockets: have the',
    ],
    ['STOMP', 'CONNECT\naccept-version:1.2\n\n\0', 'A STOMP client on a port'],
    ['NATS', 'CONNECT {"verbose":false}\r\n', 'A NATS client on a port'],
    ['Redis', '*1\r\n$4\r\nPING\r\n', 'A Redis client on a port for MQTT and WebSockets: its port is 6379.'],
    ['Kafka', [0, 0, 0, 20, 0, 18, 0, 3, 0, 0, 0, 1], 'A Kafka client on a port'],
    ['PostgreSQL', [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f], 'A PostgreSQL client on a port'],
    ['SOCKS 5', [5, 1, 0], 'A SOCKS client on a port'],
    ['Remote Desktop', [3, 0, 0, 0x13, 0x0e, 0xe0, 0, 0], 'A Remote Desktop client on a port'],
    [
      'MQTT-SN',
      [8, 4, 4, 1, 0, 10, 0x61, 0x62],
      'An MQTT-SN client on a port for MQTT and WebSockets: MQTT-SN is',
    ],
    ['PINGREQ', [0xc0, 0], 'An MQTT client that begins with PINGREQ on a port'],
  ])('closes on %s, and names it', async (_title, bytes, sentence) => {
    const { acceptor, port } = await start('auto')
    await expectEnd(port, Buffer.from(bytes as string))
    expect(acceptor.warnings).toEqual([expect.stringContaining(sentence)])
  })

  it('says why a TLS handshake failed', async () => {
    const { acceptor, port } = await start('auto', { tls: { requestCert: true } })
    const client = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false })
    await once(client, 'error')
    await until(() => acceptor.warnings.length > 0, 'a warning')
    expect(acceptor.warnings).toEqual([
      'A TLS handshake failed: peer did not return a certificate; the client has sent no certificate, which this port asks for.',
    ])
  })

  it('says that a TLS client is too old', async () => {
    const { acceptor, port } = await start('auto', { tls: true })
    const settings = { maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
    const client = tlsConnect({ port, host: '127.0.0.1', ...settings })
    await once(client, 'error')
    await until(() => acceptor.warnings.length > 0, 'a warning')
    expect(acceptor.warnings[0]).toMatch(
      /; the client speaks only versions of TLS that are too old: see minVersion\.$/,
    )
  })

  it('closes on TLS inside TLS', async () => {
    const { acceptor, port } = await start('auto', { tls: true })
    const client = (await secure(port)).send(CLIENT_HELLO)
    expect(await client.end()).toHaveLength(0)
    expect(acceptor.warnings[0]).toContain('TLS inside TLS')
  })

  it.each([
    ['says nothing', Buffer.alloc(0)],
    ['begins a TLS record and stops', Buffer.of(0x16)],
    ['begins a TLS handshake and stops', CLIENT_HELLO],
    ['sends an HTTP request line and stops', Buffer.from('GET / HTTP/1.1\r\nHost: loc')],
  ])('drops a client that %s', async (_title, bytes) => {
    const { acceptor, port } = await start('auto', { tls: true, limits: { connectTimeoutMs: 60 } })
    const client = await dial(port, bytes)
    const before = performance.now()
    await until(() => client.ended || client.closed, 'the end')
    expect(performance.now() - before).toBeLessThan(1_500)
    expect(acceptor.sinks).toHaveLength(0)
    client.destroy()
  })

  it('does not let silent clients pile up', async () => {
    const { port } = await start('auto', { limits: { maximumConnections: 3 } })
    const silent = await Promise.all(Array.from({ length: 5 }, () => RawClient.connect(port)))
    const dropped = (): number => silent.filter((client) => client.ended || client.closed).length
    await until(() => dropped() === 2, 'two dropped')
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(dropped()).toBe(2)
    for (const client of silent) client.destroy()
  })

  it('lets a connection that has spoken be silent', async () => {
    const { acceptor, port } = await start('auto', { limits: { connectTimeoutMs: 50 } })
    const client = await dial(port, CONNECT)
    const sink = await acceptor.sink()
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(sink.closedCount).toBe(0)
    client.destroy()
  })

  it('survives clients that leave at any point', async () => {
    const { acceptor, port } = await start('auto', { tls: true })
    const leaving = [
      Buffer.alloc(0),
      Buffer.of(0x16),
      CLIENT_HELLO,
      CONNECT.subarray(0, 1),
      Buffer.from('GE'),
    ]
    for (const bytes of leaving) {
      const orderly = await dial(port, bytes)
      orderly.socket.end()
      const abrupt = await dial(port, bytes)
      await new Promise((resolve) => setTimeout(resolve, 5))
      abrupt.socket.resetAndDestroy()
    }
    const client = await dial(port, CONNECT)
    await until(() => acceptor.sinks.some((sink) => sink.received.equals(CONNECT)), 'a good client')
    client.destroy()
  })

  it('drops clients that have not said anything when the listener closes', async () => {
    const { port, listener } = await start('auto', { tls: true })
    const silent = await RawClient.connect(port)
    const shaking = await dial(port, CLIENT_HELLO)
    await new Promise((resolve) => setTimeout(resolve, 20))
    await listener.close()
    await until(() => (silent.ended || silent.closed) && (shaking.ended || shaking.closed), 'both ends')
    silent.destroy()
    shaking.destroy()
    await expect(RawClient.connect(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })
})

describe('a port for one protocol', () => {
  it('mqtt: takes MQTT', async () => {
    const { acceptor, port } = await start('mqtt')
    const client = await dial(port, CONNECT)
    expect((await acceptor.sink()).received).toEqual(CONNECT)
    client.destroy()
  })

  it('mqtt: answers HTTP with the URL that speaks it', async () => {
    const { acceptor, port } = await start('mqtt')
    acceptor.addresses.push({
      protocol: 'ws',
      host: '127.0.0.1',
      port: 8083,
      url: 'ws://127.0.0.1:8083/mqtt',
    })
    const client = await dial(port, GET)
    const response = (await client.end()).toString()
    expect(response).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(response).toContain('This port speaks MQTT, not HTTP: use ws://127.0.0.1:8083/mqtt.')
    expect(acceptor.warnings[0]).toContain('use ws://127.0.0.1:8083/mqtt')
  })

  it('mqtt: tells a TLS client where TLS is', async () => {
    const { acceptor, port } = await start('mqtt')
    acceptor.addresses.push({
      protocol: 'mqtts',
      host: '127.0.0.1',
      port: 8883,
      url: 'mqtts://127.0.0.1:8883',
    })
    await expectEnd(port, CLIENT_HELLO)
    expect(acceptor.warnings[0]).toContain('use mqtts://127.0.0.1:8883')
  })

  it('mqtts: takes MQTT inside TLS and nothing else', async () => {
    const { acceptor, port } = await start('mqtts', { tls: true })
    const good = (await secure(port)).send(CONNECT)
    expect((await acceptor.sink()).transport.protocol).toBe('mqtts')
    good.destroy()

    await expectEnd(port, CONNECT)
    expect(acceptor.warnings[0]).toContain('use mqtts://')

    const https = (await secure(port)).send(GET)
    expect((await https.end()).toString()).toContain('This port speaks MQTT, not HTTP')
    expect(acceptor.sinks).toHaveLength(1)
  })

  it('ws: takes WebSockets and tells an MQTT client where MQTT is', async () => {
    const { acceptor, port } = await start('ws')
    acceptor.addresses.push({ protocol: 'mqtt', host: '127.0.0.1', port: 1883, url: 'mqtt://127.0.0.1:1883' })
    const webSocket = new WebSocket(`ws://127.0.0.1:${port}/mqtt`, 'mqtt')
    await once(webSocket, 'open')
    expect((await acceptor.sink()).transport.protocol).toBe('ws')
    webSocket.terminate()

    await expectEnd(port, CONNECT)
    expect(acceptor.warnings).toEqual([
      'A plain MQTT client on a port for WebSockets: use mqtt://127.0.0.1:1883.',
    ])
    expect(acceptor.sinks).toHaveLength(1)
  })

  it('wss: takes WebSockets inside TLS and answers plain HTTP', async () => {
    const { acceptor, port } = await start('wss', { tls: true })
    const webSocket = new WebSocket(`wss://127.0.0.1:${port}/`, 'mqtt', { rejectUnauthorized: false })
    await once(webSocket, 'open')
    expect((await acceptor.sink()).transport.protocol).toBe('wss')
    webSocket.terminate()

    const client = await dial(port, GET)
    expect((await client.end()).toString()).toContain('This port is encrypted: use https:// or wss://.')
    expect(acceptor.sinks).toHaveLength(1)
  })
})
