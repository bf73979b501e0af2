/** MQTT.js where it is used most: its bundle in a page, over the browser's WebSocket, on `/mqtt` and on `/`. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithPeers } from '../support/peers.js'
import { type BrokerUnderTest, startBroker } from './broker-under-test.js'
import { BrowserUnderTest } from './peers/chromium.js'
import { openMqttJs } from './peers/mqtt-js.js'
import { ROOT } from './programs.js'

const PROGRAM = `
const client = mqtt.connect(ADDRESS, { protocolVersion: VERSION })
client.on('message', (topic, payload) => { document.title += topic + ' ' + payload + '; ' })
client.on('connect', async () => {
  await client.subscribeAsync('pages/#', { qos: 2 })
  await client.publishAsync('pages/mine', 'grüße', { qos: 2, retain: true })
  document.body.id = 'ready'
})`

describeWithPeers(['chromium'], 'MQTT.js in a page', () => {
  let broker: BrokerUnderTest
  let browser: BrowserUnderTest
  let bundle: string

  beforeAll(async () => {
    broker = await startBroker()
    browser = await BrowserUnderTest.launch()
    bundle = await readFile(join(ROOT, 'node_modules/mqtt/dist/mqtt.min.js'), 'utf8')
  })

  afterAll(async () => {
    await browser.close()
    await broker.close()
  })

  const cases = ['/mqtt', '/'].flatMap((path) => [4, 5].map((version) => ({ path, version })))

  test.each(cases)('talks with a device over $path, version $version', async ({ path, version }) => {
    const device = await openMqttJs(broker, 'mqtt')
    await device.client.subscribeAsync('pages/mine', { qos: 2 })
    const address = `ws://${broker.host}:${broker.port}${path}`
    const program = PROGRAM.replace('ADDRESS', JSON.stringify(address)).replace('VERSION', String(version))
    // the sequence </script must not appear inside a script
    const scripts = [bundle, program].map(
      (text) => `<script>${text.replaceAll('</script', '<\\/script')}</script>`,
    )
    const page = await browser.open(`<!doctype html><title></title><body>${scripts.join('')}`)
    await page.waitForSelector('#ready', { state: 'attached' })
    await device.inbox.findPayload(Buffer.from('grüße'))
    await device.client.publishAsync('pages/yours', 'zurück', { qos: 1 })
    await expect.poll(() => page.title()).toContain('pages/yours zurück')
    expect(await page.title()).toMatch(/pages\/mine grüße/)
    await page.close()
    await device.client.publishAsync('pages/mine', '', { retain: true })
    await device.client.endAsync()
  })
})
