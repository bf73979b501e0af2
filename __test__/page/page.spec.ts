/** The broker's page in a real browser, against a real broker. */
import { connect as connectSocket } from 'node:net'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Broker, type BrokerOptions } from '../../src/index.js'
import { freePort } from '../support/free-port.js'
import { clientOver, nextEvent } from '../support/mqtt-js.js'
import { describeWithPeers } from '../support/peers.js'
import { type Visit, Visitor } from './visitor.js'

let visitor: Visitor
const brokers: Broker[] = []
const visits: Visit[] = []

afterEach(async () => {
  const complaints = visits.flatMap((visit) => visit.complaints)
  await Promise.all(visits.splice(0).map((visit) => visit.close()))
  await Promise.all(brokers.splice(0).map((broker) => broker.close()))
  expect(complaints).toEqual([])
})

async function start(options: BrokerOptions = {}): Promise<Broker> {
  const broker = await Broker.start({ port: 0, ...options })
  brokers.push(broker)
  return broker
}

async function visit(broker: Broker, options: BrowserContextOptions = {}, path = '/'): Promise<Visit> {
  const opened = await visitor.visit(broker, options, path)
  visits.push(opened)
  return opened
}

/** A page that is connected and has subscribed to everything. */
async function arrive(broker: Broker, options: BrowserContextOptions = {}, path = '/'): Promise<Visit> {
  const opened = await visit(broker, options, path)
  await opened.connected()
  await eventually(() => broker.metrics().subscriptions).toBeGreaterThanOrEqual(4)
  return opened
}

/** `expect` of what is so in the end. */
function eventually<T>(probe: () => T) {
  return expect.poll(probe, { timeout: 15_000 })
}

function payloadOf(page: Page): Promise<string | null> {
  return page.getByRole('region', { name: 'Payload' }).textContent()
}

describeWithPeers(['chromium'], 'the page', () => {
  beforeAll(async () => {
    visitor = await Visitor.launch()
  })

  afterAll(() => visitor.close())

  test('the tree fills with the topics that messages come to, and shows the last value of each', async () => {
    const broker = await start()
    await broker.publish('house/attic/temperature', '20.5', { retain: true })
    const { page } = await arrive(broker)
    const attic = page.getByRole('treeitem', { name: /^temperature/ })
    await attic.filter({ hasText: '20.5' }).waitFor()
    await broker.publish('house/attic/temperature', '21.0')
    await attic.filter({ hasText: '21.0' }).waitFor()
    await broker.publish('house/cellar/humidity', '80')
    await page.getByRole('treeitem', { name: /^humidity/ }).waitFor()
    expect(await page.getByRole('treeitem').count()).toBe(5)
    await page.getByRole('treeitem', { name: /^house/ }).click()
    expect(await page.getByRole('treeitem').count()).toBe(1)
    await page.getByText('2 topics').waitFor()
  })

  test('what was kept, and comes because the page subscribes, is no traffic', async () => {
    const broker = await start()
    await broker.publish('kept', '20', { retain: true })
    const opened = await arrive(broker)
    await opened.row('kept').waitFor()
    const timer = setInterval(() => void broker.publish('live', '1'), 50)
    try {
      // Rates are made of all topics at once: where there is one, that of the other has been made as well.
      await opened.row('live').filter({ hasText: '/s' }).waitFor()
      expect(await opened.row('kept').textContent()).not.toContain('/s')
    } finally {
      clearInterval(timer)
    }
  })

  test('what is found are the topics with the words in their names, and another filter makes another tree', async () => {
    const broker = await start()
    for (const room of ['attic', 'cellar', 'kitchen']) {
      await broker.publish(`house/${room}/temperature`, '20', { retain: true })
      await broker.publish(`house/${room}/humidity`, '50', { retain: true })
    }
    const { page } = await arrive(broker)
    await page.getByText('6 topics').waitFor()
    await page.getByRole('searchbox', { name: 'Find in topic names' }).fill('Cellar/temp')
    await eventually(() => page.getByRole('treeitem').allTextContents()).toEqual([
      expect.stringContaining('house/cellar/temperature'),
    ])
    await page.getByRole('searchbox').fill('')
    await page.getByLabel('Topic filter of the tree').fill('house/attic/#')
    await page.getByRole('button', { name: 'Show the topics of this filter' }).click()
    await page.getByText('2 topics').waitFor()
    await page.getByLabel('Topic filter of the tree').fill('house/#/attic')
    await page.getByRole('button', { name: 'Show the topics of this filter' }).click()
    await page
      .getByRole('tree')
      .getByText(/^house\/#\/attic: .*does not stand alone/)
      .waitFor()
  })

  test('the message that is chosen is shown as text, JSON over lines, and hexadecimal digits', async () => {
    const broker = await start()
    await broker.publish('machine', '{"on":true,"speed":[1,2.5],"name":"press"}', { retain: true })
    await broker.publish('bytes', Buffer.from([0, 255, 65, 10]), { retain: true })
    const { page } = await arrive(broker)
    await page.getByRole('treeitem', { name: /^machine/ }).click()
    expect(await payloadOf(page)).toBe(
      '{\n  "on": true,\n  "speed": [\n    1,\n    2.5\n  ],\n  "name": "press"\n}',
    )
    await page.getByRole('radio', { name: 'Text' }).check({ force: true })
    expect(await payloadOf(page)).toBe('{"on":true,"speed":[1,2.5],"name":"press"}')
    await page.getByRole('radio', { name: 'Hex' }).check({ force: true })
    expect(await payloadOf(page)).toContain('0000  7b 22 6f 6e 22 3a 74 72  {"on":tr')
    await page.getByRole('treeitem', { name: /^bytes/ }).click()
    expect(await payloadOf(page)).toBe('0000  00 ff 41 0a              ··A·')
    await page.getByRole('radio', { name: 'JSON' }).check({ force: true })
    await page.getByText('This is not JSON.').waitFor()
  })

  test('markup in topics and payloads is text', async () => {
    const broker = await start()
    const markup = '<img src=x onerror="document.title=\'broken into\'">'
    await broker.publish(`a/${markup}`, markup, { retain: true })
    const { page } = await arrive(broker)
    await page.getByRole('treeitem', { name: /^<img/ }).click()
    expect(await payloadOf(page)).toBe(markup)
    expect(await page.title()).toBe('topicwire')
    expect(await page.locator('img').count()).toBe(0)
  })

  test('what is published by hand comes to whoever subscribes, by hand too', async () => {
    const broker = await start()
    const heard: string[] = []
    broker.subscribe('lamp/#', ({ topicName, payload }) => void heard.push(`${topicName} ${payload}`))
    const { page } = await arrive(broker, {}, '/#try')
    await page.getByRole('textbox', { name: 'Topic filter' }).fill('lamp/+')
    await page.getByRole('button', { name: 'Subscribe', exact: true }).click()
    await page.getByText('Subscribed to lamp/+.').waitFor()
    await page.getByRole('textbox', { name: 'Topic', exact: true }).fill('lamp/desk')
    await page.getByRole('textbox', { name: 'Payload' }).fill('on')
    await page.getByRole('combobox', { name: 'QoS' }).first().selectOption('1')
    await page.getByRole('button', { name: 'Publish', exact: true }).click()
    await page.getByText('Published; the broker has taken it.').waitFor()
    await page.getByRole('region', { name: 'Messages received' }).getByText('lamp/desk').waitFor()
    expect(heard).toEqual(['lamp/desk on'])
    await page.getByRole('button', { name: 'Unsubscribe from lamp/+' }).click()
    await page.getByText('Unsubscribed from lamp/+.').waitFor()
    await page.getByRole('textbox', { name: 'Topic', exact: true }).fill('lamp/#')
    await page.getByRole('button', { name: 'Publish', exact: true }).click()
    await page.locator('.outcome.bad').filter({ hasText: /topic/i }).waitFor()
  })

  test('the tree keeps its messages when the same filter is subscribed to by hand and given up again', async () => {
    const broker = await start()
    const { page } = await arrive(broker, {}, '/#try')
    await page.getByRole('textbox', { name: 'Topic filter' }).fill('#')
    await page.getByRole('button', { name: 'Subscribe', exact: true }).click()
    await page.getByRole('button', { name: 'Unsubscribe from #' }).click()
    await page.getByText('Unsubscribed from #.').waitFor()
    await broker.publish('still/there', 'yes')
    await page.getByRole('tab', { name: 'Topics' }).click()
    await page.getByRole('treeitem', { name: /^there/ }).waitFor()
  })

  test('the table of clients has who is connected, with protocol, address and figures', async () => {
    const broker = await start({ authenticate: () => true })
    const client = clientOver(broker.connect(), { clientId: 'greenhouse', username: 'ada', password: 'x' })
    await nextEvent(client, 'connect')
    await client.subscribeAsync(['a', 'b', 'c'])
    const { page } = await arrive(broker, {}, '/#clients')
    const row = page.getByRole('row', { name: /^greenhouse/ })
    await row.waitFor()
    expect((await row.getByRole('cell').allTextContents()).slice(0, 4)).toEqual([
      'greenhouse',
      'ada',
      'memory 5.0',
      'memory',
    ])
    expect(await row.getByRole('cell').nth(5).textContent()).toBe('3')
    const own = page.getByRole('row', { name: /^page-/ })
    expect((await own.getByRole('cell').allTextContents())[2]).toContain('live')
    await page.getByRole('button', { name: 'Subscriptions' }).click()
    expect(await page.getByRole('columnheader', { name: 'Subscriptions' }).getAttribute('aria-sort')).toBe(
      'descending',
    )
    await client.endAsync()
    await row.waitFor({ state: 'detached' })
  })

  test('the table of clients has a hundred at first, and more on request', async () => {
    const broker = await start()
    const clients = Array.from({ length: 130 }, (_, index) =>
      clientOver(broker.connect(), { clientId: `sensor-${index}` }),
    )
    await Promise.all(clients.map((client) => nextEvent(client, 'connect')))
    const { page } = await arrive(broker, {}, '/#clients')
    const foot = page.getByText(/^131 clients/)
    await foot.waitFor()
    expect(await foot.textContent()).toMatch(/^131 clients, of which 100 are shown/)
    // The head is a row as well.
    expect(await page.getByRole('row').count()).toBe(101)
    await page.getByRole('button', { name: 'Show more' }).click()
    await eventually(() => page.getByRole('row').count()).toBe(132)
    expect(await foot.textContent()).toBe('131 clients')
    await Promise.all(clients.map((client) => client.endAsync()))
  })

  test('a connection in the wrong protocol is a problem, with what helps', async () => {
    const broker = await start()
    const { page } = await arrive(broker, {}, '/#problems')
    await page.getByText('No problems since the broker was started.').waitFor()
    const socket = connectSocket(broker.addresses[0]?.port as number, '127.0.0.1')
    socket.on('error', () => {}).end(Buffer.from('160301002a01', 'hex'))
    const problem = page.getByRole('listitem').filter({ hasText: 'TLS' })
    await problem.waitFor()
    const [told] = broker.problems
    expect(await problem.textContent()).toContain(told?.remedy)
    expect(told?.remedy.length).toBeGreaterThan(20)
    await page.getByRole('tab', { name: /^Problems 1$/ }).waitFor()
  })

  test('rates are drawn and said', async () => {
    const broker = await start()
    const { page } = await arrive(broker, {}, '/#rates')
    const figures = page.getByRole('figure')
    await eventually(() => figures.count()).toBe(4)
    const timer = setInterval(() => void broker.publish('traffic', 'x'), 20)
    try {
      const messages = figures.filter({ hasText: 'Messages a second' })
      await expect
        .poll(async () => Number(/in(\d+)/.exec((await messages.textContent()) ?? '')?.[1]), {
          timeout: 15_000,
        })
        .toBeGreaterThan(0)
      await figures.filter({ hasText: /round trip[\d.]+ ms/ }).waitFor()
      expect(await page.locator('canvas').count()).toBe(4)
    } finally {
      clearInterval(timer)
    }
  })

  test('a broker that asks who is there gets a user name and a password from whoever sits before the page', async () => {
    const broker = await start({
      authenticate: ({ username, password }) =>
        username === 'ada' && password?.toString() === 'lovelace' ? true : { reasonCode: 0x86 },
    })
    await broker.publish('secret', 'said to those who are let in', { retain: true })
    const { page } = await visit(broker)
    await page.getByRole('heading', { name: 'Log in' }).waitFor()
    expect(await page.getByRole('tree').count()).toBe(0)
    await page.getByLabel('User name').fill('ada')
    await page.getByLabel('Password').fill('byron')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').waitFor()
    expect(await page.getByLabel('User name').inputValue()).toBe('ada')
    await page.getByLabel('Password').fill('lovelace')
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByRole('treeitem', { name: /^secret/ }).waitFor()
    // Nothing of it is kept where another page of this origin could find it.
    expect(
      await page.evaluate('JSON.stringify([localStorage, sessionStorage, document.cookie])'),
    ).not.toContain('lovelace')
  })

  test('who may not read the status is told so, and sees the topics', async () => {
    const broker = await start({
      authorizeSubscribe: { filter: '$SYS/topicwire/#', handler: () => false },
    })
    const opened = await visit(broker)
    await opened.connected()
    await opened.open('Clients')
    await opened.page.getByText('This broker does not tell you about its clients').waitFor()
    await broker.publish('open', 'yes')
    await opened.open('Topics')
    await opened.page.getByRole('treeitem', { name: /^open/ }).waitFor()
  })

  test('a connection that is lost is opened again, with what was subscribed to', async () => {
    const port = await freePort()
    const first = await start({ port })
    const { page } = await arrive(first)
    await first.close()
    await page.getByText('Connection lost, trying again').waitFor()
    const second = await start({ port })
    await page.getByText(/^Connected/).waitFor()
    await eventually(() => second.metrics().subscriptions).toBeGreaterThanOrEqual(4)
    await second.publish('after/the/restart', 'here')
    await page.getByRole('treeitem', { name: /^restart/ }).waitFor()
  }, 30_000)

  test('paused, the tree stands still, and then goes on', async () => {
    const broker = await start()
    const { page } = await arrive(broker)
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByText('0 topics; paused').waitFor()
    await eventually(() => broker.metrics().subscriptions).toBe(3)
    await broker.publish('missed', 'x')
    await page.getByRole('button', { name: 'Go on' }).click()
    await eventually(() => broker.metrics().subscriptions).toBeGreaterThanOrEqual(4)
    await broker.publish('seen', 'x')
    await page.getByRole('treeitem', { name: /^seen/ }).waitFor()
    expect(await page.getByRole('treeitem', { name: /^missed/ }).count()).toBe(0)
  })

  test('everything can be done with the keyboard', async () => {
    const broker = await start()
    await broker.publish('a/one', '1', { retain: true })
    await broker.publish('a/two', '{"two":2}', { retain: true })
    const { page } = await arrive(broker)
    await page.getByText('2 topics').waitFor()
    const press = async (...keys: string[]) => {
      for (const key of keys) await page.keyboard.press(key)
    }
    /** Tab until the focus is on something with this name. */
    const goTo = async (name: RegExp) => {
      for (let steps = 0; steps < 40; steps += 1) {
        await press('Tab')
        const found = await page.evaluate(
          "(() => { const at = document.activeElement; return at.getAttribute('aria-label') ?? at.labels?.[0]?.textContent ?? at.textContent })()",
        )
        if (name.test(String(found))) return
      }
      throw new Error(`${name} was not reached`)
    }
    await goTo(/^Topics$/)
    await goTo(/^Topics$/)
    await press('Home', 'ArrowLeft')
    await eventually(() => page.getByRole('treeitem').count()).toBe(1)
    await press('ArrowRight')
    await eventually(() => page.getByRole('treeitem').count()).toBe(3)
    await press('ArrowDown', 'ArrowDown', 'Enter')
    await page.getByRole('heading', { name: 'a/two' }).waitFor()
    await goTo(/^JSON$/)
    await press('ArrowRight')
    expect(await payloadOf(page)).toContain('7b 22 74 77 6f')
    await goTo(/^Publish to this topic$/)
    await press('Enter')
    await goTo(/^Payload/)
    await press('ControlOrMeta+A')
    await page.keyboard.type('three')
    await goTo(/^Publish$/)
    await press('Enter')
    await page.getByText('Published.').waitFor()
    await page.evaluate('document.activeElement.blur()')
    await goTo(/^Try it$/)
    await press('Home')
    await page.getByRole('treeitem', { name: /^two/ }).filter({ hasText: 'three' }).waitFor()
    await press('ArrowRight')
    await page.getByRole('table').waitFor()
  })

  test('every control has a name, in every part', async () => {
    const broker = await start({ authenticate: ({ username }) => username === 'ada' })
    broker.reportProblem({ code: 'acceptFailed', text: 'A connection could not be accepted.' })
    await broker.publish('a/b', '{"x":1}', { retain: true })
    const opened = await visit(broker)
    const { page } = opened
    const nameless = async () => {
      const snapshot = await page.locator('body').ariaSnapshot()
      return snapshot.split('\n').filter((line) => {
        return /^\s*- (button|textbox|searchbox|checkbox|radio|combobox|tab|tree|treeitem|table|link)\b(?! ")/.test(
          line,
        )
      })
    }
    await page.getByLabel('User name').fill('ada')
    expect(await nameless()).toEqual([])
    await page.keyboard.press('Enter')
    await page.getByRole('treeitem', { name: /^b/ }).click()
    for (const tab of ['Topics', 'Clients', 'Rates', 'Problems', 'Try it']) {
      await opened.open(tab)
      if (tab === 'Try it') {
        await page.getByRole('textbox', { name: 'Topic filter' }).fill('a/+')
        await page.getByRole('button', { name: 'Subscribe', exact: true }).click()
        await page.getByRole('button', { name: 'Unsubscribe from a/+' }).waitFor()
      }
      expect(await nameless(), tab).toEqual([])
    }
  })

  test('on a telephone nothing is wider than the window', async () => {
    const broker = await start()
    const long = 'a-level-with-a-name-that-is-far-too-long-for-any-telephone-of-this-world'
    await broker.publish(`${long}/${long}/${long}`, JSON.stringify({ [long]: long.repeat(5) }), {
      retain: true,
    })
    broker.reportProblem({ code: 'protocolError', text: long.repeat(3), clientId: long, remoteAddress: long })
    const client = clientOver(broker.connect(), { clientId: long.repeat(2) })
    await nextEvent(client, 'connect')
    const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }
    const opened = await arrive(broker, phone)
    const { page } = opened
    await page.getByRole('treeitem').last().tap()
    await page.getByRole('region', { name: 'Payload' }).waitFor()
    expect(await opened.isTooWide()).toBe(false)
    await page.getByRole('radio', { name: 'Hex' }).check({ force: true })
    expect(await opened.isTooWide()).toBe(false)
    for (const tab of ['Clients', 'Rates', 'Problems', 'Try it']) {
      await page.getByRole('tab', { name: tab }).tap()
      if (tab === 'Clients') await page.getByRole('row', { name: new RegExp(`^${long}`) }).waitFor()
      if (tab === 'Rates') await page.locator('canvas').first().waitFor()
      if (tab === 'Problems') await page.getByRole('listitem').waitFor()
      expect(await opened.isTooWide(), tab).toBe(false)
    }
    client.end(true)
  })

  test.each(['light', 'dark'] as const)(
    'texts stand out from what is behind them when it is %s',
    async (colorScheme) => {
      const broker = await start()
      const { page } = await arrive(broker, { colorScheme })
      const colors = await page.evaluate(`(() => {
      const style = getComputedStyle(document.documentElement)
      const names = ['paper', 'card', 'sunken', 'accent-soft', 'warn-soft', 'ink', 'quiet', 'accent', 'accent-ink', 'good', 'bad', 'warn']
      return Object.fromEntries(names.map((name) => [name, style.getPropertyValue('--' + name).trim()]))
    })()`)
      const of = colors as Record<string, string>
      const pairs = [
        ...['paper', 'card', 'sunken'].flatMap((ground) =>
          ['ink', 'quiet', 'bad', 'accent'].map((text) => [text, ground]),
        ),
        ['ink', 'accent-soft'],
        ['accent-ink', 'accent'],
        ['warn', 'warn-soft'],
        ['good', 'paper'],
      ] as const
      const faint = pairs.filter(([text, ground]) => contrast(of[text] ?? '', of[ground] ?? '') < 4.5)
      expect(faint).toEqual([])
      expect(contrast(of.paper ?? '', '#ffffff') > 4.5).toBe(colorScheme === 'dark')
    },
  )

  test('nothing moves for those who do not want it', async () => {
    const broker = await start()
    await broker.publish('t', 'x', { retain: true })
    const { page } = await arrive(broker, { reducedMotion: 'reduce' })
    await page.getByRole('treeitem').waitFor()
    const moving = await page.evaluate(
      "[...document.querySelectorAll('*')].filter((it) => /[1-9]/.test(getComputedStyle(it).transitionDuration + getComputedStyle(it).animationDuration)).length",
    )
    expect(moving).toBe(0)
  })

  test('ten thousand topics and a thousand messages a second leave the page at hand', async () => {
    const broker = await start()
    const { page } = await arrive(broker)
    await page.evaluate(
      'globalThis.longest = 0; new PerformanceObserver((list) => { for (const { duration } of list.getEntries()) globalThis.longest = Math.max(globalThis.longest, duration) }).observe({ type: "longtask" })',
    )
    let sent = 0
    const timer = setInterval(() => {
      // Fast until all topics are there, then a thousand a second.
      const count = sent < 10_000 ? 100 : 20
      for (let n = 0; n < count; n += 1, sent += 1) {
        const topic = `plant/${sent % 10}/line/${Math.floor(sent / 10) % 100}/sensor/${Math.floor(sent / 1000) % 10}`
        void broker.publish(topic, String(sent))
      }
    }, 20)
    try {
      await page.getByText('10.0 k topics').waitFor({ timeout: 60_000 })
      // No more rows than are in sight, whatever is open.
      await page.getByRole('button', { name: 'Expand all branches' }).click()
      expect(await page.getByRole('treeitem').count()).toBeLessThan(60)
      await page.getByRole('tree').focus()
      await page.keyboard.press('End')
      await page.getByRole('treeitem', { name: /^9/ }).last().waitFor()
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { name: 'plant/9/line/99/sensor/9' }).waitFor()
      await page.getByRole('searchbox').fill('line/42/sensor/7')
      await eventually(() => page.getByRole('treeitem').count()).toBe(10)
      await page.getByRole('tab', { name: 'Clients' }).click()
      await page.getByRole('row', { name: /^page-/ }).waitFor()
      // A page that freezes has tasks of many seconds; the bound is far from what is seen, and from that.
      expect(await page.evaluate('globalThis.longest')).toBeLessThan(3_000)
    } finally {
      clearInterval(timer)
    }
  }, 90_000)
})

/** The contrast ratio of WCAG 2. */
function contrast(one: string, other: string): number {
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a)
  return (light + 0.05) / (dark + 0.05)
}

function luminance(color: string): number {
  const parts = [1, 3, 5].map((at) => {
    const value = Number.parseInt(color.slice(at, at + 2), 16) / 255
    return value <= 0.040_45 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * (parts[0] ?? 0) + 0.7152 * (parts[1] ?? 0) + 0.0722 * (parts[2] ?? 0)
}
