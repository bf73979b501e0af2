import { request } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { HttpListener } from '../support/http-listener.js'
import { RawClient } from '../support/raw-client.js'
import { until } from '../support/until.js'

let http: HttpListener

beforeEach(async () => {
  http = await HttpListener.start()
})

afterEach(() => http.stop())

function ask(
  path: string,
  method = 'GET',
  body = '',
): Promise<{ status: number; headers: Record<string, unknown>; text: string }> {
  return new Promise((resolve, reject) => {
    const asking = request(
      { host: '127.0.0.1', port: http.port, path, method, agent: false },
      async (response) => {
        let text = ''
        for await (const chunk of response) text += chunk
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text })
      },
    )
    asking.on('error', reject).end(body)
  })
}

describe('plain HTTP', () => {
  it('answers / with the URLs, for the host that was asked', async () => {
    const { status, headers, text } = await ask('/')
    expect(status).toBe(200)
    expect(headers['content-type']).toBe('text/plain; charset=utf-8')
    expect(headers['x-content-type-options']).toBe('nosniff')
    for (const url of ['mqtt://', 'ws://'].map((scheme) => `${scheme}127.0.0.1:${http.port}`)) {
      expect(text).toContain(url)
    }
  })

  it('refuses a request of HTTP/1.1 without a Host header, and takes one of HTTP/1.0', async () => {
    const refused = await (await RawClient.connect(http.port)).send('GET / HTTP/1.1\r\n\r\n').end()
    expect(refused.toString()).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(refused.toString()).toContain('The request has no Host header.')
    const answered = await (await RawClient.connect(http.port)).send('GET /healthz HTTP/1.0\r\n\r\n').end()
    expect(answered.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  })

  it.each([
    ['GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', '200'],
    ['GET / HTTP/1.1\r\n\r\n', '400'],
  ])('answers once, whatever follows the last request: %j', async (last, status) => {
    const client = (await RawClient.connect(http.port)).send(`${last}\u0001 this is no HTTP`)
    const answers = (await client.end()).toString().match(/HTTP\/1\.1 \d{3}/g)
    expect(answers).toEqual([`HTTP/1.1 ${status}`])
  })

  it('answers who expects something that it does not know', async () => {
    const bytes = 'HEAD /healthz HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nConnection: close\r\n\r\n'
    const answered = await (await RawClient.connect(http.port)).send(bytes).end()
    expect(answered.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  })

  it('answers HEAD with the headers of GET and no body', async () => {
    const [get, head] = [await ask('/'), await ask('/', 'HEAD')]
    expect(head.status).toBe(200)
    expect(head.headers['content-length']).toBe(get.headers['content-length'])
    expect(head.text).toBe('')
  })

  it('answers /healthz', async () => {
    expect(await ask('/healthz')).toMatchObject({ status: 200, text: 'ok\n' })
  })

  it('answers /healthz with 503 while it closes', async () => {
    const client = await RawClient.connect(http.port)
    client.send('GET /healthz HTTP/1.1\r\n')
    await new Promise((resolve) => setTimeout(resolve, 30))
    await http.listener.close()
    client.send('Host: localhost\r\n\r\n')
    const response = (await client.end()).toString()
    expect(response).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n/)
    expect(response).toContain('closing')
  })

  it('takes no message while it closes, and says so', async () => {
    const client = await RawClient.connect(http.port)
    client.send('POST /publish/a HTTP/1.1\r\n')
    await new Promise((resolve) => setTimeout(resolve, 30))
    await http.listener.close()
    client.send('Host: localhost\r\nContent-Length: 1\r\n\r\nx')
    const response = (await client.end()).toString()
    expect(response).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n/)
    expect(response).toContain('ERR_MQTT_BROKER_CLOSED')
  })

  it.each(['/nothing', '/topic/a', '/mqtt2', '/%2e%2e/etc/passwd'])('answers %s with 404', async (path) => {
    const { status, text } = await ask(path)
    expect(status).toBe(404)
    expect(text).toContain('WebSocket paths are /mqtt and / (MQTT), /topics/<topic>')
  })

  it.each(['/mqtt', '/echo', '/topics/a'])('answers %s without an upgrade with 426', async (path) => {
    const { status, headers, text } = await ask(path)
    expect(status).toBe(426)
    expect(headers.upgrade).toBe('websocket')
    expect(text).toContain('new WebSocket')
  })

  it('answers other methods with 405', async () => {
    expect(await ask('/', 'POST', 'x'.repeat(100_000))).toMatchObject({
      status: 405,
      headers: { allow: 'GET, HEAD' },
    })
  })

  it.each([
    ['no HTTP at all', 'HELO there\r\n\r\n', '400 Bad Request'],
    ['a bad header', 'GET / HTTP/1.1\r\nHost localhost\r\n\r\n', '400 Bad Request'],
    [
      'headers without end',
      `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}`,
      '431 Request Header Fields',
    ],
    ['a proxy request', 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n', ''],
  ])('survives %s', async (_title, bytes, answer) => {
    const client = (await RawClient.connect(http.port)).send(bytes)
    expect((await client.end()).toString()).toContain(answer)
    expect((await ask('/healthz')).status).toBe(200)
  })

  it('drops a request that comes too slowly', async () => {
    const slow = await HttpListener.start({ limits: { connectTimeoutMs: 100 } })
    const client = (await RawClient.connect(slow.port)).send('GET / HTTP/1.1\r\nHost: a\r\n')
    const trickle = setInterval(() => client.send('X: y\r\n'), 20)
    await until(() => client.ended || client.closed, 'the end')
    clearInterval(trickle)
    expect(client.received.toString()).toMatch(/^HTTP\/1\.1 408/)
    client.destroy()
    await slow.stop()
  })
})
