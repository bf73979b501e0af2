import { once } from 'node:events'
import { createServer, connect as tcpConnect } from 'node:net'
import { Duplex, PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { createMemoryPair } from '../../src/transports/memory.js'
import { attachStream } from '../../src/transports/stream.js'
import { type RecordedSink, RecordingAcceptor } from '../support/acceptor.js'
import { until } from '../support/until.js'

/** A transport over one end of a memory pair, and the other end. */
async function connected(): Promise<{ sink: RecordedSink; client: Duplex }> {
  const [ours, client] = createMemoryPair()
  const acceptor = new RecordingAcceptor()
  attachStream(acceptor, ours, { protocol: 'memory' })
  return { sink: await acceptor.sink(), client }
}

function collect(stream: Duplex): Buffer[] {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  return chunks
}

describe('a transport over a Duplex', () => {
  it('carries bytes in both directions', async () => {
    const { sink, client } = await connected()
    sink.onReceive = (bytes) => sink.write(bytes)
    const echoed = collect(client)
    client.write('one')
    client.write('two')
    await until(() => Buffer.concat(echoed).toString() === 'onetwo', 'the echo')
    expect(sink.transport.protocol).toBe('memory')
    expect(sink.transport.remoteAddress).toBe('memory')
  })

  it('never needs the memory of a write again', async () => {
    const { sink, client } = await connected()
    const arena = Buffer.from('first')
    expect(sink.write(arena)).toBe(true)
    arena.write('again')
    sink.write(arena)
    const received = collect(client)
    await until(() => Buffer.concat(received).toString() === 'firstagain', 'both')
  })

  it('says false and later drained when the peer does not read, with bounded memory', async () => {
    const { sink, client } = await connected()
    let total = 0
    let more = true
    while (more) {
      more = sink.write(Buffer.alloc(10_000))
      total += 10_000
      await new Promise(setImmediate)
    }
    expect(total).toBeLessThan(400_000)
    expect(sink.drainedCount).toBe(0)
    const received = collect(client)
    await until(() => sink.drainedCount === 1, 'drained')
    await until(() => Buffer.concat(received).length === total, 'all bytes')
  })

  it('stops reading when paused', async () => {
    const { sink, client } = await connected()
    sink.transport.pause()
    let total = 0
    while (client.write(Buffer.alloc(10_000)) && total < 1_000_000) {
      total += 10_000
      await new Promise(setImmediate)
    }
    expect(total).toBeLessThan(400_000)
    expect(sink.chunks).toHaveLength(0)
    sink.transport.resume()
    await until(() => sink.received.length === total + 10_000, 'all bytes')
  })

  it('sends what was written before it closes', async () => {
    const { sink, client } = await connected()
    const received = collect(client)
    sink.write(Buffer.from('last words'))
    sink.transport.close()
    await once(client, 'end')
    expect(Buffer.concat(received).toString()).toBe('last words')
    client.end()
    await until(() => sink.closedCount === 1, 'closed')
    expect(sink.error).toBeUndefined()
  })

  it('delivers all that came before the end, and the answers of that turn', async () => {
    const { sink, client } = await connected()
    sink.onReceive = () => void setImmediate(() => sink.write(Buffer.from('answer')))
    const received = collect(client)
    client.end('CONNECT DISCONNECT')
    await until(() => sink.closedCount === 1, 'closed')
    expect(sink.received.toString()).toBe('CONNECT DISCONNECT')
    expect(Buffer.concat(received).toString()).toBe('answer')
  })

  it('notices that the other end was destroyed, once', async () => {
    const { sink, client } = await connected()
    client.destroy()
    await until(() => sink.closedCount === 1, 'closed')
    sink.transport.destroy()
    await new Promise(setImmediate)
    expect(sink.closedCount).toBe(1)
  })

  it('destroys the other end with its own', async () => {
    const { sink, client } = await connected()
    sink.transport.destroy()
    client.resume()
    await once(client, 'close')
    await until(() => sink.closedCount === 1, 'closed')
  })

  it('is not called from within its own write by a stream that answers at once', async () => {
    const acceptor = new RecordingAcceptor()
    // Everything written comes back in the same call.
    attachStream(acceptor, new PassThrough())
    const sink = await acceptor.sink()
    await new Promise(setImmediate)
    let writing = false
    let nested = false
    sink.onReceive = () => {
      nested ||= writing
    }
    writing = true
    for (const text of ['a', 'b', 'c']) sink.write(Buffer.from(text))
    writing = false
    await until(() => sink.received.length === 3, 'all')
    expect(sink.received.toString()).toBe('abc')
    expect(nested).toBe(false)
    sink.transport.destroy()
  })

  it('refuses a stream of something other than bytes', async () => {
    const acceptor = new RecordingAcceptor()
    const stream = new Duplex({ objectMode: true, read() {}, write: (_chunk, _encoding, done) => done() })
    attachStream(acceptor, stream)
    const sink = await acceptor.sink()
    stream.push({ not: 'bytes' })
    await until(() => sink.closedCount === 1, 'closed')
    expect(sink.error).toBeInstanceOf(TypeError)
    expect(sink.chunks).toHaveLength(0)
  })

  it('treats a net.Socket as TCP and leaves the Socket object its connection', async () => {
    const acceptor = new RecordingAcceptor()
    const server = createServer((socket) => attachStream(acceptor, socket))
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const client = tcpConnect(port, '127.0.0.1')
    client.write('hello')
    const sink = await acceptor.sink()
    await until(() => sink.received.toString() === 'hello', 'the bytes')
    expect(sink.transport.protocol).toBe('mqtt')
    expect(sink.transport.remoteAddress).toBe(`127.0.0.1:${client.localPort}`)
    client.destroy()
    await until(() => sink.closedCount === 1, 'closed')
    server.close()
    await once(server, 'close')
  })
})

describe('createMemoryPair', () => {
  it('ends one direction at a time', async () => {
    const [first, second] = createMemoryPair()
    const received = collect(first)
    first.end('over')
    second.resume()
    await once(second, 'end')
    second.end('and out')
    await once(first, 'end')
    expect(Buffer.concat(received).toString()).toBe('and out')
  })
})
