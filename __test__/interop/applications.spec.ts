/**
 * The applications of examples/, each run as its README says, in Chromium. With TOPICWIRE_SCREENSHOTS=1 the pictures of
 * docs/screenshots/ are made anew.
 */
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { freePort } from '../support/free-port.js'
import { describeWithPeers } from '../support/peers.js'
import { until } from '../support/until.js'
import { BrowserUnderTest } from './peers/chromium.js'
import { Program, ROOT } from './programs.js'

const PATIENCE = { timeout: 30_000 }
/** Readings that the page of the thermostats draws. */
const MOST_DRAWN = 60
const SCREENSHOTS = join(ROOT, 'docs/screenshots')

let browser: BrowserUnderTest
let program: Program | undefined
let address = ''
const complaints: string[] = []
const pages: Page[] = []
const sockets: WebSocket[] = []

async function run(name: string): Promise<void> {
  const port = await freePort()
  program = new Program(process.execPath, [`examples/${name}/run.mjs`, String(port)], ROOT)
  await program.waitForText('open http', 30_000)
  address = program.stdout.match(/http:\S+/)?.[0] ?? ''
  expect(address).toBe(`http://localhost:${port}/`)
}

async function open(): Promise<Page> {
  const page = await browser.openAddress('about:blank')
  pages.push(page)
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.goto(address)
  return page
}

/** The address of the broker, as the pages are told. */
async function brokerAddress(): Promise<string> {
  const text = await (await fetch(new URL('broker.js', address))).text()
  return `ws://127.0.0.1:${text.match(/\d+/)?.[0]}`
}

async function takePictures(page: Page, name: string): Promise<void> {
  if (process.env.TOPICWIRE_SCREENSHOTS !== '1') return
  await mkdir(SCREENSHOTS, { recursive: true })
  await page.setViewportSize({ width: 960, height: 620 })
  await page.emulateMedia({ colorScheme: 'light' })
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) })
  await page.setViewportSize({ width: 390, height: 780 })
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.screenshot({ path: join(SCREENSHOTS, `${name}-phone.png`) })
}

/** Nothing of a page is wider than a phone, and everything that can be used has a name. */
async function expectUsable(page: Page): Promise<void> {
  await page.setViewportSize({ width: 360, height: 740 })
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360)
  expect(await page.getByRole('heading', { level: 1 }).count()).toBe(1)
  for (const role of ['button', 'textbox'] as const) {
    expect(await page.getByRole(role, { name: /\S/ }).count()).toBe(await page.getByRole(role).count())
  }
}

describeWithPeers(['chromium'], 'the applications of examples/', () => {
  beforeAll(async () => {
    browser = await BrowserUnderTest.launch()
  })
  afterAll(() => browser.close())

  afterEach(async () => {
    for (const page of pages.splice(0)) await page.close()
    for (const socket of sockets.splice(0)) socket.terminate()
    program?.signal('SIGINT')
    const exitCode = await program?.ended()
    program = undefined
    expect(exitCode).toBe(0)
    expect(complaints.splice(0)).toEqual([])
  })

  test('thermostats: all are shown, one is set, one goes and comes back with what it has measured', {
    timeout: 90_000,
  }, async () => {
    await run('thermostats')
    const page = await open()
    const card = (name: string) => page.getByRole('region', { name, exact: true })
    await expect.poll(() => page.getByRole('region').count(), PATIENCE).toBe(8)
    // The curve of each room: how many readings it is drawn from, and which one is the last.
    const curve = async (name: string) => {
      const found = await card(name).evaluate((element) => [
        Number(element.dataset.sequence),
        element.querySelector('polyline')?.points.length,
      ])
      const [last = 0, count = 0] = found
      return { last, count }
    }
    const rooms = await page.getByRole('heading', { level: 2 }).allTextContents()
    await expect
      .poll(async () => (await Promise.all(rooms.map(curve))).every(({ count }) => count > 0), PATIENCE)
      .toBe(true)
    const first = new Map<string, number>()
    for (const room of rooms) {
      const { last, count } = await curve(room)
      first.set(room, last - count + 1)
    }

    // It may be out of reach just now; whoever asks again gets through in the end.
    const study = card('study')
    const more = page.getByRole('button', { name: 'study: half a degree more' })
    await expect.poll(() => study.locator('.target').textContent(), PATIENCE).toContain('21.0')
    await expect
      .poll(async () => {
        await more.click()
        return study.textContent()
      }, PATIENCE)
      .toMatch(/set to 2\d\.\d °C/)
    await expect.poll(() => study.locator('.target').textContent(), PATIENCE).toMatch(/2[1-9]\.[05]/)

    await expect.poll(() => page.locator('.offline').count(), PATIENCE).toBeGreaterThan(0)
    const gone = (await page.locator('.offline h2').first().textContent()) ?? ''
    await takePictures(page, 'thermostats')
    const last = (await curve(gone)).last
    await expect.poll(() => card(gone).locator('.status').textContent(), PATIENCE).toBe('online')
    await expect.poll(async () => (await curve(gone)).last, PATIENCE).toBeGreaterThan(last + 2)
    const drawn = await curve(gone)
    expect(drawn.count).toBe(Math.min(MOST_DRAWN, drawn.last - (first.get(gone) ?? 0) + 1))

    // Each outage is a chance to ask one that is not there; the broker answers for it.
    const isOutOfReach = async (): Promise<boolean> => {
      const asked = page.locator('.offline .more').first()
      if ((await page.locator('.offline').count()) > 0) await asked.click({ timeout: 1_000 }).catch(() => {})
      return (await page.getByText('out of reach', { exact: true }).count()) > 0
    }
    await expect.poll(isOutOfReach, PATIENCE).toBe(true)

    // What the last state of each was is there for a page that comes now.
    await page.reload()
    await expect.poll(() => page.getByText(/^(online|offline)$/).count(), PATIENCE).toBe(8)
    for (const room of rooms) {
      await expect.poll(() => card(room).locator('.target').textContent(), PATIENCE).toMatch(/^\d+\.\d °C$/)
      await expect.poll(() => card(room).locator('.degrees').textContent(), PATIENCE).toMatch(/^\d+\.\d °C$/)
    }
    await expectUsable(page)
  })

  test('chat: messages, the last word of a room, who is here, and nothing that is HTML', {
    timeout: 90_000,
  }, async () => {
    await run('chat')
    const ada = await open()
    const messages = (page: Page) => page.getByRole('list', { name: 'Messages' }).getByRole('listitem')
    const here = async (page: Page): Promise<string[]> =>
      page.getByRole('list', { name: 'Who is here' }).getByRole('listitem').allTextContents()
    const callThem = async (page: Page, name: string): Promise<void> => {
      await page.getByLabel('Your name').fill(name)
      await page.getByLabel('Your name').press('Tab')
    }
    const say = async (page: Page, text: string): Promise<void> => {
      await page.getByLabel('Message', { exact: true }).fill(text)
      await page.getByRole('button', { name: 'Send' }).click()
    }
    await expect.poll(() => ada.getByText('in kitchen').count(), PATIENCE).toBe(1)
    await callThem(ada, 'Ada')
    await say(ada, 'Is anybody there?')
    await expect.poll(() => messages(ada).count(), PATIENCE).toBe(1)

    const bob = await open()
    await expect
      .poll(() => messages(bob).allTextContents(), PATIENCE)
      .toEqual([expect.stringContaining('Is anybody there?')])
    const html = '<img src=x onerror="globalThis.isBroken = true"><b>bold</b>'
    await callThem(bob, '<b>Bob</b>')
    await say(bob, html)
    await expect.poll(() => messages(ada).count(), PATIENCE).toBe(2)
    expect(await messages(ada).last().textContent()).toContain(html)
    await expect.poll(() => here(ada), PATIENCE).toEqual(['<b>Bob</b> · kitchen', 'Ada · kitchen'])
    for (const page of [ada, bob]) {
      expect(await page.locator('img, b').count()).toBe(0)
      expect(await page.evaluate('globalThis.isBroken')).toBeUndefined()
    }

    // What others publish there, and is no message, is passed over.
    const stranger = new WebSocket(`${await brokerAddress()}/topics/chat/rooms/garden`)
    sockets.push(stranger)
    await once(stranger, 'open')
    for (const frame of ['no JSON', '{"text":1}', 'null']) stranger.send(frame)
    await callThem(bob, 'Bob')
    await bob.getByRole('button', { name: 'garden' }).click()
    await expect.poll(() => here(ada), PATIENCE).toEqual(['Ada · kitchen', 'Bob · garden'])
    await say(bob, 'The roses are in bloom.')
    await expect
      .poll(() => messages(bob).allTextContents(), PATIENCE)
      .toEqual([expect.stringContaining('The roses are in bloom.')])
    expect(await messages(ada).count()).toBe(2)

    await say(ada, 'Tea is ready.')
    await expect.poll(() => messages(ada).count(), PATIENCE).toBe(3)
    await takePictures(ada, 'chat')
    // However a window is closed: in good order, or because its process is gone.
    await bob.close()
    await expect.poll(() => here(ada), PATIENCE).toEqual(['Ada · kitchen'])
    const eve = await open()
    await callThem(eve, 'Eve')
    await expect.poll(() => here(ada), PATIENCE).toEqual(['Ada · kitchen', 'Eve · kitchen'])
    await eve.goto('chrome://crash').catch(() => {})
    await expect.poll(() => here(ada), PATIENCE).toEqual(['Ada · kitchen'])
    await expectUsable(ada)
  })

  test('ticker: who is slow misses prices, and holds nobody up', { timeout: 90_000 }, async () => {
    await run('ticker')
    const [slow, quick, third] = [await open(), await open(), await open()]
    const prices = `${await brokerAddress()}/topics/ticker/prices/+`
    const frames: string[] = []
    const newest = (): number[] =>
      frames.map((frame) => (frame === '' ? 0 : (JSON.parse(frame) as { sequence: number }).sequence))
    for (let index = 0; index < 50; index += 1) {
      const socket = new WebSocket(prices)
      sockets.push(socket)
      frames.push('')
      socket.on('message', (data) => {
        frames[index] = String(data)
      })
    }
    await Promise.all(sockets.map((socket) => once(socket, 'open')))
    await until(() => newest().every((sequence) => sequence > 0), 'a price for everybody', 30_000)
    const dropped = async (page: Page): Promise<number> =>
      Number(((await page.locator('#dropped').textContent()) ?? '').replaceAll(',', ''))
    const shown = async (page: Page): Promise<number> =>
      Number(await page.getByRole('region', { name: 'ACME' }).getAttribute('data-sequence'))

    const frozen = sockets[0]
    frozen?.pause()
    await slow.getByRole('button', { name: 'Be slow' }).click()
    await expect.poll(() => dropped(slow), { timeout: 60_000 }).toBeGreaterThan(0)
    await takePictures(slow, 'ticker')

    // Current: whoever reads has got what was published after this moment.
    const now = Math.max(...newest())
    await until(
      () =>
        newest()
          .slice(1)
          .every((sequence) => sequence > now),
      'a current price for the others',
      30_000,
    )
    for (const page of [quick, third]) {
      await expect.poll(() => shown(page), PATIENCE).toBeGreaterThan(now)
      expect(await dropped(page)).toBe(0)
    }
    expect(newest()[0]).toBeLessThan(now)
    expect(await quick.getByRole('region').count()).toBe(12)

    // And the slow one is back in the present when it reads again.
    await slow.getByRole('button', { name: 'Be slow' }).click()
    await expect.poll(() => shown(slow), PATIENCE).toBeGreaterThan(now)
    await expectUsable(slow)
  })
})
