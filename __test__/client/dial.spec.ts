import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { parseAddresses, type ServerAddress } from '../../src/client/address.js'
import { type DialOptions, dial, overDuplex } from '../../src/client/dial.js'
import type { ClientTransport } from '../../src/client/transport.js'
import { createMemoryPair } from '../../src/transports/memory.js'
import { type Certificate, makeCertificate } from '../support/certificates.js'
import { type Kind, kinds, Reports, serve } from '../support/stream-server.js'
import { until } from '../support/until.js'

/** More than the buffers of two kernels and of a stream between them. */
const LARGE_BYTES = 8_000_000
const BLOCK_BYTES = 100_000
let certificate: Certificate

beforeAll(async () => {
  certificate = await makeCertificate()
})

function optionsFor(kind: Kind): DialOptions {
  return kind === 'mqtts' || kind === 'wss' ? { ca: certificate.cert } : {}
}

async function connected(kind: Kind) {
  const server = await serve(kind, { ...certificate })
  const transport = await dial(server.address, optionsFor(kind))
  onTestFinished(() => transport.destroy())
  return { server, transport, reports: new Reports(transport), peer: await server.peer() }
}

/** Sends `total` bytes from one buffer, which it writes anew whenever it may. */
async function sendLarge(transport: ClientTransport, total: number): Promise<number> {
  const block = Buffer.alloc(BLOCK_BYTES)
  let drained = (): void => {}
  let waits = 0
  transport.onDrain = () => drained()
  for (let sent = 0; sent < total; sent += BLOCK_BYTES) {
    block.fill((sent / BLOCK_BYTES) % 251)
    const draining = new Promise<void>((resolve) => {
      drained = resolve
    })
    if (transport.write(block)) continue
    waits += 1
    await draining
  }
  block.fill(0xff)
  return waits
}

function isLarge(received: Buffer, total: number): boolean {
  for (let at = 0; at < total; at += 997) {
    if (received[at] !== Math.floor(at / BLOCK_BYTES) % 251) return false
  }
  return received.length === total
}

describe.each(kinds)('a connection to %s', (kind) => {
  it('carries bytes in both directions', async () => {
    const { transport, reports, peer } = await connected(kind)
    transport.write(Buffer.from('to the server'))
    await until(() => Buffer.concat(peer.received).toString() === 'to the server', 'the bytes')
    peer.stream.write('to the client')
    await until(() => reports.received.toString() === 'to the client', 'the answer')
    peer.stream.write(', again')
    await until(() => reports.received.toString() === 'to the client, again', 'the second answer')
  })

  it('says when it is full and when it is not, and does not use memory that it has given back', async () => {
    const { transport, peer } = await connected(kind)
    peer.stream.pause()
    setTimeout(() => peer.stream.resume(), 50)
    const waits = await sendLarge(transport, LARGE_BYTES)
    expect(waits).toBeGreaterThan(0)
    await until(() => peer.received.reduce((sum, { length }) => sum + length, 0) >= LARGE_BYTES, 'all of it')
    expect(isLarge(Buffer.concat(peer.received), LARGE_BYTES)).toBe(true)
  })

  it('receives what is larger than any buffer', async () => {
    const { reports, peer } = await connected(kind)
    peer.stream.write(Buffer.alloc(LARGE_BYTES, 'large'))
    await until(() => reports.received.length >= LARGE_BYTES, 'all of it')
    expect(reports.received.equals(Buffer.alloc(LARGE_BYTES, 'large'))).toBe(true)
  })

  it('stops reading while it is paused', async () => {
    const { transport, reports, peer } = await connected(kind)
    transport.pause()
    // One chunk may have been on its way.
    peer.stream.write('x')
    await new Promise((resolve) => setTimeout(resolve, 30))
    const before = reports.received.length
    for (let count = 0; count < 20; count += 1) {
      peer.stream.write(Buffer.alloc(BLOCK_BYTES))
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    expect(reports.received.length).toBeLessThanOrEqual(before + BLOCK_BYTES + 65_536)
    transport.resume()
    await until(() => reports.received.length === 20 * BLOCK_BYTES + 1, 'the rest')
  })

  it('keeps for its handlers what the server says first', async () => {
    const server = await serve(kind, { ...certificate })
    const dialling = dial(server.address, optionsFor(kind))
    const peer = await server.peer()
    peer.stream.write('hello')
    const transport = await dialling
    onTestFinished(() => transport.destroy())
    await new Promise((resolve) => setTimeout(resolve, 30))
    const reports = new Reports(transport)
    await until(() => reports.received.toString() === 'hello', 'the greeting')
    peer.stream.write(' again')
    await until(() => reports.received.toString() === 'hello again', 'what follows it')
  })

  it('ends in order when the client wants it, with all that was written', async () => {
    const { transport, reports, peer } = await connected(kind)
    transport.write(Buffer.alloc(LARGE_BYTES, 'last'))
    transport.end()
    transport.end()
    expect(transport.write(Buffer.from('too late'))).toBe(true)
    await until(() => peer.ended, 'the end at the server')
    expect(Buffer.concat(peer.received).equals(Buffer.alloc(LARGE_BYTES, 'last'))).toBe(true)
    expect(await reports.end()).toBeUndefined()
    expect(reports.drainedCount).toBe(0)
  })

  it('ends in order when the server wants it, once the server has said something', async () => {
    const { reports, peer } = await connected(kind)
    peer.stream.end('goodbye')
    expect(await reports.end()).toBeUndefined()
    expect(reports.received.toString()).toBe('goodbye')
  })

  it('that is cut in the middle ends with an error', async () => {
    const { transport, reports, peer } = await connected(kind)
    peer.stream.write('x')
    await until(() => reports.chunks.length > 0, 'the first bytes')
    transport.write(Buffer.from('on its way'))
    peer.cut()
    const error = await reports.end()
    expect(error?.code).toBe('ERR_MQTT_CONNECTION_LOST')
    expect(error?.message).toMatch(/^The connection to .+ (was|failed).+\.$/)
  })

  it('that is destroyed ends at once, without an error', async () => {
    const { transport, reports, peer } = await connected(kind)
    transport.destroy()
    transport.destroy()
    expect(await reports.end()).toBeUndefined()
    await until(() => peer.stream.destroyed || peer.ended, 'the end at the server')
  })

  it('that ended before there was a handler is reported to it', async () => {
    const { server, transport } = await connected(kind)
    for (const peer of server.peers) peer.cut()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect((await new Reports(transport).end())?.code).toBe('ERR_MQTT_CONNECTION_LOST')
  })
})

describe('a TCP connection', () => {
  it('that ends without a word says so', async () => {
    const { reports, peer, server } = await connected('mqtt')
    peer.stream.end()
    expect(await reports.end()).toMatchObject({
      code: 'ERR_MQTT_CONNECTION_LOST',
      message: `${server.url} ended the connection without a word: the port may be for something else (TLS, HTTP), or the server has no room.`,
    })
  })

  it('sends small packets at once', async () => {
    const server = await serve('mqtt')
    const transport = await dial(server.address)
    onTestFinished(() => transport.destroy())
    const reports = new Reports(transport)
    const peer = await server.peer()
    let arrived = 0
    peer.stream.on('data', (chunk: Buffer) => {
      // Only the second of a pair is answered: an answer would acknowledge the first.
      if (arrived % 2 === 1 || chunk.length > 1) peer.stream.write(Buffer.of(0))
      arrived += chunk.length
    })
    const durations: number[] = []
    for (let count = 1; count <= 60; count += 1) {
      const started = performance.now()
      transport.write(Buffer.of(1))
      transport.write(Buffer.of(2))
      await until(() => reports.received.length === count, 'the answer')
      durations.push(performance.now() - started)
    }
    // With Nagle's algorithm all but the first few would wait for a delayed acknowledgement of 40 ms.
    expect(durations.filter((ms) => ms < 35).length).toBeGreaterThan(30)
  })

  it('is told by the options how it is made', async () => {
    const server = await serve('mqtt')
    const asked: string[] = []
    const transport = await dial(
      { ...server.address, host: 'a.test' },
      {
        lookup: (hostname, _options, callback) => {
          asked.push(hostname)
          callback(null, [{ address: '127.0.0.1', family: 4 }])
        },
      },
    )
    onTestFinished(() => transport.destroy())
    expect(asked).toEqual(['a.test'])
  })
})

describe('a TLS connection', () => {
  it('names the host, and asks for the protocols of ALPN', async () => {
    const server = await serve('mqtts', { ...certificate, ALPNProtocols: ['mqtt'] })
    const transport = await dial(server.address, { ca: certificate.cert, ALPNProtocols: ['mqtt'] })
    onTestFinished(() => transport.destroy())
    const peer = await server.peer()
    expect(peer.stream).toMatchObject({ servername: 'localhost', alpnProtocol: 'mqtt' })
  })

  it('can be let through unchecked', async () => {
    const server = await serve('mqtts', { ...certificate })
    const transport = await dial(server.address, { rejectUnauthorized: false })
    transport.destroy()
  })

  it('shows the certificate of the client', async () => {
    const server = await serve('mqtts', { ...certificate, requestCert: true, ca: certificate.cert })
    const transport = await dial(server.address, { ca: certificate.cert, ...certificate })
    onTestFinished(() => transport.destroy())
    expect((await server.peer()).stream).toMatchObject({ authorized: true })
  })
})

describe('a WebSocket', () => {
  async function webSocketServer() {
    const webSockets: WebSocket[] = []
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    const requests: { url?: string | undefined; headers: Record<string, unknown> }[] = []
    server.on('connection', (webSocket, request) => {
      webSockets.push(webSocket)
      requests.push(request)
    })
    await once(server, 'listening')
    onTestFinished(() => {
      for (const webSocket of webSockets) webSocket.terminate()
      server.close()
    })
    const { port } = server.address() as { port: number }
    const [address] = parseAddresses(`ws://127.0.0.1:${port}/mqtt?a=b`)
    return { address: address as ServerAddress, webSockets, requests }
  }

  // Before its CONNECT: [MQTT-6.0.0-3], v3.1.1 [MQTT-6.0.0-3]
  it.each([
    [5, 'mqtt'],
    [4, 'mqtt'],
    [3, 'mqttv3.1'],
  ])(
    'of version %i offers the subprotocol %s, with the headers that are wanted',
    async (protocolVersion, name) => {
      const { address, webSockets, requests } = await webSocketServer()
      const transport = await dial(address, { protocolVersion, wsOptions: { headers: { 'x-token': 't' } } })
      onTestFinished(() => transport.destroy())
      await until(() => webSockets.length === 1, 'the WebSocket')
      expect(webSockets[0]?.protocol).toBe(name)
      expect(requests[0]?.url).toBe('/mqtt?a=b')
      expect(requests[0]?.headers).toMatchObject({ 'x-token': 't' })
      expect(requests[0]?.headers).not.toHaveProperty('sec-websocket-extensions')
    },
  )

  it('goes where transformWsUrl says', async () => {
    const { address, requests } = await webSocketServer()
    const transport = await dial(address, { transformWsUrl: (url) => `${url}&signed=1` })
    onTestFinished(() => transport.destroy())
    await until(() => requests.length === 1, 'the WebSocket')
    expect(requests[0]?.url).toBe('/mqtt?a=b&signed=1')
  })

  // As a server does it from CONNECT on: [MQTT-6.0.0-1], v3.1.1 [MQTT-6.0.0-1]
  it('with a text frame ends with an error, and the server is told with 1003', async () => {
    const { address, webSockets } = await webSocketServer()
    const transport = await dial(address)
    const reports = new Reports(transport)
    const webSocket = await until(() => webSockets[0], 'the WebSocket')
    const closed = once(webSocket, 'close')
    webSocket.send('text')
    webSocket.send(Buffer.from('bytes'))
    expect(await reports.end()).toMatchObject({
      code: 'ERR_MQTT_PROTOCOL_ERROR',
      message: expect.stringMatching(/sent a text frame, and MQTT travels in binary ones/),
    })
    expect(reports.chunks).toEqual([])
    expect((await closed)[0]).toBe(1003)
  })

  it('that the server closes with a reason passes the reason on', async () => {
    const { address, webSockets } = await webSocketServer()
    const reports = new Reports(await dial(address))
    const webSocket = await until(() => webSockets[0], 'the WebSocket')
    webSocket.close(4135, 'Not authorized.')
    expect(await reports.end()).toMatchObject({
      code: 'ERR_MQTT_CONNECTION_LOST',
      message: `ws://127.0.0.1:${address.port}/mqtt closed the WebSocket with 4135: Not authorized.`,
    })
  })

  // As a server does it from CONNECT on: [MQTT-6.0.0-2], v3.1.1 [MQTT-6.0.0-2]
  it('joins what comes in fragments', async () => {
    const { address, webSockets } = await webSocketServer()
    const transport = await dial(address)
    onTestFinished(() => transport.destroy())
    const reports = new Reports(transport)
    const webSocket = await until(() => webSockets[0], 'the WebSocket')
    webSocket.send(Buffer.from('one'), { fin: false })
    webSocket.send(Buffer.from('two'), { fin: true })
    await until(() => reports.received.toString() === 'onetwo', 'the message')
  })
})

describe("a stream of the user's own", () => {
  it('carries bytes in both directions and ends in order', async () => {
    const [mine, theirs] = createMemoryPair()
    const transport = overDuplex(mine)
    const reports = new Reports(transport)
    const received: Buffer[] = []
    theirs.on('data', (chunk: Buffer) => received.push(chunk)).on('end', () => theirs.end())
    transport.write(Buffer.from('to'))
    theirs.write('fro')
    await until(() => Buffer.concat(received).toString() === 'to', 'the bytes')
    await until(() => reports.received.toString() === 'fro', 'the answer')
    transport.end()
    expect(await reports.end()).toBeUndefined()
  })

  it('may be a socket that is still connecting', async () => {
    const server = await serve('mqtt')
    const transport = overDuplex(connectTcp(server.address.port, '127.0.0.1'))
    onTestFinished(() => transport.destroy())
    const reports = new Reports(transport)
    transport.write(Buffer.from('early'))
    const peer = await server.peer()
    await until(() => Buffer.concat(peer.received).toString() === 'early', 'the bytes')
    peer.stream.write('answer')
    await until(() => reports.received.toString() === 'answer', 'the answer')
  })

  it('that is over already says so', async () => {
    const [mine] = createMemoryPair()
    mine.destroy()
    await new Promise(setImmediate)
    expect((await new Reports(overDuplex(mine)).end())?.code).toBe('ERR_MQTT_CONNECTION_LOST')
  })

  it('that fails passes its error on', async () => {
    const [mine] = createMemoryPair()
    const reports = new Reports(overDuplex(mine))
    const cause = new Error('it broke.')
    mine.destroy(cause)
    const error = await reports.end()
    expect(error).toMatchObject({
      code: 'ERR_MQTT_CONNECTION_LOST',
      message: 'The connection to the stream failed: it broke.',
      cause,
    })
  })
})
