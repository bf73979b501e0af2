/**
 * What somebody does who has just cloned the project: `npm start`, then Python over TCP, MQTT.js over WebSocket and a
 * bare WebSocket, all on the one port, and Ctrl-C.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithPeers } from '../support/peers.js'
import { type BrokerAddress, topicUrl } from './broker-under-test.js'
import { BrowserUnderTest, PageSocket } from './peers/chromium.js'
import { openMqttJs } from './peers/mqtt-js.js'
import { PahoProcess } from './peers/paho.js'
import type { Inbox } from './peers/peer.js'
import { type Program, ROOT, Workshop } from './programs.js'

describeWithPeers(['paho2', 'chromium'], 'npm start', () => {
  let workshop: Workshop
  let command: Program
  let place: BrokerAddress
  let data: string

  beforeAll(async () => {
    workshop = await Workshop.open()
    data = join(workshop.directory, 'data')
    // what `npm start -- -p 0` runs; npm itself ends by the signal, before its child has
    command = workshop.start('node', ['scripts/start.mjs', '-p', '0', '--data', data], ROOT)
    // It may have to compile first.
    await command.waitForText('killed\n', 120_000)
    const port = Number(/^mqtt:\/\/127\.0\.0\.1:(\d+)$/m.exec(command.stdout)?.[1])
    place = {
      host: '127.0.0.1',
      port,
      certificate: '',
      url: (scheme) => `${scheme}://127.0.0.1:${port}${scheme === 'ws' ? '/mqtt' : ''}`,
    }
  }, 150_000)

  afterAll(() => workshop.close())

  test('prints the addresses to use', () => {
    expect(command.stdout.split('\n').slice(1)).toEqual([
      `mqtt://127.0.0.1:${place.port}`,
      `http://127.0.0.1:${place.port}/`,
      `ws://127.0.0.1:${place.port}/mqtt`,
      `ws://127.0.0.1:${place.port}/topics/<topic>`,
      `ws://127.0.0.1:${place.port}/echo`,
      `data: ${data}, which survives the process being killed`,
      '',
    ])
  })

  test('Python over TCP, MQTT.js over WebSocket and a bare WebSocket hear each other, until it is ended', async () => {
    const paho = new PahoProcess(2)
    const python = await paho.open(place, { version: 5 })
    await python.subscribe('meeting/point', 1)
    const js = await openMqttJs(place, 'ws', { protocolVersion: 5 })
    await js.client.subscribeAsync('meeting/point', { qos: 1 })
    const browser = await BrowserUnderTest.launch()
    const address = topicUrl(`ws://127.0.0.1:${place.port}`, 'meeting/point')
    const socket = await PageSocket.open(await browser.open(), address)

    await python.publish('meeting/point', Buffer.from('from Python'), { qos: 1 })
    await js.client.publishAsync('meeting/point', 'from MQTT.js', { qos: 1 })
    await socket.send('from a page')
    for (const inbox of [python.inbox, js.inbox, socket.inbox] satisfies Inbox[]) {
      await inbox.take(3)
      const texts = inbox.received.map(({ payload }) => payload.toString())
      expect(texts.sort()).toEqual(['from MQTT.js', 'from Python', 'from a page'])
    }

    const told = new Promise((resolve) => {
      js.client.once('disconnect', ({ reasonCode }) => resolve(reasonCode))
    })
    command.signal('SIGINT')
    expect(await told).toBe(0x8b)
    expect((await socket.closed()).code).toBe(1001)
    expect(await command.ended()).toBe(0)
    await browser.close()
    await paho.kill()
  })
})
