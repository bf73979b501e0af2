/**
 * Takes the pictures of the broker's page that the documents show, docs/screenshots/*.png: `npm run screenshots`. Needs
 * Chromium. Run it when the page looks different, and commit what it writes.
 */
import { mkdirSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import mqtt from 'mqtt'
import { chromium } from 'playwright-core'
import { ensure } from './ensure.mjs'
import { inRoot, main, say } from './lib/project.mjs'

const WIDE = { width: 1200, height: 720 }
const NARROW = { width: 390, height: 780 }
const STEP_MS = 100

await main(async () => {
  await ensure()
  const { Broker } = await import(pathToFileURL(inRoot('dist', 'index.js')).href)
  const broker = await Broker.start({ port: 0 })
  const { port } = broker.addresses[0]
  const clients = ['greenhouse', 'attic-display', 'billing'].map((clientId, index) =>
    mqtt.connect(`mqtt://127.0.0.1:${port}`, { clientId, protocolVersion: index === 0 ? 4 : 5 }),
  )
  await clients[1].subscribeAsync(['house/#', 'lamp/+/state'])
  await clients[2].subscribeAsync('meter/#', { qos: 1 })
  const timer = live(broker, clients[0])
  reportSome(broker)
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu'],
  })
  mkdirSync(inRoot('docs', 'screenshots'), { recursive: true })
  const take = async (name, options, act) => {
    const context = await browser.newContext(options)
    const page = await context.newPage()
    await page.goto(`http://127.0.0.1:${port}/`)
    await act(page)
    await page.screenshot({ path: inRoot('docs', 'screenshots', `${name}.png`) })
    await context.close()
    say(`docs/screenshots/${name}.png`)
  }
  const open = (page, name) => page.getByRole('tab', { name }).click()
  try {
    await take('topics', { viewport: WIDE }, async (page) => {
      // Rows move while there are new topics.
      await page.getByText('12 topics').waitFor()
      await page.getByRole('treeitem', { name: /^oven/ }).click()
      await page.waitForTimeout(4_000)
    })
    await take('clients', { viewport: WIDE }, async (page) => {
      await open(page, 'Clients')
      await page.waitForTimeout(2_500)
    })
    await take('rates', { viewport: WIDE, colorScheme: 'dark' }, async (page) => {
      await open(page, 'Rates')
      await page.waitForTimeout(45_000)
    })
    await take('problems', { viewport: NARROW, isMobile: true, hasTouch: true }, async (page) => {
      await open(page, 'Problems')
      await page.waitForTimeout(2_500)
    })
  } finally {
    clearInterval(timer)
    await browser.close()
    for (const client of clients) client.end(true)
    await broker.close()
  }
})

/** A house, a meter, a machine. */
function live(broker, client) {
  let step = 0
  return setInterval(() => {
    step += 1
    for (const [index, room] of ['attic', 'cellar', 'garage', 'kitchen'].entries()) {
      const celsius = 19 + index + 2 * Math.sin(step / 60 + index)
      client.publish(`house/${room}/temperature`, celsius.toFixed(1))
      if (step % 3 === index % 3) client.publish(`house/${room}/humidity`, String(45 + ((step + index) % 9)))
    }
    const oven = { on: true, program: 'fan', targetC: 180, actualC: 160 + (step % 20), door: null }
    client.publish('house/kitchen/oven', JSON.stringify(oven))
    if (step % 20 === 0) client.publish('lamp/desk/state', step % 40 === 0 ? 'on' : 'off', { retain: true })
    client.publish('meter/electricity', Buffer.from([1, 255, step & 255, 128, 16, 0]))
    const burst = 1 + Math.round(6 + 6 * Math.sin(step / 45))
    for (let n = 0; n < burst; n += 1)
      void broker.publish('machines/press-7/vibration', String((step * 7 + n) % 97))
  }, STEP_MS)
}

function reportSome(broker) {
  broker.reportProblem({
    code: 'outBufferFull',
    text: '412 messages were dropped: the connection of the subscriber is full.',
    clientId: 'attic-display',
  })
  for (let n = 0; n < 3; n += 1) {
    broker.reportProblem({
      code: 'badCredentials',
      text: 'A CONNECT was refused: Bad User Name or Password.',
      clientId: 'garage-door',
      remoteAddress: '192.0.2.77:49152',
    })
  }
  broker.reportProblem({
    code: 'wrongProtocol',
    text: 'A TLS client on a port without a certificate: use mqtt:// or ws://, or give --tls-cert and --tls-key.',
    remoteAddress: '192.0.2.34:51022',
  })
}
