import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { request } from '../../src/client/request.js'
import { respond } from '../../src/client/respond.js'
import { Broker } from '../../src/index.js'
import { FakeClient, type Published } from '../support/fake-client.js'
import { clientOver, nextEvent } from '../support/mqtt-js.js'
import { until } from '../support/until.js'

/** What a request carries besides its payload. */
function ask({ options }: Published): { responseTopic: string; correlationData: Buffer } {
  const { responseTopic, correlationData } = options.properties ?? {}
  if (responseTopic === undefined || correlationData === undefined) throw new Error('it is no request')
  return { responseTopic, correlationData }
}

describe('a request', () => {
  let client: FakeClient

  beforeEach(() => {
    client = new FakeClient()
  })

  /** Answers the `index`-th request. */
  async function answer(index: number, text: string): Promise<void> {
    const published = await until(() => client.published[index], `request ${index}`)
    const { responseTopic, correlationData } = ask(published)
    client.receive(responseTopic, text, [], { properties: { correlationData } })
  }

  it('resolves with its answer, in whatever order answers come, by one subscription', async () => {
    const answers = ['a', 'b', 'c'].map((text) => request(client, 'ask', text))
    await until(() => client.published.length === 3, 'three requests')
    for (const index of [2, 0, 1]) await answer(index, `${client.published[index]?.payload}!`)
    expect((await Promise.all(answers)).map((message) => message.text())).toEqual(['a!', 'b!', 'c!'])
    expect(client.subscribed.length).toBe(1)
    expect(client.subscribed[0]).toMatchObject({ qos: 1, rh: 2 })
  })

  it('has a Response Topic that nobody can guess, below the client id or what the server gives for it', async () => {
    const topicOf = async (other: FakeClient): Promise<string> => {
      const asked = request(other, 'ask', '', { timeoutMs: 50 })
      asked.catch(() => {})
      return ask(await until(() => other.published[0], 'the request')).responseTopic
    }
    expect(await topicOf(new FakeClient(5, 'a/b+c#'))).toMatch(/^response\/a_b_c_\/[\w-]{16}$/)
    expect(await topicOf(new FakeClient(5, ''))).toMatch(/^response\/[\w-]{16}$/)
    const informed = Object.assign(new FakeClient(), {
      serverProperties: { responseInformation: 'replies/me/' },
    })
    expect(await topicOf(informed)).toMatch(/^replies\/me\/[\w-]{16}$/)
  })

  it('subscribes anew when the server gives another place for answers', async () => {
    const first = request(client, 'ask', '1')
    await answer(0, 'one')
    await first
    client.serverProperties = { responseInformation: 'replies' }
    const second = request(client, 'ask', '2')
    await answer(1, 'two')
    expect((await second).text()).toBe('two')
    expect(client.unsubscribed).toEqual([client.subscribed[0]?.topicFilter])
  })

  it('keeps the properties that it is given', async () => {
    const asked = request(client, 'ask', '', { qos: 2, properties: { contentType: 'text/plain' } })
    await answer(0, '')
    await asked
    expect(client.published[0]?.options).toMatchObject({ qos: 2, properties: { contentType: 'text/plain' } })
  })

  it('gives up in time, and drops an answer that comes later', async () => {
    await expect(request(client, 'ask', '', { timeoutMs: 30 })).rejects.toMatchObject({
      code: 'ERR_MQTT_REQUEST_TIMEOUT',
      message: 'Nobody answered the request on ask in 30 ms.',
    })
    await answer(0, 'late')
    const next = request(client, 'ask', '')
    await answer(1, 'in time')
    expect((await next).text()).toBe('in time')
  })

  it('drops a second answer, and one that belongs to nothing', async () => {
    const asked = request(client, 'ask', '')
    const { responseTopic } = ask(await until(() => client.published[0], 'the request'))
    client.receive(responseTopic, 'no correlation data')
    client.receive(responseTopic, 'other', [], { properties: { correlationData: Buffer.from('x') } })
    await answer(0, 'first')
    await answer(0, 'second')
    expect((await asked).text()).toBe('first')
  })

  it('is given up with its signal', async () => {
    const controller = new AbortController()
    const asked = request(client, 'ask', '', { signal: controller.signal })
    await until(() => client.published.length === 1, 'the request')
    controller.abort(new Error('enough'))
    await expect(asked).rejects.toThrow('enough')
    await expect(request(client, 'ask', '', { signal: controller.signal })).rejects.toThrow('enough')
    expect(client.published.length).toBe(1)
  })

  it('is not sent when it is given up before the subscription is granted', async () => {
    let grant = (_value: unknown): void => {}
    client.onSubscribe = () =>
      new Promise((resolve) => {
        grant = resolve
      })
    await expect(request(client, 'ask', '', { timeoutMs: 20 })).rejects.toMatchObject({
      code: 'ERR_MQTT_REQUEST_TIMEOUT',
    })
    grant(undefined)
    await new Promise(setImmediate)
    expect(client.published).toEqual([])
  })

  it('hears at once that nobody is there', async () => {
    client.onPublish = () => Promise.resolve({ reasonCode: 0x10 })
    await expect(request(client, 'ask', '')).rejects.toMatchObject({
      code: 'ERR_MQTT_NO_RESPONDER',
      reasonCode: 0x10,
      message: 'Nobody subscribes to ask, so nobody can answer.',
    })
  })

  it('ends with the client, and a later one subscribes anew', async () => {
    const asked = request(client, 'ask', '')
    await until(() => client.published.length === 1, 'the request')
    client.emit('end')
    await expect(asked).rejects.toMatchObject({ code: 'ERR_MQTT_CLIENT_ENDED' })
    const next = request(client, 'ask', '')
    await answer(1, 'x')
    await next
    expect(client.subscribed.length).toBe(2)
  })

  it('fails where answers cannot be subscribed to, and tries again the next time', async () => {
    client.onSubscribe = () => Promise.reject(new Error('not allowed'))
    await expect(request(client, 'ask', '')).rejects.toThrow('not allowed')
    client.onSubscribe = () => Promise.resolve()
    const next = request(client, 'ask', '')
    await answer(0, 'x')
    expect((await next).text()).toBe('x')
  })

  it('fails where it cannot be published', async () => {
    client.onPublish = () => Promise.reject(new Error('not allowed'))
    await expect(request(client, 'ask', '')).rejects.toThrow('not allowed')
  })

  it.each([0, 1.5, 2_147_483_648])('cannot wait for %d ms', async (timeoutMs) => {
    await expect(request(client, 'ask', '', { timeoutMs })).rejects.toThrow('timeoutMs must be')
  })

  it('needs MQTT 5.0, and so does an answer', async () => {
    const old = new FakeClient(4)
    const code = 'ERR_MQTT_UNSUPPORTED_PROTOCOL_VERSION'
    await expect(request(old, 'ask', '')).rejects.toMatchObject({ code })
    await expect(respond(old, 'ask', () => '')).rejects.toMatchObject({ code })
  })
})

describe('an answer', () => {
  let client: FakeClient
  const properties = { responseTopic: 'answers', correlationData: Buffer.from('7') }

  beforeEach(() => {
    client = new FakeClient()
  })

  it('goes to the Response Topic, with the Correlation Data and the QoS of the request', async () => {
    await respond(client, 'ask', (message) => `${message.text()}!`)
    expect(client.subscribed).toMatchObject([{ topicFilter: 'ask', qos: 1, rh: 2 }])
    client.receive('ask', 'x', [], { qos: 1, properties })
    const published = await until(() => client.published[0], 'the answer')
    expect(published).toMatchObject({ topicName: 'answers', payload: Buffer.from('x!') })
    expect(published.options).toEqual({ qos: 1, properties: { correlationData: Buffer.from('7') } })
  })

  it('may say how it is published', async () => {
    await respond(client, 'ask', async () => ({
      payload: Buffer.of(1),
      qos: 2,
      properties: { contentType: 'a/b', correlationData: Buffer.from('mine') },
    }))
    client.receive('ask', '', [], { properties })
    const { options } = await until(() => client.published[0], 'the answer')
    expect(options).toEqual({ qos: 2, properties: { contentType: 'a/b', correlationData: Buffer.from('7') } })
  })

  it('is not given to what is no request, to what is retained, or when it is undefined', async () => {
    const asked: string[] = []
    await respond(client, 'ask', (message) => {
      asked.push(message.text())
      return message.text() === 'nothing' ? undefined : 'x'
    })
    client.receive('ask', 'no response topic')
    client.receive('ask', 'nothing', [], { properties })
    client.receive('ask', 'old', [], { retain: true, properties })
    await new Promise(setImmediate)
    expect(asked).toEqual(['no response topic', 'nothing'])
    expect(client.published).toEqual([])
  })

  it('that fails goes to onError, and the next request is answered', async () => {
    const errors: string[] = []
    await respond(
      client,
      'ask',
      (message) => {
        if (message.text() === 'throw') throw new Error('thrown')
        return message.text() === 'reject' ? Promise.reject(new Error('rejected')) : 'x'
      },
      { onError: (error, message) => errors.push(`${message.text()}: ${(error as Error).message}`) },
    )
    client.onPublish = ({ payload }) =>
      payload.length === 1 ? Promise.reject(new Error('no')) : Promise.resolve()
    for (const text of ['throw', 'reject', 'publish']) client.receive('ask', text, [], { properties })
    await until(() => errors.length === 3, 'three errors')
    expect(errors.sort()).toEqual(['publish: no', 'reject: rejected', 'throw: thrown'])
  })

  it('that fails is a warning where nobody listens for it, once', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    try {
      await respond(client, 'ask', () => Promise.reject(new Error('broken')))
      client.receive('ask', '', [], { properties })
      client.receive('ask', '', [], { properties })
      await new Promise(setImmediate)
      expect(warn.mock.calls).toEqual([['A request on ask was not answered: broken', 'MqttWarning']])
    } finally {
      warn.mockRestore()
    }
  })

  it('is refused where too many are being made', async () => {
    const errors: unknown[] = []
    let finish = (_answer: string): void => {}
    const handler = (): Promise<string> =>
      new Promise((resolve) => {
        finish = resolve
      })
    await respond(client, 'ask', handler, { maximumPending: 1, onError: (error) => errors.push(error) })
    client.receive('ask', '1', [], { properties })
    client.receive('ask', '2', [], { properties })
    expect(errors).toMatchObject([{ code: 'ERR_MQTT_QUOTA_EXCEEDED' }])
    finish('x')
    await until(() => client.published.length === 1, 'the answer')
    client.receive('ask', '3', [], { properties })
    expect(errors.length).toBe(1)
    await expect(respond(client, 'ask', handler, { maximumPending: 0 })).rejects.toThrow(
      'maximumPending must be',
    )
  })
})

describe('requests and answers through our broker, with MQTT.js', () => {
  let broker: Broker
  let asking: ReturnType<typeof clientOver>
  let answering: ReturnType<typeof clientOver>

  beforeEach(async () => {
    broker = await Broker.start({ responseInformation: 'replies' })
    asking = clientOver(broker.connect(), { properties: { requestResponseInformation: true } })
    await nextEvent(asking, 'connect')
    answering = clientOver(broker.connect())
    await nextEvent(answering, 'connect')
  })

  afterEach(async () => {
    await asking.endAsync(true)
    await answering.endAsync(true)
    await broker.close()
  })

  it('find each other, many at a time', async () => {
    await respond(answering, '$share/workers/double/+', async ({ topicName, payload }) => {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 20))
      return `${topicName.split('/')[1]} ${Number(payload) * 2}`
    })
    const count = 200
    const answers = await Promise.all(
      Array.from({ length: count }, (_, index) => request(asking, `double/${index}`, String(index))),
    )
    expect(answers.map((message) => message.text())).toEqual(
      Array.from({ length: count }, (_, index) => `${index} ${index * 2}`),
    )
    expect(answers[0]?.topicName).toMatch(/^replies\//)
    expect(broker.metrics().subscriptions).toBe(2)
  })
})
