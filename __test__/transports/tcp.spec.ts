import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Listener, listen } from '../../src/listeners/listener.js'
import { probeSharedRead } from '../../src/transports/shared-read.js'
import { attachTcp, type Ownership } from '../../src/transports/tcp.js'
import { LINGER_MS } from '../../src/transports/transport.js'
import { fill, type RecordedSink, RecordingAcceptor } from '../support/acceptor.js'
import { makeCertificate } from '../support/certificates.js'
import { RawClient } from '../support/raw-client.js'
import { until } from '../support/until.js'

const BLOCK_BYTES = 262_144
const servers: Server[] = []

/** A connection whose server side is a transport, as a listener makes it, and the client's end. */
async function connected(
  ownership: Ownership,
): Promise<{ sink: RecordedSink; client: RawClient; accepted: Socket }> {
  const acceptor = new RecordingAcceptor()
  const server = createServer({ allowHalfOpen: true })
  servers.push(server)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  const accepting = once(server, 'connection') as Promise<[Socket]>
  const client = await RawClient.connect(typeof address === 'object' && address !== null ? address.port : 0)
  const [accepted] = await accepting
  attachTcp(acceptor, accepted, 'mqtt', undefined, ownership)
  return { sink: await acceptor.sink(), client, accepted }
}

afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

it('reads into the shared buffer on this platform', async () => {
  expect(await probeSharedRead()).toBe(process.platform !== 'win32')
})

// 'ours' reads through the shared buffer, 'theirs' by 'data'; both are to behave alike.
describe.each<Ownership>(['ours', 'theirs'])('a TCP transport over a socket that is %s', (ownership) => {
  it('moves the connection only when it may', async () => {
    await probeSharedRead()
    const { accepted, client } = await connected(ownership)
    expect(accepted.destroyed).toBe(ownership === 'ours')
    client.destroy()
  })

  it('carries bytes in both directions', async () => {
    const { sink, client } = await connected(ownership)
    sink.onReceive = (bytes) => sink.write(bytes)
    const sent = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 31) & 0xff))
    client.send(sent)
    await until(() => client.received.length === sent.length, 'the echo')
    expect(client.received).toEqual(sent)
    client.destroy()
  })

  it('keeps connections apart that read at the same time', async () => {
    const pairs = await Promise.all(Array.from({ length: 20 }, () => connected(ownership)))
    for (const [index, { client }] of pairs.entries()) client.send(Buffer.alloc(50_000, index))
    for (const [index, { sink, client }] of pairs.entries()) {
      await until(() => sink.received.length === 50_000, 'all bytes')
      expect(sink.received.equals(Buffer.alloc(50_000, index))).toBe(true)
      client.destroy()
    }
  })

  it('says at once that the memory of a small write may be used again', async () => {
    const { sink, client } = await connected(ownership)
    const arena = Buffer.alloc(5)
    for (const text of ['first', 'again']) {
      arena.write(text)
      expect(sink.write(arena)).toBe(true)
    }
    await until(() => client.received.length === 10, 'both')
    expect(client.received.toString()).toBe('firstagain')
    expect(sink.drainedCount).toBe(0)
    client.destroy()
  })

  it('keeps the memory when the peer does not read, and says drained when all has gone', async () => {
    const { sink, client } = await connected(ownership)
    client.socket.pause()
    const count = await fill(sink, BLOCK_BYTES)
    const drainedBefore = sink.drainedCount
    client.socket.resume()
    await until(() => sink.drainedCount === drainedBefore + 1, 'drained')
    await until(() => client.received.length === count * BLOCK_BYTES, 'all bytes')
    for (let index = 0; index < count; index += 1) {
      const block = client.received.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES)
      expect(block.equals(Buffer.alloc(BLOCK_BYTES, index))).toBe(true)
    }
    expect(sink.write(Buffer.from('more'))).toBe(true)
    client.destroy()
  })

  it('stops reading when paused and goes on when resumed', async () => {
    const { sink, client } = await connected(ownership)
    sink.transport.pause()
    client.send(Buffer.alloc(8_000_000))
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(sink.received.length).toBeLessThanOrEqual(65_536)
    sink.transport.resume()
    await until(() => sink.received.length === 8_000_000, 'the rest')
    client.destroy()
  })

  it('pauses from within receive', async () => {
    const { sink, client } = await connected(ownership)
    sink.onReceive = () => sink.transport.pause()
    client.send(Buffer.alloc(1_000_000))
    await until(() => sink.chunks.length > 0, 'a chunk')
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(sink.chunks.length).toBeLessThanOrEqual(2)
    sink.onReceive = () => {}
    sink.transport.resume()
    await until(() => sink.received.length === 1_000_000, 'the rest')
    client.destroy()
  })

  it('delivers all that a client said before it closed, and the answers of that turn', async () => {
    const { sink, client } = await connected(ownership)
    sink.onReceive = () => void setImmediate(() => sink.write(Buffer.from('answer')))
    client.send('CONNECT PUBLISH DISCONNECT')
    client.socket.end()
    expect((await client.end()).toString()).toBe('answer')
    expect(sink.received.toString()).toBe('CONNECT PUBLISH DISCONNECT')
    await until(() => sink.closedCount > 0, 'closed')
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(sink.closedCount).toBe(1)
    expect(sink.error).toBeUndefined()
  })

  it('reads what was sent before the end also when it was paused meanwhile', async () => {
    const { sink, client } = await connected(ownership)
    sink.transport.pause()
    client.send('all of it')
    client.socket.end()
    await new Promise((resolve) => setTimeout(resolve, 30))
    sink.transport.resume()
    await until(() => sink.closedCount === 1, 'closed')
    expect(sink.received.toString()).toBe('all of it')
  })

  it('sends what was written before it closes, to a peer that still sends', async () => {
    const { sink, client } = await connected(ownership)
    client.send(Buffer.alloc(100_000))
    await until(() => sink.chunks.length > 0, 'a chunk')
    client.send(Buffer.alloc(1_000_000))
    sink.write(Buffer.from('last words'))
    sink.transport.close({ reasonCode: 0x87, text: 'Not authorized.' })
    const before = sink.chunks.length
    expect((await client.end()).toString()).toBe('last words')
    expect(client.error).toBeUndefined()
    await until(() => sink.closedCount === 1, 'closed')
    expect(sink.error).toBeUndefined()
    expect(sink.chunks.length).toBe(before)
  })

  it('closes in order while it is paused and the peer still sends', async () => {
    const { sink, client } = await connected(ownership)
    sink.transport.pause()
    client.send(Buffer.alloc(4_000_000))
    await new Promise((resolve) => setTimeout(resolve, 30))
    sink.write(Buffer.from('last words'))
    const before = performance.now()
    sink.transport.close()
    expect((await client.end()).toString()).toBe('last words')
    await until(() => sink.closedCount === 1, 'closed')
    expect(performance.now() - before).toBeLessThan(LINGER_MS)
    expect(client.error).toBeUndefined()
  })

  it('flushes a large backlog before it closes', async () => {
    const { sink, client } = await connected(ownership)
    client.socket.pause()
    const total = (await fill(sink, BLOCK_BYTES)) * BLOCK_BYTES
    const drainedBefore = sink.drainedCount
    sink.transport.close()
    client.socket.resume()
    expect(await client.end()).toHaveLength(total)
    await until(() => sink.closedCount === 1, 'closed')
    expect(sink.drainedCount).toBe(drainedBefore)
  })

  it('does not wait for ever for a peer that does not read', async () => {
    const { sink, client } = await connected(ownership)
    client.socket.pause()
    await fill(sink, BLOCK_BYTES)
    const before = performance.now()
    sink.transport.close()
    await until(() => sink.closedCount === 1, 'closed')
    expect(performance.now() - before).toBeGreaterThan(LINGER_MS - 100)
    expect(performance.now() - before).toBeLessThan(LINGER_MS + 1_500)
    client.destroy()
  })

  it('reports a reset as an error, once', async () => {
    const { sink, client } = await connected(ownership)
    client.socket.resetAndDestroy()
    await until(() => sink.closedCount === 1, 'closed')
    expect(sink.error).toMatchObject({ code: 'ECONNRESET' })
  })

  it('ends at once when destroyed, and then does nothing', async () => {
    const { sink, client } = await connected(ownership)
    const closed = vi.spyOn(sink, 'closed')
    sink.transport.destroy()
    expect(closed).not.toHaveBeenCalled()
    await until(() => sink.closedCount === 1, 'closed')
    sink.transport.destroy()
    sink.transport.close()
    sink.transport.pause()
    sink.transport.resume()
    expect(sink.write(Buffer.from('lost'))).toBe(true)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(closed).toHaveBeenCalledTimes(1)
    expect(client.received).toHaveLength(0)
    client.destroy()
  })
})

describe('a TLS transport', () => {
  let listener: Listener
  let acceptor: RecordingAcceptor
  let client: RawClient
  let sink: RecordedSink

  beforeEach(async () => {
    acceptor = new RecordingAcceptor()
    const tls = await makeCertificate()
    listener = await listen({ protocol: 'mqtts', port: 0, host: '127.0.0.1', tls }, acceptor)
    const port = listener.addresses[0]?.port ?? 0
    const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    client = RawClient.over(socket).send(Buffer.of(0x10))
    sink = await acceptor.sink()
    await until(() => sink.received.length === 1, 'the first byte')
    sink.chunks.length = 0
  })

  afterEach(async () => {
    client.destroy()
    sink.transport.destroy()
    await listener.close()
  })

  it('takes the bytes of a small write at once', async () => {
    const arena = Buffer.from('first')
    expect(sink.write(arena)).toBe(true)
    arena.write('again')
    expect(sink.write(arena)).toBe(true)
    arena.fill(0)
    await until(() => client.received.toString() === 'firstagain', 'both')
  })

  it('bounds what waits for a peer that does not read, and says drained', async () => {
    client.socket.pause()
    const count = await fill(sink, BLOCK_BYTES)
    const drainedBefore = sink.drainedCount
    client.socket.resume()
    await until(() => sink.drainedCount === drainedBefore + 1, 'drained')
    await until(() => client.received.length === count * BLOCK_BYTES, 'all bytes')
  })

  it('delivers all that a client said before it closed, and the answers of that turn', async () => {
    sink.onReceive = () => void setImmediate(() => sink.write(Buffer.from('answer')))
    client.send('PUBLISH DISCONNECT')
    client.socket.end()
    expect((await client.end()).toString()).toBe('answer')
    await until(() => sink.closedCount === 1, 'closed')
    expect(sink.received.toString()).toBe('PUBLISH DISCONNECT')
    expect(sink.error).toBeUndefined()
  })

  it('sends what was written before it closes', async () => {
    sink.write(Buffer.alloc(500_000, 7))
    sink.transport.close()
    expect((await client.end()).equals(Buffer.alloc(500_000, 7))).toBe(true)
    await until(() => sink.closedCount === 1, 'closed')
  })

  it('is closed once when the peer vanishes', async () => {
    client.destroy()
    await until(() => sink.closedCount === 1, 'closed')
  })
})
