/**
 * The programs of examples/, as they stand there but for the port: the Python ones in both generations of paho-mqtt,
 * the pages in Chromium, the Node ones as programs of their own.
 */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { freePort } from '../support/free-port.js'
import { describeWithPeers, findPeer, requirePeer } from '../support/peers.js'
import { type BrokerUnderTest, startBroker } from './broker-under-test.js'
import { BrowserUnderTest } from './peers/chromium.js'
import { openMqttJs } from './peers/mqtt-js.js'
import type { Generation } from './peers/paho.js'
import { type Program, ROOT, Workshop, withPort } from './programs.js'

let broker: BrokerUnderTest
let workshop: Workshop

beforeAll(async () => {
  workshop = await Workshop.open()
})

afterAll(() => workshop.close())

beforeEach(async () => {
  // as the command does: localhost, which programs may look up as 127.0.0.1 or as ::1
  broker = await startBroker({ host: 'localhost', port: await freePort() })
})

afterEach(() => broker.close())

/** The text of an example, with the port of the broker under test. */
async function example(path: string, port = broker.port): Promise<string> {
  return withPort(await readFile(join(ROOT, 'examples', path), 'utf8'), port)
}

async function python(generation: Generation, name: string): Promise<Program> {
  const path = await workshop.write(name, await example(`python/${name}`))
  return workshop.start(findPeer(`paho${generation}`) ?? 'python3', [path])
}

/** Starts subscriber.py and waits until the broker has its subscription. */
async function pythonSubscriber(generation: Generation): Promise<Program> {
  const subscribed = once(broker.broker, 'subscribe')
  const subscriber = await python(generation, 'subscriber.py')
  await subscribed
  return subscriber
}

for (const generation of [2, 1] as Generation[]) {
  describeWithPeers(
    [`paho${generation}`],
    `examples/python with paho-mqtt of generation ${generation}`,
    () => {
      test('subscriber.py prints what publisher.py publishes straight after connecting', async () => {
        const subscriber = await pythonSubscriber(generation)
        const publisher = await python(generation, 'publisher.py')
        await publisher.succeeds()
        await subscriber.waitForText('test/topic Hello from Python')
        const connected = generation === 1 ? 'connected: 0' : 'connected: Success'
        expect(subscriber.stdout).toBe(`${connected}\ntest/topic Hello from Python\n`)
      })

      test('ten publishers one after the other lose nothing', async () => {
        const subscriber = await pythonSubscriber(generation)
        for (let number = 0; number < 10; number += 1)
          await (await python(generation, 'publisher.py')).succeeds()
        await subscriber.waitFor((stdout) => stdout.split('Hello from Python').length === 11, 'tenth message')
      })

      test('subscriber.py subscribes again when the broker is back after a restart', async () => {
        const subscriber = await pythonSubscriber(generation)
        const { port } = broker
        await broker.close()
        broker = await startBroker({ host: 'localhost', port })
        await once(broker.broker, 'subscribe')
        await (await python(generation, 'publisher.py')).succeeds()
        await subscriber.waitForText('test/topic Hello from Python')
      })
    },
  )
}

describeWithPeers(['chromium'], 'examples/browser in Chromium', () => {
  let browser: BrowserUnderTest
  beforeAll(async () => {
    browser = await BrowserUnderTest.launch()
  })
  afterAll(() => browser.close())

  const log = (page: Page) => page.locator('#log').textContent()

  test('echo.html sends a greeting, shows the answer and closes', async () => {
    const page = await browser.open(await example('browser/echo.html'), 'localhost')
    await expect.poll(() => log(page)).toBe('open\nanswer: Hello from the browser\nclosed: 1000\n')
  })

  test('topic.html shows its own greeting and what a device publishes, and the device hears the greeting', async () => {
    const device = await openMqttJs(broker, 'mqtt')
    await device.client.subscribeAsync('test/topic')
    const page = await browser.open(await example('browser/topic.html'), 'localhost')
    await expect.poll(() => log(page)).toBe('open\nmessage: Hello from the browser\n')
    await device.inbox.findPayload(Buffer.from('Hello from the browser'))
    await device.client.publishAsync('test/topic', '21 °C')
    await expect.poll(() => log(page)).toBe('open\nmessage: Hello from the browser\nmessage: 21 °C\n')
    await device.client.endAsync()
  })

  test.for([2, 1] as Generation[])(
    'topic.html and Python of generation %i hear each other',
    async (generation, context) => {
      requirePeer(`paho${generation}`, context)
      const subscriber = await pythonSubscriber(generation)
      const page = await browser.open(await example('browser/topic.html'), 'localhost')
      await subscriber.waitForText('test/topic Hello from the browser')
      await (await python(generation, 'publisher.py')).succeeds()
      await expect.poll(() => log(page)).toContain('message: Hello from Python')
    },
  )

  test('both pages say so when no broker is there', async () => {
    const pages = ['browser/echo.html', 'browser/topic.html']
    const texts = await Promise.all(pages.map((path) => example(path)))
    await broker.close()
    for (const text of texts) {
      const page = await browser.open(text, 'localhost')
      await expect.poll(() => log(page)).toMatch(/^error: is the broker running\?\nclosed: 1006/)
    }
  })
})

describe('examples/node', () => {
  /** The port of this test's broker, which is on it no more. */
  async function vacatedPort(): Promise<number> {
    const { port } = broker
    await broker.close()
    return port
  }

  test('embed.mjs is a broker that sees every message', async () => {
    const port = await vacatedPort()
    const path = await workshop.write('embed.mjs', await example('node/embed.mjs', port))
    const program = workshop.start('node', [path])
    await program.waitForText(`listening on mqtt://127.0.0.1:${port}`)
    const { client } = await openMqttJs(broker, 'mqtt')
    await client.publishAsync('kitchen/kettle', 'boils – 100 °C')
    await program.waitForText('kitchen/kettle boils – 100 °C')
    await client.endAsync()
  })

  test('hooks.mjs lets in whom it knows, and nobody else', async () => {
    const port = await vacatedPort()
    const path = await workshop.write('hooks.mjs', await example('node/hooks.mjs', port))
    const program = workshop.start('node', [path])
    await program.waitForText('listening on')
    await expect(openMqttJs(broker, 'mqtt', { protocolVersion: 5 })).rejects.toMatchObject({ code: 0x86 })
    await expect(openMqttJs(broker, 'ws', { username: 'ada', password: 'byron' })).rejects.toMatchObject({
      code: 4,
    })

    const ada = await openMqttJs(broker, 'mqtt', {
      protocolVersion: 5,
      clientId: 'ada-1',
      username: 'ada',
      password: 'lovelace',
    })
    const sensor = await openMqttJs(broker, 'mqtt', {
      protocolVersion: 5,
      username: 'sensor',
      password: 'celsius',
    })
    await program.waitForText('ada-1 is here')
    await ada.client.subscribeAsync(['sensors/#', 'private/diary'], { qos: 1 })
    await expect(sensor.client.subscribeAsync('private/diary', { qos: 1 })).rejects.toThrow()

    await sensor.client.publishAsync('sensors/attic/fahrenheit', '77', { qos: 1 })
    expect(await ada.inbox.findPayload(Buffer.from('25.0'))).toMatchObject({
      topicName: 'sensors/attic/celsius',
    })
    await expect(ada.client.publishAsync('sensors/attic/celsius', '99', { qos: 1 })).rejects.toMatchObject({
      code: 0x87,
    })
    await ada.client.endAsync()
    await sensor.client.endAsync()
  })

  test('unit-test.mjs passes under node --test', async () => {
    const path = await workshop.write('unit-test.mjs', await example('node/unit-test.mjs'))
    const program = workshop.start('node', ['--test', path])
    await program.succeeds()
    expect(program.stdout).toMatch(/pass 1\b/)
  })
})
