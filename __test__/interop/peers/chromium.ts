/** Chromium: pages that have nothing but the browser's own WebSocket, on topic URLs. */

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { findPeer } from '../../support/peers.js'
import type { BrokerUnderTest } from '../broker-under-test.js'
import { Inbox, type Peer } from './peer.js'

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // a web site that is not this machine, as far as its name goes
  '--host-resolver-rules=MAP *.test 127.0.0.1',
]

/** A browser, and a web server of ours on loopback: a page without an address of its own has no Origin to send. */
export class BrowserUnderTest {
  readonly #browser: Browser
  readonly #context: BrowserContext
  readonly #pages: Server
  readonly #html = new Map<string, string>([['/', '<!doctype html><title>empty</title>']])

  private constructor(browser: Browser, context: BrowserContext, pages: Server) {
    this.#browser = browser
    this.#context = context
    this.#pages = pages
    pages.on('request', (request, response) => {
      const html = this.#html.get(request.url ?? '/')
      // A browser asks for the icon of a page by itself, and complains in its console where there is none.
      const otherwise = request.url === '/favicon.ico' ? 204 : 404
      response
        .writeHead(html === undefined ? otherwise : 200, { 'content-type': 'text/html; charset=utf-8' })
        .end(html)
    })
  }

  static async launch(): Promise<BrowserUnderTest> {
    const executablePath = findPeer('chromium')
    if (executablePath === undefined) throw new Error('there is no Chromium on this machine')
    const browser = await chromium.launch({ executablePath, headless: true, args: FLAGS })
    const context = await browser.newContext({ ignoreHTTPSErrors: true })
    const pages = createServer().listen(0, '127.0.0.1')
    await once(pages, 'listening')
    return new BrowserUnderTest(browser, context, pages)
  }

  /** Opens a page of ours: an empty one, or one with this HTML. `host` is what stands in its address. */
  async open(html?: string, host = '127.0.0.1'): Promise<Page> {
    const path = html === undefined ? '/' : `/${this.#html.size}`
    if (html !== undefined) this.#html.set(path, html)
    const page = await this.#context.newPage()
    await page.goto(`http://${host}:${(this.#pages.address() as AddressInfo).port}${path}`)
    return page
  }

  /** A page without a server, to try what a browser sends as its Origin then. */
  async openAddress(address: string): Promise<Page> {
    const page = await this.#context.newPage()
    await page.goto(address)
    return page
  }

  async close(): Promise<void> {
    await this.#browser.close()
    this.#pages.close()
  }
}

/** How a socket of a page ended. */
export interface Closed {
  readonly code: number
  readonly reason: string
}

/** One WebSocket in a page, its frames in an inbox. */
export class PageSocket {
  readonly inbox = new Inbox()
  /** Whether the n-th frame was text. */
  readonly wasText: boolean[] = []
  readonly #page: Page
  readonly #id: number

  private constructor(page: Page, id: number) {
    this.#page = page
    this.#id = id
  }

  /** Resolves when `onopen` has come, rejects when the socket closed instead. */
  static async open(page: Page, url: string): Promise<PageSocket> {
    const sockets = await socketsOf(page)
    const socket = new PageSocket(page, sockets.length)
    sockets.push(socket)
    const outcome = await page.evaluate(openInPage, { url, id: socket.#id })
    if (outcome !== 'open') throw new Error(`${url}: closed with ${JSON.stringify(outcome)}`)
    return socket
  }

  /** Sends a text frame for a string and a binary frame for bytes. */
  async send(payload: string | Buffer): Promise<void> {
    const isText = typeof payload === 'string'
    await this.#page.evaluate(sendInPage, {
      id: this.#id,
      isText,
      data: isText ? payload : payload.toString('base64'),
    })
  }

  /** Resolves when the socket has closed, whoever did it. */
  closed(): Promise<Closed> {
    return this.#page.evaluate(({ id }) => (globalThis as unknown as PageGlobals).sockets[id]?.closed, {
      id: this.#id,
    }) as Promise<Closed>
  }

  async close(): Promise<Closed> {
    await this.#page.evaluate(
      ({ id }) => (globalThis as unknown as PageGlobals).sockets[id]?.socket.close(),
      {
        id: this.#id,
      },
    )
    return this.closed()
  }
}

/** What of the browser the functions below use; the project is compiled without the types of the DOM. */
interface PageWebSocket {
  binaryType: string
  onopen: () => void
  onmessage: (event: { data: string | ArrayBuffer }) => void
  onclose: (event: Closed) => void
  send(data: string | Uint8Array): void
  close(): void
}

interface PageGlobals {
  WebSocket: new (url: string) => PageWebSocket
  sockets: { socket: PageWebSocket; closed: Promise<Closed> }[]
  onFrame(id: number, isText: boolean, data: string): void
}

const socketsOfPages = new WeakMap<Page, PageSocket[]>()

/** The sockets of a page, and on the first call the function by which the page hands frames over. */
async function socketsOf(page: Page): Promise<PageSocket[]> {
  const known = socketsOfPages.get(page)
  if (known !== undefined) return known
  const sockets: PageSocket[] = []
  socketsOfPages.set(page, sockets)
  await page.exposeFunction('onFrame', (id: number, isText: boolean, data: string) => {
    const socket = sockets[id]
    socket?.wasText.push(isText)
    socket?.inbox.push({ payload: Buffer.from(data, isText ? 'utf8' : 'base64') })
  })
  return sockets
}

/** Runs in the page. */
function openInPage({ url, id }: { url: string; id: number }): Promise<'open' | Closed> {
  const globals = globalThis as unknown as PageGlobals
  globals.sockets ??= []
  const socket = new globals.WebSocket(url)
  socket.binaryType = 'arraybuffer'
  const closed = new Promise<Closed>((resolve) => {
    socket.onclose = ({ code, reason }) => resolve({ code, reason })
  })
  globals.sockets[id] = { socket, closed }
  socket.onmessage = ({ data }) => {
    if (typeof data === 'string') return globals.onFrame(id, true, data)
    const bytes = Array.from(new Uint8Array(data), (byte) => String.fromCharCode(byte)).join('')
    globals.onFrame(id, false, btoa(bytes))
  }
  return new Promise((resolve) => {
    socket.onopen = () => resolve('open')
    void closed.then(resolve)
  })
}

/** Runs in the page. */
function sendInPage({ id, isText, data }: { id: number; isText: boolean; data: string }): void {
  const { socket } = (globalThis as unknown as PageGlobals).sockets[id] ?? {}
  socket?.send(isText ? data : Uint8Array.from(atob(data), (character) => character.charCodeAt(0)))
}

/** A peer of the matrix. A payload that is UTF-8 is sent as text, as a page would. */
export function chromiumPeer(): Peer {
  let browser: BrowserUnderTest | undefined
  let page: Page | undefined
  let broker: BrokerUnderTest | undefined
  const open = (topicFilter: string, query: Record<string, string>): Promise<PageSocket> => {
    if (page === undefined || broker === undefined) throw new Error('the peer is not open')
    return PageSocket.open(page, broker.topicUrl(topicFilter, query))
  }
  return {
    name: 'Chromium WebSocket on /topics/',
    slug: 'chromium',
    program: 'chromium',
    async open(underTest) {
      broker = underTest
      browser = await BrowserUnderTest.launch()
      page = await browser.open()
    },
    async subscribe(topicFilter, qos) {
      const socket = await open(topicFilter, { qos: String(qos) })
      return { inbox: socket.inbox, close: () => socket.close().then(() => undefined) }
    },
    async publish(topicName, payload, { qos = 0, retain = false } = {}) {
      if (retain) throw new Error('a topic URL cannot publish a retained message')
      const socket = await open(topicName, { qos: String(qos) })
      const text = payload.toString()
      await socket.send(Buffer.from(text).equals(payload) ? text : payload)
      await socket.close()
    },
    async close() {
      await browser?.close()
    },
  }
}
