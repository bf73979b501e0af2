import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { LINGER_MS, type PayloadTransport } from '../../src/transports/transport.js'
import { fill, type RecordedSink } from '../support/acceptor.js'
import { type Certificate, makeCertificate } from '../support/certificates.js'
import { HttpListener, type Recorded } from '../support/http-listener.js'
import { until } from '../support/until.js'

const BLOCK_BYTES = 262_144
let certificate: Certificate

beforeAll(async () => {
  certificate = await makeCertificate()
})

describe.each([false, true])('a WebSocket transport (encrypted: %s)', (encrypted) => {
  let http: HttpListener

  beforeEach(async () => {
    http = await HttpListener.start({}, encrypted ? certificate : undefined)
  })

  afterEach(() => http.stop())

  async function connected(): Promise<Recorded & { sink: RecordedSink }> {
    const recorded = await http.open('/mqtt', ['mqtt'])
    return { ...recorded, sink: await http.acceptor.sink() }
  }

  it('takes packets that share frames, span frames, and span fragments', async () => {
    const { sink, webSocket } = await connected()
    webSocket.send(Buffer.from('onetw'))
    webSocket.send(Buffer.from('o'))
    webSocket.send(Buffer.alloc(0))
    webSocket.send(Buffer.from('th'), { fin: false })
    webSocket.send(Buffer.from('ree'), { fin: true })
    await until(() => sink.received.toString() === 'onetwothree', 'the bytes')
  })

  it('sends one binary frame for each write', async () => {
    const { sink, frames } = await connected()
    const arena = Buffer.from('first')
    expect(sink.write(arena)).toBe(true)
    arena.write('again')
    expect(sink.write(arena)).toBe(true)
    arena.fill(0)
    await until(() => frames.length === 2, 'two frames')
    expect(frames.map(({ data, isBinary }) => [data.toString(), isBinary])).toEqual([
      ['first', true],
      ['again', true],
    ])
    expect(sink.drainedCount).toBe(0)
  })

  it('closes with 1003 on a text frame and receives nothing more', async () => {
    const { sink, webSocket, closed } = await connected()
    webSocket.send('text')
    webSocket.send(Buffer.from('bytes'))
    expect(await closed).toEqual({
      code: 1003,
      reason: 'MQTT packets travel in binary frames; this was a text frame.',
    })
    await until(() => sink.closedCount === 1, 'closed')
    expect(sink.chunks).toHaveLength(0)
  })

  it('keeps the memory when the peer does not read, and says drained when all has gone', async () => {
    const { sink, webSocket, frames } = await connected()
    webSocket.pause()
    const count = await fill(sink, BLOCK_BYTES)
    const drainedBefore = sink.drainedCount
    webSocket.resume()
    await until(() => sink.drainedCount === drainedBefore + 1, 'drained')
    await until(() => frames.length === count, 'all frames')
    for (const [index, { data }] of frames.entries()) {
      expect(data.equals(Buffer.alloc(BLOCK_BYTES, index))).toBe(true)
    }
    expect(sink.write(Buffer.from('more'))).toBe(true)
  })

  it('stops reading when paused and goes on when resumed', async () => {
    const { sink, webSocket } = await connected()
    sink.transport.pause()
    for (let n = 0; n < 200; n += 1) webSocket.send(Buffer.alloc(100_000))
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(sink.received.length).toBeLessThanOrEqual(100_000)
    sink.transport.resume()
    await until(() => sink.received.length === 20_000_000, 'the rest')
  })

  it('tells the peer why it closes, after what was written', async () => {
    const { sink, frames, closed } = await connected()
    sink.write(Buffer.from('last words'))
    sink.transport.close({ reasonCode: 0x87, text: 'This client may not connect.' })
    expect(await closed).toEqual({ code: 4135, reason: 'This client may not connect.' })
    expect(frames.map(({ data }) => data.toString())).toEqual(['last words'])
    await until(() => sink.closedCount === 1, 'closed')
    expect(sink.error).toBeUndefined()
    expect(sink.write(Buffer.from('too late'))).toBe(true)
  })

  it('closes in order while it is paused', async () => {
    const { sink, webSocket, closed } = await connected()
    sink.transport.pause()
    webSocket.send(Buffer.alloc(300_000))
    const before = performance.now()
    sink.transport.close()
    expect(await closed).toMatchObject({ code: 1000 })
    await until(() => sink.closedCount === 1, 'closed')
    expect(performance.now() - before).toBeLessThan(LINGER_MS)
  })

  it('does not wait for ever for a peer that does not answer the close', async () => {
    const { sink, webSocket } = await connected()
    webSocket.pause()
    const before = performance.now()
    sink.transport.close()
    await until(() => sink.closedCount === 1, 'closed')
    expect(performance.now() - before).toBeLessThan(LINGER_MS + 1_500)
  })

  it('is closed once when the peer closes, in order or not', async () => {
    const first = await connected()
    first.webSocket.close(1000)
    await until(() => first.sink.closedCount === 1, 'closed')
    expect(first.sink.error).toBeUndefined()

    await http.open('/mqtt', ['mqtt']).then(({ webSocket }) => webSocket.terminate())
    const second = await http.acceptor.sink(1)
    await until(() => second.closedCount === 1, 'closed')
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect([first.sink.closedCount, second.closedCount]).toEqual([1, 1])
  })

  it('ends at once when destroyed', async () => {
    const { sink, closed } = await connected()
    sink.transport.destroy()
    expect(await closed).toMatchObject({ code: 1006 })
    await until(() => sink.closedCount === 1, 'closed')
  })
})

describe('limits of a WebSocket', () => {
  it('closes with 1009 on a frame above the packet size, which is an error', async () => {
    const http = await HttpListener.start({ limits: { maximumPacketSizeBytes: 1_000 } })
    const { webSocket, closed } = await http.open('/mqtt', ['mqtt'])
    const sink = await http.acceptor.sink()
    webSocket.send(Buffer.alloc(66_000))
    await until(() => sink.received.length === 66_000, 'a frame within the room')
    webSocket.send(Buffer.alloc(67_000))
    expect(await closed).toMatchObject({ code: 1009 })
    await until(() => sink.closedCount === 1, 'closed')
    expect(sink.error).toMatchObject({ code: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' })
    await http.stop()
  })

  it('does not compress', async () => {
    const http = await HttpListener.start()
    const { webSocket } = await http.open('/mqtt', ['mqtt'], { perMessageDeflate: true })
    expect(webSocket.extensions).toBe('')
    await http.stop()
  })
})

describe('a topic URL transport', () => {
  let http: HttpListener

  beforeEach(async () => {
    http = await HttpListener.start()
  })

  afterEach(() => http.stop())

  it('sends text and binary frames and takes both', async () => {
    const { webSocket, frames } = await http.open('/topics/a')
    const sink = await http.acceptor.sink()
    const transport = sink.transport as PayloadTransport
    const text = { bytes: Buffer.from('grüß dich'), isText: true }
    const binary = { bytes: Buffer.of(0xff), isText: false }
    const nothing = { bytes: Buffer.alloc(0), isText: true }
    const long = { bytes: Buffer.alloc(70_000, 'long'), isText: true }
    expect(transport.write([])).toBe(true)
    expect(transport.write([text])).toBe(true)
    expect(transport.write([binary, long, nothing])).toBe(true)
    await until(() => frames.length === 4, 'four frames')
    expect(frames).toEqual(
      [text, binary, long, nothing].map(({ bytes, isText }) => ({ data: bytes, isBinary: !isText })),
    )
    webSocket.send('text')
    webSocket.send(Buffer.of(1, 2))
    webSocket.send('')
    await until(() => sink.chunks.length === 3, 'three payloads')
    expect(sink.chunks).toEqual([Buffer.from('text'), Buffer.of(1, 2), Buffer.alloc(0)])
  })

  it('cuts a long reason between two characters', async () => {
    const { closed } = await http.open('/topics/a')
    const { transport } = await http.acceptor.sink()
    transport.close({ reasonCode: 0x87, text: `x${'é'.repeat(200)}` })
    expect(await closed).toEqual({ code: 4135, reason: `x${'é'.repeat(61)}` })
  })
})
