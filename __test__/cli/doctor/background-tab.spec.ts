/** A tab in the background of a real browser: who keeps its connection there by timers of the page loses it. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { expect, it, onTestFinished } from 'vitest'
import { Broker } from '../../../src/index.js'
import { ROOT } from '../../interop/programs.js'
import { findPeer, requirePeer } from '../../support/peers.js'
import { until } from '../../support/until.js'
import { examined, line } from './examined.js'

const PATIENCE_MS = 60_000
const KEEP_ALIVE_TIMEOUT = 0x8d

/** MQTT.js with a measurement twice a second: what a page with a sensor or a chat does. */
const program = (port: number): string => `
const client = mqtt.connect('ws://127.0.0.1:${port}/mqtt', { clientId: NAME, keepalive: 4, reconnectPeriod: 0 })
client.on('error', ({ message }) => fetch('/said/' + NAME + '/' + encodeURIComponent(message)))
const state = () => globalThis.document?.visibilityState ?? 'none'
client.on('connect', () => setInterval(() => client.publish('measured/' + NAME, state()), 500))`

/** The same program twice: in a page, and in a worker of another page. `said` gets the errors of both. */
async function pages(port: number, said: string[]): Promise<string> {
  const bundle = readFileSync(join(ROOT, 'node_modules/mqtt/dist/mqtt.min.js'), 'utf8')
  const html = (script: string): string =>
    `<!doctype html><title>a tab</title><script src="${script}"></script>`
  const files = new Map([
    ['/page', html('page.js')],
    ['/page.js', `${bundle}\nconst NAME = 'page'${program(port)}`],
    ['/worker', html('start.js')],
    ['/start.js', "new Worker('worker.js')"],
    ['/worker.js', `${bundle}\nconst NAME = 'worker'${program(port)}`],
  ])
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    const [, , who, error] = path.startsWith('/said/') ? path.split('/') : []
    if (error !== undefined) said.push(`${who}: ${decodeURIComponent(error)}`)
    response.setHeader('content-type', path.endsWith('.js') ? 'text/javascript' : 'text/html')
    response.end(files.get(path))
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Opens addresses as tabs of one window, each in front of the one before. */
async function tabs(): Promise<(url: string) => Promise<void>> {
  const browser = await chromium.launch({
    executablePath: findPeer('chromium') ?? '',
    args: [
      ...['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
      // Timers of a hidden tab run once a minute after this time, where it is five minutes for people.
      '--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/1',
    ],
    // Playwright has every tab behave as if it were in front.
    ignoreDefaultArgs: [
      '--disable-background-timer-throttling',
      '--disable-backgrounding-occluded-windows',
      '--disable-renderer-backgrounding',
    ],
  })
  onTestFinished(() => browser.close())
  const devTools = await browser.newBrowserCDPSession()
  return async (url) => {
    const { targetId } = await devTools.send('Target.createTarget', { url })
    await devTools.send('Target.activateTarget', { targetId })
  }
}

it('the doctor warns of a keep alive that does not outlive a tab in the background', {
  timeout: 150_000,
}, async (context) => {
  requirePeer('chromium', context)
  const broker = await Broker.start({ host: '127.0.0.1', port: 0, allowedOrigins: '*' })
  onTestFinished(() => broker.close({ drainTimeoutMs: 0 }))
  const port = broker.addresses[0]?.port ?? 0
  const measured = { page: [] as string[], worker: [] as string[] }
  const [lost, said]: [string[], string[]] = [[], []]
  broker.subscribe('measured/page', (message) => void measured.page.push(message.text()))
  broker.subscribe('measured/worker', (message) => void measured.worker.push(message.text()))
  broker.on('disconnect', ({ clientId, reasonCode }) => {
    lost.push(clientId)
    if (reasonCode === KEEP_ALIVE_TIMEOUT) said.push(`${clientId}: Keepalive timeout`)
  })

  const [origin, show] = await Promise.all([pages(port, said), tabs()])
  for (const name of ['page', 'worker'] as const) {
    await show(`${origin}/${name}`)
    await until(() => measured[name].length > 2, `the ${name}`, PATIENCE_MS)
  }
  expect(measured.page[0]).toBe('visible')
  await show('about:blank')
  await until(
    () => lost.length > 0 && said.length > 0,
    'the end of a connection in the background',
    PATIENCE_MS,
  )
  expect(measured.page).toContain('hidden')
  const before = measured.worker.length
  await until(() => measured.worker.length > before + 2, 'the worker, in the background', PATIENCE_MS)
  expect(lost).toEqual(['page'])
  // Whoever notices first: the broker, which misses the PINGREQ, or the client, whose PINGREQ has not been written.
  expect(said[0]).toBe('page: Keepalive timeout')

  const doctor = async (keepAlive: string): Promise<string> => {
    const found = await examined(`ws://127.0.0.1:${port}/mqtt`, '--page', origin, '-k', keepAlive)
    return line(found.of('background-tab'))
  }
  expect(await doctor('4')).toMatch(
    /^warn: a keep alive of 4 s .* may come too late from a tab in the background.* in a worker/,
  )
  expect(await doctor('120')).toMatch(/^ok: a keep alive of 120 s .* survives timers that run once a minute/)
})
