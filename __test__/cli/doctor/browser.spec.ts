/**
 * What the doctor says of a page, beside what Chromium does with that page: mixed content, and public pages that want to
 * reach a private server. The pages are ours and so is every server; Chromium is told which of them to take for public.
 */
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTls } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { type Browser, type BrowserContextOptions, chromium } from 'playwright-core'
import { afterAll, beforeAll, expect, it, type TestContext } from 'vitest'
import { mixedContent } from '../../../src/cli/doctor/checks/page.js'
import { Context } from '../../../src/cli/doctor/context.js'
import { Broker } from '../../../src/index.js'
import { makeCertificate } from '../../support/certificates.js'
import { describeWithPeers, findPeer } from '../../support/peers.js'
import { withHosts } from '../../support/resolver.js'
import { temporaryFile } from '../../support/temporary.js'
import { until } from '../../support/until.js'
import { examined, examinedBehind, line } from './examined.js'

const LIMIT = { timeout: 60_000 }
/** On a public address, as far as its URL goes; nobody is asked anything there. */
const PUBLIC_HOST = '93.184.215.14'
const FLAGS = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking']
/** From this version on Chromium has rules of its own for a WebSocket to a private address. */
const RULES_FROM = 147
const BLOCKED = 'net::ERR_BLOCKED_BY_LOCAL_NETWORK_ACCESS_CHECKS'

/** What the functions below use of a page; the project is compiled without the types of the DOM. */
interface PageGlobals {
  WebSocket: new (url: string) => { onopen: () => void; onclose: () => void; close(): void }
}

/** Runs in the page. */
function openInPage(url: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = new (globalThis as unknown as PageGlobals).WebSocket(url)
    socket.onclose = () => resolve('closed')
    socket.onopen = () => {
      resolve('open')
      socket.close()
    }
  })
}

describeWithPeers(['chromium'], 'the doctor and Chromium agree', () => {
  const servers: Server[] = []
  let browser: Browser
  let broker: Broker
  let cert: string
  /** Origins of pages. */
  let page: Record<'http' | 'https' | 'publicHttp' | 'publicHttps', string>
  let port: number

  async function listening(server: Server): Promise<number> {
    servers.push(server.listen(0, '127.0.0.1'))
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }

  beforeAll(async () => {
    const tls = await makeCertificate()
    cert = tls.cert
    const empty: RequestListener = (_request, response) =>
      response.setHeader('content-type', 'text/html').end('<!doctype html><title>empty</title>')
    const [http, https, publicHttp, publicHttps] = await Promise.all([
      listening(createServer(empty)),
      listening(createTls(tls, empty)),
      listening(createServer(empty)),
      listening(createTls(tls, empty)),
    ])
    page = {
      http: `http://127.0.0.1:${http}`,
      https: `https://127.0.0.1:${https}`,
      publicHttp: `http://${PUBLIC_HOST}:${publicHttp}`,
      publicHttps: `https://${PUBLIC_HOST}:${publicHttps}`,
    }
    broker = await Broker.start({ host: '127.0.0.1', port: 0, tls, allowedOrigins: Object.values(page) })
    port = broker.addresses[0]?.port ?? 0
    const spaces = [publicHttp, publicHttps].map((one) => `127.0.0.1:${one}=public`)
    browser = await chromium.launch({
      executablePath: findPeer('chromium') ?? '',
      args: [
        ...FLAGS,
        '--host-resolver-rules=MAP * 127.0.0.1',
        `--ip-address-space-overrides=${spaces.join(',')}`,
      ],
    })
  })

  afterAll(async () => {
    await browser?.close()
    await broker?.close({ drainTimeoutMs: 0 })
    for (const server of servers) server.close()
  })

  /** What becomes of WebSockets that a page opens, one after the other, and what the console says about each. */
  async function opened(
    origin: string,
    urls: readonly string[],
    options: BrowserContextOptions = {},
  ): Promise<string[]> {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options })
    const tab = await context.newPage()
    const said: string[] = []
    tab.on('console', (message) => said.push(message.text()))
    await tab.goto(origin)
    const outcomes: string[] = []
    for (const url of urls) {
      const outcome = await tab.evaluate(openInPage, url).catch((error: unknown) => String(error))
      // The console hears of it from another process of the browser.
      if (/^closed|SecurityError/.test(outcome)) await until(() => said.length > 0, 'a word in the console')
      outcomes.push([outcome, ...said.splice(0)].join('\n'))
    }
    await context.close()
    return outcomes
  }

  function skipOldBrowsers(context: Pick<TestContext, 'skip'>): void {
    const [version = ''] = browser.version().split('.')
    if (Number(version) < RULES_FROM)
      context.skip(`Chromium ${version} is older than the rules for private addresses, of ${RULES_FROM}`)
  }

  const mixed: readonly [from: 'http' | 'https', url: string, browserSays: RegExp, doctorSays: RegExp][] = [
    [
      'https',
      'ws://127.0.0.1',
      /^open$/,
      /^warn: .* opens ws:\/\/ on this machine, which some browsers allow/,
    ],
    [
      'https',
      'ws://broker.local',
      /^open\nMixed Content: /,
      /^warn: .* at a private address, which newer versions of Chrome allow/,
    ],
    [
      'https',
      'ws://broker.test',
      /SecurityError: .*\nMixed Content: .* has been blocked/s,
      /^fail: a page over https:\/\/ may not open ws:\/\/broker\.test:\d+: browsers block it as mixed content/,
    ],
    ['https', 'wss://localhost', /^open$/, /^ok: page and WebSocket are encrypted/],
    ['http', 'ws://broker.test', /^open$/, /^ok: a page over http:\/\/ may open ws:\/\//],
    [
      'http',
      'mqtt://localhost',
      /SyntaxError/,
      /^fail: a page cannot open mqtt:\/\/: browsers have no TCP for it/,
    ],
  ]

  it.for(mixed)(
    'that a page over %s:// opens %s, or not',
    LIMIT,
    async ([from, url, browserSays, doctorSays], context) => {
      if (url.endsWith('.local')) skipOldBrowsers(context)
      const address = `${url}:${port}${url.startsWith('ws') ? '/mqtt' : ''}`
      const [outcome = ''] = await opened(page[from], [address])
      expect(outcome).toMatch(browserSays)
      const prefix = withHosts(['127.0.0.1 localhost broker.test broker.local'], context)
      const trust = url.startsWith('wss') ? ['--cafile', temporaryFile('ca.pem', cert)] : []
      const found = await examinedBehind(prefix, address, '--page', page[from], ...trust)
      expect(line(found.of('mixed-content'))).toMatch(doctorSays)
      // What the browser opens is not broken, and the other way round.
      expect(found.exitCode).toBe(outcome.startsWith('open') ? 0 : 1)
    },
  )

  it('about every kind of address that stands in a URL', LIMIT, async (context) => {
    skipOldBrowsers(context)
    const hosts = [
      ...['localhost', 'a.localhost', '127.0.0.1', '127.1.2.3', '::1', '0.0.0.0', '0.1.2.3', '::', 'fe80::1'],
      ...['10.1.1.1', '100.64.1.1', '100.128.1.1', '169.254.1.1', '172.16.1.1', '172.31.1.1', '172.32.1.1'],
      ...['192.168.1.1', '192.0.0.1', '198.51.100.1', '8.8.8.8', '2a00::1', 'fc00::1', 'fd00::1', 'fec0::1'],
      ...['broker', 'broker.local', 'local', 'broker.lan', 'broker.internal', 'broker.example', '10.example'],
    ]
    const urls = hosts.map((host) => `ws://${host.includes(':') ? `[${host}]` : host}:${port}/mqtt`)
    const outcomes = await opened(page.https, urls)
    const decisions = outcomes.map((outcome, index) =>
      [hosts[index], outcome.startsWith('open') ? 'open' : 'blocked'].join(' '),
    )
    const nothingElse = {
      topic: undefined,
      idleSecs: undefined,
      clientId: undefined,
      sizeBytes: undefined,
      progress: () => {},
    }
    const server = { scheme: 'ws', port, path: '/mqtt', client: {}, timeoutMs: 1_000 } as const
    const options = { ...server, page: new URL(page.https), ...nothingElse }
    const verdicts = await Promise.all(
      hosts.map(async (host, index) => {
        const { status } = await mixedContent.run(new Context({ ...options, host, url: urls[index] ?? '' }))
        return [host, status === 'fail' ? 'blocked' : 'open'].join(' ')
      }),
    )
    expect(verdicts).toEqual(decisions)
  })

  const local: readonly [
    title: string,
    from: 'http' | 'https' | 'publicHttp' | 'publicHttps',
    permissions: string[],
    browserSays: RegExp,
    doctorSays: RegExp,
  ][] = [
    [
      'a public page over https:// that is not allowed to',
      'publicHttps',
      [],
      new RegExp(`^closed\n.*${BLOCKED}`, 's'),
      /^warn: the page is public and the server private: Chrome .* asks before/,
    ],
    [
      'a public page over https:// that is allowed to',
      'publicHttps',
      ['local-network-access'],
      /^open$/,
      /^warn: the page is public and the server private: Chrome .* asks before/,
    ],
    [
      'a public page without https://',
      'publicHttp',
      [],
      new RegExp(`^closed\n.*${BLOCKED}`, 's'),
      /^fail: the page is public, without https:\/\/, and the server private: Chrome does not let it/,
    ],
    ['a page of this machine', 'http', [], /^open$/, /^ok: page and server are both in a private network/],
  ]

  it.for(local)(
    'about a private server and %s',
    LIMIT,
    async ([_title, from, permissions, browserSays, doctorSays], context) => {
      skipOldBrowsers(context)
      const address = `ws://127.0.0.1:${port}/mqtt`
      const [outcome] = await opened(page[from], [address], { permissions })
      expect(outcome).toMatch(browserSays)
      const found = await examined(address, '--page', page[from])
      expect(line(found.of('local-network'))).toMatch(doctorSays)
    },
  )
})
