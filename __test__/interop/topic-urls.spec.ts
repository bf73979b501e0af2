/** `/topics/...` and `/echo` as a page in Chromium sees them: nothing but the browser's own WebSocket. */
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeWithPeers } from '../support/peers.js'
import { type BrokerUnderTest, startBroker, topicUrl } from './broker-under-test.js'
import { BrowserUnderTest, PageSocket } from './peers/chromium.js'
import { openMqttJs } from './peers/mqtt-js.js'
import { Workshop } from './programs.js'

const BYTES = Buffer.from([0x00, 0xff, 0xfe, 0x80, 0x0a])

describeWithPeers(['chromium'], 'a page with a WebSocket', () => {
  let broker: BrokerUnderTest
  let browser: BrowserUnderTest
  let page: Page
  let device: Awaited<ReturnType<typeof openMqttJs>>

  beforeAll(async () => {
    broker = await startBroker()
    browser = await BrowserUnderTest.launch()
    page = await browser.open()
    device = await openMqttJs(broker, 'mqtt', { protocolVersion: 5 })
  })

  afterAll(async () => {
    await device.client.endAsync()
    await browser.close()
    await broker.close()
  })

  const open = (topicFilter: string, query?: Record<string, string>): Promise<PageSocket> =>
    PageSocket.open(page, broker.topicUrl(topicFilter, query))
  const publish = (topicName: string, payload: string | Buffer, retain = false): Promise<unknown> =>
    device.client.publishAsync(topicName, payload, { qos: 1, retain })
  const texts = (socket: PageSocket): string[] =>
    socket.inbox.received.map(({ payload }) => payload.toString())

  test('two pages on one topic hear each other, and themselves', async () => {
    const otherPage = await browser.open()
    const [ada, ben] = [
      await open('chat/room1'),
      await PageSocket.open(otherPage, broker.topicUrl('chat/room1')),
    ]
    await ada.send('hello, it is Ada – ça va?')
    await ben.inbox.findPayload(Buffer.from('hello, it is Ada – ça va?'))
    await ben.send('hello Ada 👋')
    for (const socket of [ada, ben]) {
      await socket.inbox.take(2)
      expect(texts(socket)).toEqual(['hello, it is Ada – ça va?', 'hello Ada 👋'])
    }
    await ada.close()
    await otherPage.close()
  })

  test('text comes as text and other bytes as bytes', async () => {
    const socket = await open('kinds/mixed')
    const sent = ['plain', BYTES, 'größer als 127: ₿', Buffer.alloc(0)]
    for (const payload of sent) await publish('kinds/mixed', payload)
    await socket.inbox.take(sent.length)
    expect(socket.inbox.received.map(({ payload }) => payload)).toEqual(
      sent.map((payload) => Buffer.from(payload)),
    )
    expect(socket.wasText).toEqual([true, false, true, true])
    await socket.close()
  })

  test.each([
    [
      'a level with +',
      'rooms/+/temperature',
      ['rooms/attic/temperature', 'rooms/küche/temperature'],
      ['rooms/attic/light'],
    ],
    ['the rest with #', 'house/#', ['house', 'house/door', 'house/attic/window/2'], ['garden']],
    ['a space and an umlaut', 'im Büro/oben', ['im Büro/oben'], ['im Büro']],
    ['an empty level', 'a//b', ['a//b'], ['a/b']],
  ])('a URL may name %s', async (_title, topicFilter, fitting, others) => {
    const socket = await open(topicFilter)
    for (const topicName of [...others, ...fitting]) await publish(topicName, topicName)
    await socket.inbox.take(fitting.length)
    expect(texts(socket)).toEqual(fitting)
    await socket.close()
  })

  test('a URL that is a filter can be listened to and not published to, and says so', async () => {
    const socket = await open('rooms/+/temperature')
    await socket.send('21')
    const { code, reason } = await socket.closed()
    expect(code).toBe(4000 + 0x90)
    expect(reason).toMatch(/publish/)
  })

  describe('?retained=', () => {
    beforeAll(() => publish('lamp/state', 'on', true))

    test.each([undefined, 'true'])('a socket is first sent what is retained (%s)', async (retained) => {
      const socket = await open('lamp/state', retained === undefined ? {} : { retained })
      await socket.inbox.findPayload(Buffer.from('on'))
      await socket.close()
    })

    test('false leaves it out', async () => {
      const socket = await open('lamp/state', { retained: 'false' })
      await publish('lamp/state', 'dimmed')
      await socket.inbox.findPayload(Buffer.from('dimmed'))
      expect(texts(socket)).toEqual(['dimmed'])
      await socket.close()
    })
  })

  describe('?qos=', () => {
    test.each([0, 1, 2])('with %i messages are published at that QoS', async (qos) => {
      const { client, inbox } = device
      await client.subscribeAsync(`levels/${qos}`, { qos: 2 })
      const socket = await open(`levels/${qos}`, { qos: String(qos) })
      await socket.send(`at ${qos}`)
      expect(await inbox.findPayload(Buffer.from(`at ${qos}`))).toMatchObject({
        qos,
        topicName: `levels/${qos}`,
      })
      await socket.close()
    })

    test('without it messages are published at QoS 0', async () => {
      const { client, inbox } = device
      await client.subscribeAsync('levels/default', { qos: 2 })
      const socket = await open('levels/default')
      await socket.send('as it comes')
      expect(await inbox.findPayload(Buffer.from('as it comes'))).toMatchObject({ qos: 0 })
      await socket.close()
    })
  })

  test.each([
    ['a filter that is none', 'topics/a%2Bb', /\+/],
    ['# before the end', 'topics/%23/a', /#/],
    ['no topic at all', 'topics/', /topic/i],
    ['a QoS that there is not', 'topics/a?qos=3', /qos/i],
    ['an unknown parameter', 'topics/a?quality=1', /quality/],
  ])('%s is answered by a close with a reason', async (_title, path, expected) => {
    const outcome = await PageSocket.open(page, `ws://${broker.host}:${broker.port}/${path}`).then(
      (socket) => socket.closed(),
      (error: Error) =>
        JSON.parse(/\{.*\}/.exec(error.message)?.[0] ?? '{}') as { code: number; reason: string },
    )
    expect(outcome.code).toBeGreaterThanOrEqual(4128)
    expect(outcome.reason).toMatch(expected)
  })

  test('/echo sends back what it gets, text as text and bytes as bytes', async () => {
    const socket = await PageSocket.open(page, `ws://${broker.host}:${broker.port}/echo`)
    await socket.send('wie es in den Wald hineinruft')
    await socket.send(BYTES)
    await socket.inbox.take(2)
    expect(texts(socket)[0]).toBe('wie es in den Wald hineinruft')
    expect(socket.inbox.received[1]?.payload).toEqual(BYTES)
    expect(socket.wasText).toEqual([true, false])
    expect(await socket.close()).toEqual({ code: expect.toBeOneOf([1000, 1005]), reason: '' })
  })

  test('the same over TLS', async () => {
    const socket = await PageSocket.open(page, topicUrl(`wss://localhost:${broker.port}`, 'over/tls'))
    await publish('over/tls', 'sealed')
    await socket.inbox.findPayload(Buffer.from('sealed'))
    await socket.close()
  })

  test('a page of another site is turned away, one of this machine is not', async () => {
    const address = broker.topicUrl('chat/room1')
    const local = await browser.open(undefined, 'localhost')
    await (await PageSocket.open(local, address)).close()
    const foreign = await browser.open(undefined, 'elsewhere.test')
    await expect(PageSocket.open(foreign, address)).rejects.toThrow('1006')
  })

  test('a page that was opened as a file is let in on loopback', async () => {
    const workshop = await Workshop.open()
    const path = await workshop.write('page.html', '<!doctype html><title>a file</title>')
    const file = await browser.openAddress(`file://${path}`)
    await (await PageSocket.open(file, broker.topicUrl('chat/room1'))).close()
    await workshop.close()
  })

  test('a page of another site that is on the list is let in', async () => {
    const foreign = await browser.open(undefined, 'elsewhere.test')
    const origin = new URL(foreign.url()).origin
    const inviting = await startBroker({ allowedOrigins: [origin] })
    const socket = await PageSocket.open(foreign, inviting.topicUrl('chat/room1'))
    await socket.send('let me in')
    await socket.inbox.findPayload(Buffer.from('let me in'))
    await inviting.close()
    expect((await socket.closed()).code).toBe(1001)
  })
})
