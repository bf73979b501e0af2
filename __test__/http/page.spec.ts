import { request } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { Broker, type BrokerOptions } from '../../src/index.js'

const brokers: Broker[] = []
afterEach(async () => {
  await Promise.all(brokers.splice(0).map((broker) => broker.close()))
})

async function start(options: BrokerOptions = {}): Promise<Broker> {
  const broker = await Broker.start({ port: 0, ...options })
  brokers.push(broker)
  return broker
}

interface Answer {
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
  readonly text: string
}

function ask(
  broker: Broker,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Answer> {
  const port = broker.addresses[0]?.port
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, method, headers, agent: false }, async (response) => {
      let text = ''
      for await (const chunk of response) text += chunk
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text })
    })
      .on('error', reject)
      .end()
  })
}

/** What Chromium and Firefox say. */
const HTML = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' }

describe('the page', () => {
  it('is for those who ask for HTML, and the others get the plain text', async () => {
    const broker = await start()
    const page = await ask(broker, '/', HTML)
    expect(page.status).toBe(200)
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8')
    expect(page.headers['cache-control']).toBe('no-store')
    expect(page.headers.vary).toBe('Accept')
    expect(page.text).toContain('<div id="page">')
    for (const headers of [{}, { accept: '*/*' }, { accept: 'application/json' }]) {
      const { headers: got, text } = await ask(broker, '/', headers)
      expect(got['content-type']).toBe('text/plain; charset=utf-8')
      expect(text).toContain('This is a topicwire broker.')
    }
    const head = await ask(broker, '/', HTML, 'HEAD')
    expect([head.status, head.text, head.headers['content-length']]).toEqual([
      200,
      '',
      String(Buffer.byteLength(page.text)),
    ])
    expect((await ask(broker, '/', HTML, 'POST')).status).toBe(405)
  })

  it('allows itself nothing from elsewhere and nothing inline', async () => {
    const broker = await start()
    const { headers, text } = await ask(broker, '/', HTML)
    const port = broker.addresses[0]?.port
    expect(String(headers['content-security-policy']).split('; ')).toEqual([
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self'",
      `connect-src 'self' ws://127.0.0.1:${port} wss://127.0.0.1:${port}`,
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ])
    expect(text).not.toMatch(/https?:\/\/|<style| style=| on\w+=/)
    expect(text).not.toMatch(/<script(?![^>]* src="\/page\/)/)
    const odd = await ask(broker, '/', { ...HTML, host: "x; script-src 'unsafe-inline'" })
    expect(odd.headers['content-security-policy']).not.toContain('unsafe-inline')
  })

  it('has files whose names say what is in them, and browsers keep them', async () => {
    const broker = await start()
    const { text } = await ask(broker, '/', HTML)
    const paths = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => String(path))
    expect(paths.map((path) => path.replace(/-[\w-]{8}\./, '.')).sort()).toEqual([
      '/page/icon.svg',
      '/page/index.css',
      '/page/index.js',
    ])
    for (const path of paths) {
      const { status, headers } = await ask(broker, path)
      expect(status).toBe(200)
      expect(headers['x-content-type-options']).toBe('nosniff')
      expect(headers['cache-control']).toContain(path.endsWith('.svg') ? 'no-cache' : 'immutable')
      const again = await ask(broker, path, { 'if-none-match': String(headers.etag) })
      expect([again.status, again.text]).toEqual([304, ''])
    }
  })

  it('has nothing else under its path', async () => {
    const broker = await start()
    for (const path of [
      '/page/',
      '/page/index.html',
      '/page/../index.js',
      '/page/%2e%2e/index.js',
      '/page/x',
    ]) {
      expect((await ask(broker, path, HTML)).status, path).toBe(404)
    }
  })

  it('is not served where strangers could ask for it, unless that was said', async () => {
    const open = await start({ host: '0.0.0.0' })
    const { headers, text } = await ask(open, '/', HTML)
    expect(headers['content-type']).toBe('text/plain; charset=utf-8')
    expect(text).toContain('This is a topicwire broker.')
    expect(text).toContain('the option status')
    expect((await ask(open, '/page/icon.svg')).status).toBe(404)
    for (const options of [{ status: true }, { authenticate: () => true }]) {
      const said = await start({ host: '0.0.0.0', ...options })
      expect((await ask(said, '/', HTML)).headers['content-type']).toBe('text/html; charset=utf-8')
    }
    const off = await start({ status: false })
    expect((await ask(off, '/', HTML)).headers['content-type']).toBe('text/plain; charset=utf-8')
  })
})
