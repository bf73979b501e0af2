/** `/events` and `/publish`: docs/web-protocol.md against a running broker. */
import { get, type IncomingMessage, request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Broker } from '../../src/index.js'
import { until } from '../support/until.js'
import { portOf } from './live-client.js'

let broker: Broker
let origin: string

beforeAll(async () => {
  broker = await Broker.start({
    port: 0,
    host: '127.0.0.1',
    allowedOrigins: ['https://allowed.example'],
    limits: { maximumPacketSizeBytes: 65_536 },
    authenticate: ({ username, password }) =>
      username === undefined || (username === 'ada' && password?.toString() === 'lovelace'),
    authorizePublish: ({ topicName }) => !topicName.startsWith('secret/'),
    authorizeSubscribe: ({ topicFilter }) => !topicFilter.startsWith('secret/'),
  })
  origin = `http://127.0.0.1:${portOf(broker)}`
})

afterAll(() => broker.close({ drainTimeoutMs: 0 }))

/** The events of one response, as they come. */
class Events {
  readonly response: IncomingMessage
  text = ''

  constructor(response: IncomingMessage) {
    this.response = response
    response.setEncoding('utf8').on('data', (chunk: string) => {
      this.text += chunk
    })
    response.on('error', () => {})
  }

  static open(path: string): Promise<Events> {
    return new Promise((resolve, reject) => {
      get(`${origin}${path}`, (response) => resolve(new Events(response))).on('error', reject)
    })
  }

  get data(): Record<string, unknown>[] {
    const lines = this.text.split('\n\n').filter((event) => event.startsWith('data: '))
    return lines.map((line) => JSON.parse(line.slice('data: '.length)))
  }

  async got(count: number): Promise<Record<string, unknown>[]> {
    await until(() => this.data.length >= count, `${count} events`)
    return this.data
  }

  async close(): Promise<void> {
    const before = broker.connectedClients
    this.response.destroy()
    await until(() => broker.connectedClients < before, 'the end of the connection')
  }
}

describe('GET /events', () => {
  it('sends the retained message, and each message after it', async () => {
    await broker.publish('weather/now', 'sunny', { retain: true })
    const events = await Events.open('/events/weather/%23')
    expect(events.response.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
    })
    await events.got(1)
    await broker.publish('weather/later', Buffer.of(0xff, 0x00))
    expect(await events.got(2)).toEqual([
      { topic: 'weather/now', payload: 'sunny', retain: true },
      { topic: 'weather/later', payloadBase64: '/wA=' },
    ])
    await events.close()
  })

  it('says nothing of retained messages where it is not to', async () => {
    await broker.publish('kept/one', 'x', { retain: true })
    const events = await Events.open('/events/kept/+?retained=false')
    await broker.publish('kept/two', 'y')
    expect(await events.got(1)).toEqual([{ topic: 'kept/two', payload: 'y' }])
    await events.close()
  })

  it('brings with a session what was missed, and the retained message once', async () => {
    await broker.publish('missed/0', 'kept', { retain: true, qos: 1 })
    const path = '/events/missed/%23?clientId=reader&qos=1&sessionExpiryIntervalSecs=60'
    const first = await Events.open(path)
    expect(await first.got(1)).toEqual([{ topic: 'missed/0', payload: 'kept', qos: 1, retain: true }])
    await first.close()
    await broker.publish('missed/1', 'one', { qos: 1 })
    await broker.publish('missed/2', 'two', { qos: 1 })
    const second = await Events.open(path)
    expect((await second.got(2)).map(({ payload }) => payload)).toEqual(['one', 'two'])
    await second.close()
    const third = await Events.open(path)
    await broker.publish('missed/3', 'three', { qos: 1 })
    expect(await third.got(1)).toMatchObject([{ payload: 'three' }])
    await third.close()
  })

  it('ends with an event that says why', async () => {
    const events = await Events.open('/events/end?clientId=ended')
    expect(broker.disconnect('ended')).toBe(true)
    await until(() => events.response.complete, 'the end')
    expect(events.text).toMatch(
      /event: end\ndata: {"type":"error","code":"[A-Z_]+","reasonCode":152,"text":".+"}\n\n$/,
    )
  })

  it.each([
    ['/events/a/%23/b', 400, 'ERR_MQTT_INVALID_TOPIC_FILTER'],
    ['/events/', 400, 'ERR_MQTT_INVALID_TOPIC_NAME'],
    ['/events/%ff', 400, 'ERR_MQTT_INVALID_TOPIC_NAME'],
    ['/events/a?qos=2', 400, 'ERR_MQTT_INVALID_OPTION'],
    ['/events/a?colour=red', 400, 'ERR_MQTT_INVALID_OPTION'],
    ['/events/a?sessionExpiryIntervalSecs=60', 400, 'ERR_MQTT_INVALID_OPTION'],
    ['/events/a?clientId=b&sessionExpiryIntervalSecs=4294967296', 400, 'ERR_MQTT_INVALID_OPTION'],
    ['/events/secret/a', 403, 'ERR_MQTT_NOT_AUTHORIZED'],
  ])('refuses %s with %d', async (path, status, code) => {
    const response = await fetch(`${origin}${path}`)
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ type: 'error', code, text: expect.any(String) })
  })

  it('refuses a wrong password with 401', async () => {
    const headers = { authorization: `Basic ${btoa('ada:byron')}` }
    const response = await fetch(`${origin}/events/a`, { headers })
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toContain('Basic')
    expect(await response.json()).toMatchObject({ code: 'ERR_MQTT_NOT_AUTHORIZED', reasonCode: 0x86 })
  })

  it('a reader that reads nothing costs only itself', async () => {
    const frozen = await Events.open('/events/flood?clientId=frozen')
    frozen.response.pause()
    const lively = await Events.open('/events/flood')
    const payload = 'x'.repeat(16_384)
    for (let n = 0; n < 1_000; n += 1) {
      await broker.publish('flood', payload)
      if (n % 50 === 49) await until(() => lively.text.length > n * payload.length, 'the lively reader')
    }
    expect(await lively.got(1_000)).toHaveLength(1_000)
    expect(broker.metrics()).toMatchObject({ clientsConnected: 2 })
    await lively.close()
    await frozen.close()
  })
})

describe('POST /publish', () => {
  const post = (path: string, init: RequestInit = {}) =>
    fetch(`${origin}${path}`, { method: 'POST', ...init })

  it('publishes the body at QoS 1, and retains it where it is to', async () => {
    expect((await post('/publish/posted/one?retain=true', { body: 'on' })).status).toBe(204)
    const events = await Events.open('/events/posted/+')
    expect((await post('/publish/posted/two?qos=0', { body: Buffer.of(0xfe) })).status).toBe(204)
    const data = await events.got(2)
    expect(data[0]).toMatchObject({ topic: 'posted/one', payload: 'on', retain: true })
    expect(data[1]).toMatchObject({ topic: 'posted/two', payloadBase64: '/g==' })
    await events.close()
  })

  it('a Content-Type other than that of a form is that of the message', async () => {
    const events = await Events.open('/events/typed')
    await post('/publish/typed', { body: '{}', headers: { 'content-type': 'application/json' } })
    await post('/publish/typed', { body: new URLSearchParams({ a: 'b' }) })
    const data = await events.got(2)
    expect(data).toEqual([
      { topic: 'typed', payload: '{}', contentType: 'application/json' },
      { topic: 'typed', payload: 'a=b' },
    ])
    await events.close()
  })

  it.each([
    ['/publish/a/%23', 400, 'ERR_MQTT_INVALID_TOPIC_NAME'],
    ['/publish/a%00b', 400, 'ERR_MQTT_INVALID_TOPIC_NAME'],
    ['/publish/a?qos=2', 400, 'ERR_MQTT_INVALID_OPTION'],
    ['/publish/secret/a', 403, 'ERR_MQTT_NOT_AUTHORIZED'],
  ])('refuses %s with %d', async (path, status, code) => {
    const response = await post(path, { body: 'x' })
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ type: 'error', code })
  })

  it('a payload that is too large is a 413, announced or not', async () => {
    const body = Buffer.alloc(100_000)
    const announced = await post('/publish/large', { body })
    expect(announced.status).toBe(413)
    expect(await announced.json()).toMatchObject({ code: 'ERR_MQTT_PACKET_TOO_LARGE', reasonCode: 0x95 })
    const status = await new Promise((resolve, reject) => {
      const chunked = request(`${origin}/publish/large`, { method: 'POST' }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
      chunked.on('error', reject)
      chunked.write(body.subarray(0, 50_000))
      chunked.end(body.subarray(50_000))
    })
    expect(status).toBe(413)
    // Fits as a payload, and not with its header.
    expect((await post('/publish/large', { body: body.subarray(0, 65_530) })).status).toBe(413)
    await until(() => broker.connectedClients === 0, 'the end of the connections')
  })

  it('a GET is a 405 that names POST', async () => {
    const response = await fetch(`${origin}/publish/a`)
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toContain('POST')
  })
})

describe('a page of another origin', () => {
  const from = (page: string) => ({ origin: page })

  it('may listen and publish where it is allowed', async () => {
    const headers = from('https://allowed.example')
    const posted = await fetch(`${origin}/publish/a`, { method: 'POST', body: 'x', headers })
    expect(posted.status).toBe(204)
    expect(posted.headers.get('access-control-allow-origin')).toBe('https://allowed.example')
    const preflight = await fetch(`${origin}/publish/a`, { method: 'OPTIONS', headers })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-methods')).toBe('POST')
    expect(preflight.headers.get('access-control-allow-headers')).toContain('Authorization')
  })

  it('is refused with 403 where it is not, and nothing is published', async () => {
    const headers = from('https://other.example')
    const events = await Events.open('/events/forged')
    for (const method of ['POST', 'OPTIONS']) {
      const response = await fetch(`${origin}/publish/forged`, { method, headers })
      expect(response.status).toBe(403)
      expect(response.headers.get('access-control-allow-origin')).toBeNull()
    }
    expect((await fetch(`${origin}/events/forged`, { headers })).status).toBe(403)
    await broker.publish('forged', 'own')
    expect(await events.got(1)).toMatchObject([{ payload: 'own' }])
    await events.close()
  })
})
