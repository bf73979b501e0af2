/** Chromium in front of a broker's page, with an eye on everything that goes wrong in it. */
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core'
import type { Broker } from '../../src/index.js'
import { findPeer } from '../support/peers.js'

const FLAGS = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking']
/** What a browser says by itself about a server that is away. */
const OF_THE_NETWORK = /WebSocket connection to|net::ERR_|Failed to load resource/

/** A browser for all tests of a file. */
export class Visitor {
  readonly #browser: Browser

  private constructor(browser: Browser) {
    this.#browser = browser
  }

  static async launch(): Promise<Visitor> {
    const executablePath = findPeer('chromium')
    if (executablePath === undefined) throw new Error('there is no Chromium on this machine')
    return new Visitor(await chromium.launch({ executablePath, headless: true, args: FLAGS }))
  }

  /** Opens the page of a broker in a browser that knows nothing yet. */
  async visit(broker: Broker, options: BrowserContextOptions = {}, path = '/'): Promise<Visit> {
    const context = await this.#browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
    const page = await context.newPage()
    page.setDefaultTimeout(15_000)
    const visit = new Visit(context, page)
    await page.goto(`http://127.0.0.1:${broker.addresses[0]?.port}${path}`)
    return visit
  }

  async close(): Promise<void> {
    await this.#browser.close()
  }
}

/** One page that is open. */
export class Visit {
  readonly page: Page
  /** Errors of the page, and what it did that it does not allow itself. */
  readonly complaints: string[] = []
  readonly #context: BrowserContext

  constructor(context: BrowserContext, page: Page) {
    this.#context = context
    this.page = page
    page.on('pageerror', (error) => this.complaints.push(String(error.stack ?? error)))
    page.on('console', (message) => {
      if (message.type() !== 'error' || OF_THE_NETWORK.test(message.text())) return
      this.complaints.push(message.text())
    })
  }

  async connected(): Promise<void> {
    await this.page
      .getByRole('status')
      .filter({ hasText: /^Connected/ })
      .waitFor()
  }

  async open(tab: string): Promise<void> {
    await this.page.getByRole('tab', { name: tab }).click()
  }

  /** The row of a topic's level. */
  row(name: string) {
    return this.page.getByRole('treeitem').filter({ has: this.page.getByText(name, { exact: true }) })
  }

  /** Whether the page is wider than the window. */
  isTooWide(): Promise<boolean> {
    return this.page.evaluate('document.documentElement.scrollWidth > innerWidth')
  }

  async close(): Promise<void> {
    await this.#context.close()
  }
}
