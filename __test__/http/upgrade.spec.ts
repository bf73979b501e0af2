import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeCertificate } from '../support/certificates.js'
import { HttpListener } from '../support/http-listener.js'
import { RawClient } from '../support/raw-client.js'
import { until } from '../support/until.js'

/** The header lines of one that is as it should be, but for its Host. */
const HANDSHAKE =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'

let http: HttpListener

beforeEach(async () => {
  http = await HttpListener.start()
})

afterEach(() => http.stop())

describe('MQTT over WebSocket', () => {
  it.each(['/', '/mqtt', '/mqtt?x=1'])('is spoken on %s', async (path) => {
    const { webSocket } = await http.open(path, ['mqtt'])
    expect(webSocket.protocol).toBe('mqtt')
    expect((await http.acceptor.sink()).transport.protocol).toBe('ws')
  })

  it.each([
    [['mqttv3.1'], 'mqttv3.1'],
    [['mqttv3.1', 'mqtt'], 'mqtt'],
    [['other', 'mqtt'], 'mqtt'],
    [[], ''],
  ])('chooses from the subprotocols %j', async (offered, chosen) => {
    const { webSocket } = await http.open('/mqtt', offered)
    expect(webSocket.protocol).toBe(chosen)
    await http.acceptor.sink()
  })

  it('takes packets that a client sent together with its handshake', async () => {
    const client = await RawClient.connect(http.port)
    const frame = Buffer.from('8283000000000102 03'.replace(' ', ''), 'hex')
    client.send(Buffer.concat([Buffer.from(`GET /mqtt HTTP/1.1\r\nHost: a\r\n${HANDSHAKE}`), frame]))
    const sink = await http.acceptor.sink()
    await until(() => sink.received.length === 3, 'the packet')
    expect(sink.received).toEqual(Buffer.of(1, 2, 3))
    client.destroy()
  })
})

describe('an upgrade that is refused', () => {
  it('is a 404 that names the paths', async () => {
    const [status, body] = await http.refused('/other', ['mqtt'])
    expect(status).toBe(404)
    expect(body).toContain('/mqtt and / (MQTT), /topics/<topic>')
    expect(http.acceptor.sinks).toHaveLength(0)
  })

  it('is a 403 for a foreign page, and the log names the option', async () => {
    const [status, body] = await http.refused('/mqtt', ['mqtt'], { origin: 'https://evil.example' })
    expect(status).toBe(403)
    expect(body).toContain('allowedOrigins')
    expect(http.acceptor.warnings).toEqual([
      'A web page was refused because of its origin. If it is yours, add "https://evil.example" to the option allowedOrigins.',
    ])
  })

  it.each(['/mqtt', '/echo', '/topics/a', '/'])('is a 403 on %s as well', async (path) => {
    const [status] = await http.refused(path, [], { origin: 'https://evil.example' })
    expect(status).toBe(403)
    expect(http.acceptor.warnings).toHaveLength(1)
  })

  it('tells a page that was opened as a file, and is not on the list, what to do', async () => {
    const strict = await HttpListener.start({ allowedOrigins: ['https://good.example'] })
    const [status] = await strict.refused('/mqtt', [], { origin: 'null' })
    expect(status).toBe(403)
    expect(strict.acceptor.warnings[0]).toContain('serve it over HTTP')
    await strict.listener.close()
  })

  it('lets a page of this machine in', async () => {
    await http.open('/mqtt', ['mqtt'], { origin: 'http://localhost:5173' })
    await http.acceptor.sink()
  })

  it('is a 426 for another protocol', async () => {
    const client = await RawClient.connect(http.port)
    client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n')
    expect((await client.end()).toString()).toMatch(/^HTTP\/1\.1 426 Upgrade Required\r\n/)
  })

  it('is a 400 for a handshake without a Host header, which browsers and proxies never leave out', async () => {
    const client = await RawClient.connect(http.port)
    client.send(`GET /mqtt HTTP/1.1\r\n${HANDSHAKE}`)
    expect((await client.end()).toString()).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(http.acceptor.sinks).toHaveLength(0)
  })

  it('is a 400 for a handshake that is none', async () => {
    const client = await RawClient.connect(http.port)
    client.send('GET /mqtt HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    expect((await client.end()).toString()).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
  })
})

describe('a topic as a URL', () => {
  it('becomes a request with a topic filter, options and credentials', async () => {
    const authorization = `Basic ${Buffer.from('ada:secret').toString('base64')}`
    await http.open('/topics/chat/%23?qos=1&retained=false&clientId=panel', [], {
      headers: { authorization },
    })
    const sink = await http.acceptor.sink()
    expect(sink.transport.protocol).toBe('topic')
    expect(sink.request).toEqual({
      topicFilter: 'chat/#',
      qos: 1,
      retained: false,
      clientId: 'panel',
      username: 'ada',
      password: Buffer.from('secret'),
    })
  })

  it.each([
    ['/topics', 4144, 'The topic is empty: open /topics/ followed by one, as in /topics/chat/room1.'],
    ['/topics/', 4144, 'The topic is empty: open /topics/ followed by one, as in /topics/chat/room1.'],
    ['/topics?qos=1', 4144, 'The topic is empty: open /topics/ followed by one, as in /topics/chat/room1.'],
    ['/topics/a+b', 4143, '+ stands alone in its level of a topic, as in /topics/chat/+.'],
    ['/topics/a?qos=7', 4131, 'qos is 0, 1 or 2, not "7".'],
  ])('refuses %s with a code and a reason that a page can show', async (path, code, reason) => {
    const { closed } = await http.open(path)
    expect(await closed).toEqual({ code, reason })
    expect(http.acceptor.sinks).toHaveLength(0)
    expect(http.acceptor.lines[0]).toMatchObject({ level: 'info', message: reason })
  })
})

describe('/echo', () => {
  it('sends text back as text and binary as binary, in order', async () => {
    const { webSocket, frames } = await http.open('/echo')
    webSocket.send('grüß dich')
    webSocket.send(Buffer.of(0, 1, 255))
    webSocket.send('')
    await until(() => frames.length === 3, 'three frames')
    expect(frames).toEqual([
      { data: Buffer.from('grüß dich'), isBinary: false },
      { data: Buffer.of(0, 1, 255), isBinary: true },
      { data: Buffer.alloc(0), isBinary: false },
    ])
    expect(http.acceptor.sinks).toHaveLength(0)
  })

  it('closes with 1009 on a frame that is too large', async () => {
    const small = await HttpListener.start({ limits: { maximumPacketSizeBytes: 1000 } })
    const { webSocket, closed } = await small.open('/echo')
    webSocket.send(Buffer.alloc(100_000))
    expect(await closed).toMatchObject({ code: 1009 })
    await small.stop()
  })

  it('does not read on from a peer that does not read its answers', async () => {
    const { webSocket, frames } = await http.open('/echo')
    webSocket.pause()
    const block = Buffer.alloc(100_000)
    const total = 400
    for (let n = 0; n < total; n += 1) webSocket.send(block)
    for (let before = -1; before !== webSocket.bufferedAmount; ) {
      before = webSocket.bufferedAmount
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    // What neither kernel nor server took is still here: the server has stopped reading.
    expect(webSocket.bufferedAmount).toBeGreaterThan((total * block.length) / 2)
    webSocket.resume()
    await until(() => frames.length === total, 'all frames')
    expect(frames.every(({ data }) => data.length === block.length)).toBe(true)
  })

  it('is bounded in number', async () => {
    const small = await HttpListener.start({ limits: { maximumConnections: 2 } })
    await small.open('/echo')
    await small.open('/echo')
    expect(await (await small.open('/echo')).closed).toEqual({
      code: 1013,
      reason: 'Too many connections; try again later.',
    })
    await small.stop()
  })

  it('ends when the listener closes', async () => {
    const { closed } = await http.open('/echo')
    await http.listener.close()
    expect(await closed).toEqual({ code: 1001, reason: 'The broker is shutting down.' })
  })

  it('is there over TLS', async () => {
    const secure = await HttpListener.start({}, await makeCertificate())
    const { webSocket, frames } = await secure.open('/echo')
    webSocket.send('hello')
    await until(() => frames[0]?.data.toString() === 'hello', 'the echo')
    await secure.stop()
  })
})
