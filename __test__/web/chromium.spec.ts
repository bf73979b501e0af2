/** The browser module in Chromium, loaded from the broker that it then talks with. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Broker } from '../../src/index.js'
import { BrowserUnderTest } from '../interop/peers/chromium.js'
import { freePort } from '../support/free-port.js'
import { describeWithPeers } from '../support/peers.js'
import { portOf } from './live-client.js'

/** What a page does when it is told to, and what it shows of that. */
const page = (port: number): string => `<!doctype html><title>module</title><pre></pre>
<script type="module">
import { connect } from 'http://127.0.0.1:${port}/client.js'
const log = (line) => { document.querySelector('pre').textContent += line + '\\n' }
const client = connect({ maximumBackoffMs: 200 })
client.onstate = (state) => log('state ' + state)
client.onerror = (error) => log('error ' + error)
await client.subscribe('page/in', (message) => log('in ' + message.text()), { qos: 1 })
await client.subscribe('page/double', (message) => client.respond(message, message.json() * 2))
log('answer ' + (await client.request('page/double', 21)).json())
await client.publish('page/out', 'grün', { retain: true })
log('subscribed')
for await (const message of client.messages('page/loop')) {
  log('loop ' + message.bytes.length)
  if (message.text() === 'last') break
}
log('looped')
</script>`

describeWithPeers(['chromium'], 'the browser module in a page', () => {
  let broker: Broker
  let browser: BrowserUnderTest

  beforeAll(async () => {
    broker = await Broker.start({ port: await freePort(), host: '127.0.0.1' })
    browser = await BrowserUnderTest.launch()
  })

  afterAll(async () => {
    await browser.close()
    await broker.close({ drainTimeoutMs: 0 })
  })

  test('subscribes, publishes, asks, loops, and finds the broker again after a restart', async () => {
    const port = portOf(broker)
    const opened = await browser.open(page(port))
    const problems: string[] = []
    opened.on('pageerror', (error) => problems.push(String(error)))
    opened.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text())
    })
    const shown = async (): Promise<string[]> =>
      (await opened.locator('pre').textContent())?.split('\n') ?? []
    const shows = (line: string) => expect.poll(shown, { timeout: 15_000 }).toContain(line)

    await shows('subscribed')
    expect(await shown()).toContain('answer 42')
    await broker.publish('page/in', 'one', { qos: 1 })
    await broker.publish('page/loop', Buffer.of(0xff, 0))
    await shows('in one')
    await shows('loop 2')
    await broker.publish('page/loop', 'last')
    await shows('looped')
    expect(problems).toEqual([])

    await broker.close({ drainTimeoutMs: 0 })
    await shows('state offline')
    broker = await Broker.start({ port, host: '127.0.0.1' })
    await expect
      .poll(
        async () => {
          await broker.publish('page/in', 'two', { qos: 1 })
          return shown()
        },
        { timeout: 15_000 },
      )
      .toContain('in two')
    // A browser says itself that it could not connect while nobody was there; the module adds nothing.
    expect(problems.filter((problem) => !problem.includes('ERR_CONNECTION_REFUSED'))).toEqual([])
    await opened.close()
  }, 60_000)

  test('an EventSource listens, and a form of a foreign page publishes nothing', async () => {
    const { port } = new URL(`http://127.0.0.1:${portOf(broker)}`)
    const opened = await browser.open(`<!doctype html><title></title><script>
const source = new EventSource('http://127.0.0.1:${port}/events/shown/%23')
source.onmessage = ({ data }) => { document.title += JSON.parse(data).payload + ';' }
source.onopen = () => fetch('http://127.0.0.1:${port}/publish/shown/own', { method: 'POST', body: 'own' })
</script>`)
    await expect.poll(() => opened.title()).toBe('own;')
    const foreign = await browser.open(
      `<!doctype html><form method="post" enctype="text/plain" action="http://127.0.0.1:${port}/publish/shown/own">
<input name="forged" value="x"></form>`,
      'other.test',
    )
    const [response] = await Promise.all([
      foreign.waitForNavigation(),
      foreign.evaluate('document.forms[0].submit()'),
    ])
    expect(response?.status()).toBe(403)
    await broker.publish('shown/last', 'last')
    await expect.poll(() => opened.title()).toBe('own;last;')
    await Promise.all([opened.close(), foreign.close()])
  }, 60_000)
})
