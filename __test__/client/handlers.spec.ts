import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ClientLike } from '../../src/client/client-like.js'
import { handle } from '../../src/client/handlers.js'
import { messages } from '../../src/client/messages.js'
import { Broker } from '../../src/index.js'
import { FakeClient } from '../support/fake-client.js'
import { clientOver, nextEvent } from '../support/mqtt-js.js'
import { until } from '../support/until.js'

describe('the handlers of a client', () => {
  let client: FakeClient
  let got: string[]

  beforeEach(() => {
    client = new FakeClient()
    got = []
  })

  function collect(name: string) {
    return ({ topicName, payload }: { topicName: string; payload: Buffer }) => {
      got.push(`${name} ${topicName} ${payload}`)
    }
  }

  it('get what their filter matches, and nothing else', async () => {
    await handle(client, 'a/+', collect('plus'))
    await handle(client, 'b/#', collect('hash'))
    client.receive('a/1', 'x')
    client.receive('b', 'y')
    client.receive('c', 'z')
    expect(got).toEqual(['plus a/1 x', 'hash b y'])
  })

  it('with a leading wildcard get no topic that begins with $', async () => {
    await handle(client, '#', collect('all'))
    await handle(client, '+/x', collect('plus'))
    await handle(client, '$SYS/#', collect('sys'))
    client.receive('$SYS/x', '1')
    expect(got).toEqual(['sys $SYS/x 1'])
  })

  it('of a shared subscription are found by the filter in it', async () => {
    await handle(client, '$share/workers/jobs/+', collect('worker'))
    client.receive('jobs/1', 'x')
    expect(client.subscribed).toMatchObject([{ topicFilter: '$share/workers/jobs/+' }])
    expect(got).toEqual(['worker jobs/1 x'])
  })

  it('that overlap get a message once each when it comes once for all of them', async () => {
    await handle(client, 'a/#', collect('hash'))
    await handle(client, 'a/+', collect('plus'))
    client.receive('a/1', 'x', [client.idOf('a/#'), client.idOf('a/+')])
    expect(got.sort()).toEqual(['hash a/1 x', 'plus a/1 x'])
  })

  it('that overlap get a message once each when it comes once for each of them', async () => {
    await handle(client, 'a/#', collect('hash'))
    await handle(client, 'a/+', collect('plus'))
    client.receive('a/1', 'x', [client.idOf('a/#')])
    client.receive('a/1', 'x', [client.idOf('a/+')])
    // For a subscription that somebody made without a handler.
    client.receive('a/1', 'x')
    expect(got).toEqual(['hash a/1 x', 'plus a/1 x'])
  })

  it('get what comes with identifiers that are not theirs', async () => {
    await handle(client, 'a/#', collect('hash'))
    client.receive('a/1', 'x', [client.idOf('a/#')])
    client.receive('a/1', 'old', [7])
    expect(got).toEqual(['hash a/1 x', 'hash a/1 old'])
  })

  it('go by topics after a reconnect, until identifiers come again', async () => {
    await handle(client, 'a/#', collect('hash'))
    client.receive('a/1', 'x', [client.idOf('a/#')])
    client.emit('connect')
    client.receive('a/1', 'y')
    expect(got).toEqual(['hash a/1 x', 'hash a/1 y'])
  })

  it.each([
    ['before 5.0', () => new FakeClient(4)],
    [
      'before the server has said whether it has them',
      () => Object.assign(new FakeClient(), { connected: false }),
    ],
    [
      'where the server has none',
      () =>
        Object.assign(new FakeClient(), { serverProperties: { subscriptionIdentifiersAvailable: false } }),
    ],
  ])('have no identifiers %s', async (_name, make) => {
    const other = make()
    await handle(other, 'a', collect('a'))
    other.receive('a', 'x')
    expect(other.subscribed[0]?.id).toBeUndefined()
    expect(got).toEqual(['a a x'])
  })

  it('of one filter share the subscription, with the highest QoS, until the last is gone', async () => {
    const one = await handle(client, 'a', collect('one'), { qos: 1 })
    const two = await handle(client, 'a', collect('two'))
    expect(client.subscribed.map(({ qos }) => qos)).toEqual([1, 1])
    expect(client.subscribed[0]?.id).toBe(client.subscribed[1]?.id)
    client.receive('a', 'x')
    await one.unsubscribe()
    await one.unsubscribe()
    expect(client.unsubscribed).toEqual([])
    client.receive('a', 'y')
    await two.unsubscribe()
    expect(client.unsubscribed).toEqual(['a'])
    client.receive('a', 'z')
    expect(got).toEqual(['one a x', 'two a x', 'two a y'])
  })

  it('of one filter get retained messages once each', async () => {
    await handle(client, 'a', collect('one'))
    client.receive('a', 'x', [], { retain: true })
    await handle(client, 'a', collect('two'))
    client.receive('a', 'x', [], { retain: true })
    client.receive('a', 'live')
    client.emit('connect')
    client.receive('a', 'again', [], { retain: true })
    expect(got).toEqual(['one a x', 'two a x', 'one a live', 'two a live', 'one a again', 'two a again'])
  })

  it('of one filter that come at once share a SUBSCRIBE, and its retained messages', async () => {
    const both = [handle(client, 'a', collect('one')), handle(client, 'a', collect('two'))]
    client.receive('a', 'x', [], { retain: true })
    // Too late for what has come already.
    const third = handle(client, 'a', collect('three'))
    client.receive('a', 'x', [], { retain: true })
    await Promise.all([...both, third])
    expect(client.subscribed.length).toBe(2)
    expect(got).toEqual(['one a x', 'two a x', 'three a x'])
  })

  it('of one filter that want another QoS do not wait for the answer', async () => {
    const both = [handle(client, 'a', collect('one')), handle(client, 'a', collect('two'), { qos: 1 })]
    await Promise.all([...both, handle(client, 'a', collect('three'))])
    expect(client.subscribed.map(({ qos }) => qos)).toEqual([0, 1])
  })

  it('of one filter that came at once are all forgotten when it is not granted', async () => {
    client.onSubscribe = () => Promise.reject(new Error('no'))
    const both = await Promise.allSettled([
      handle(client, 'a', collect('one')),
      handle(client, 'a', collect('two')),
    ])
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(client.listenerCount('message')).toBe(0)
  })

  it('with Retain As Published get what its publisher calls retained', async () => {
    await handle(client, 'a', collect('one'), { rap: true })
    await handle(client, 'a', collect('two'), { rap: true })
    client.receive('a', 'live', [], { retain: true })
    expect(got).toEqual(['one a live', 'two a live'])
  })

  it('are forgotten when the server does not grant the subscription', async () => {
    client.onSubscribe = () => Promise.reject(new Error('no'))
    await expect(handle(client, 'a', collect('a'))).rejects.toThrow('no')
    client.receive('a', 'x')
    expect(got).toEqual([])
    expect(client.unsubscribed).toEqual([])
    expect(client.listenerCount('message')).toBe(0)
  })

  it('may take themselves and others out while a message is told', async () => {
    const subscriptions = [
      await handle(client, 'a', () => {
        got.push('first')
        for (const one of subscriptions) void one.unsubscribe()
      }),
      await handle(client, 'a', collect('second')),
    ]
    client.receive('a', 'x')
    client.receive('a', 'y')
    expect(got).toEqual(['first'])
  })

  it('leave no listener behind', async () => {
    const one = await handle(client, 'a', collect('a'))
    const two = await handle(client, 'b', collect('b'))
    expect([client.listenerCount('message'), client.listenerCount('connect')]).toEqual([1, 1])
    await one.unsubscribe()
    await two[Symbol.asyncDispose]()
    expect([client.listenerCount('message'), client.listenerCount('connect')]).toEqual([0, 0])
    await handle(client, 'a', collect('a'))
    client.receive('a', 'x')
    expect(got).toEqual(['a a x'])
  })

  it('end with their signal', async () => {
    const controller = new AbortController()
    await handle(client, 'a', collect('a'), { signal: controller.signal })
    controller.abort()
    client.receive('a', 'x')
    expect(client.unsubscribed).toEqual(['a'])
    expect(got).toEqual([])
    await expect(handle(client, 'a', collect('a'), { signal: controller.signal })).rejects.toThrow('aborted')
  })

  it('are not told of when their signal comes first', async () => {
    const controller = new AbortController()
    let grant = (_value: unknown): void => {}
    client.onSubscribe = () =>
      new Promise((resolve) => {
        grant = resolve
      })
    const subscribing = handle(client, 'a', collect('a'), { signal: controller.signal })
    controller.abort(new Error('enough'))
    // Nobody waits for a server that may never answer.
    await expect(subscribing).rejects.toThrow('enough')
    grant(undefined)
    client.receive('a', 'x')
    expect(got).toEqual([])
    expect(client.unsubscribed).toEqual(['a'])
  })

  it('are not stopped by one that throws, which the process hears of', async () => {
    const thrown: unknown[] = []
    const nextTick = vi.spyOn(process, 'nextTick').mockImplementation((callback) => {
      try {
        callback()
      } catch (error) {
        thrown.push(error)
      }
    })
    try {
      await handle(client, 'a', () => {
        throw new Error('a mistake of its own')
      })
      await handle(client, 'a', collect('second'))
      client.receive('a', 'x')
    } finally {
      nextTick.mockRestore()
    }
    expect(got).toEqual(['second a x'])
    expect(thrown).toEqual([new Error('a mistake of its own')])
  })

  it('have a filter that is one', async () => {
    await expect(handle(client, 'a/#/b', collect('a'))).rejects.toMatchObject({
      code: 'ERR_MQTT_INVALID_TOPIC_FILTER',
    })
    expect(client.subscribed).toEqual([])
  })

  it('ignore what is no topic name', async () => {
    await handle(client, '#', collect('all'))
    client.receive('a/+', 'x')
    client.receive('', 'y')
    expect(got).toEqual([])
  })
})

describe('the messages of a filter', () => {
  let client: FakeClient

  beforeEach(() => {
    client = new FakeClient()
  })

  it('come one by one, and leaving the loop ends the subscription', async () => {
    const stream = messages(client, 'a/+')
    client.receive('a/1', 'x')
    client.receive('a/2', 'y')
    const got: string[] = []
    for await (const { topicName } of stream) if (got.push(topicName) === 2) break
    expect(got).toEqual(['a/1', 'a/2'])
    expect(client.unsubscribed).toEqual(['a/+'])
    expect([client.listenerCount('message'), client.listenerCount('end')]).toEqual([0, 0])
    expect(await stream.next()).toEqual({ done: true, value: undefined })
  })

  it('are waited for, by several readers in turn', async () => {
    const stream = messages(client, 'a')
    const both = Promise.all([stream.next(), stream.next()])
    client.receive('a', '1')
    client.receive('a', '2')
    expect((await both).map(({ value }) => value?.text())).toEqual(['1', '2'])
  })

  it.each([
    ['dropOldest', ['3', '4'], 2],
    ['dropNewest', ['1', '2'], 2],
  ] as const)('beyond the high-water mark with %s', async (overflow, left, droppedCount) => {
    const stream = messages(client, 'a', { highWaterMark: 2, overflow })
    for (const text of ['1', '2', '3', '4']) client.receive('a', text)
    expect(stream.droppedCount).toBe(droppedCount)
    client.emit('end')
    const got: string[] = []
    for await (const message of stream) got.push(message.text())
    expect(got).toEqual(left)
  })

  it('beyond the high-water mark with fail end in an error, once', async () => {
    const stream = messages(client, 'a', { highWaterMark: 1, overflow: 'fail' })
    client.receive('a', '1')
    client.receive('a', '2')
    client.receive('a', '3')
    expect((await stream.next()).value?.text()).toBe('1')
    await expect(stream.next()).rejects.toMatchObject({
      code: 'ERR_MQTT_QUOTA_EXCEEDED',
      message: 'More than 1 messages wait to be read: read faster, or allow more.',
    })
    expect(await stream.next()).toEqual({ done: true, value: undefined })
    expect(client.unsubscribed).toEqual(['a'])
  })

  it.each([
    [{ highWaterMark: 0 }, 'highWaterMark'],
    [{ highWaterMark: 1.5 }, 'highWaterMark'],
    [{ overflow: 'never' as 'fail' }, 'overflow'],
  ])('refuse %o', (options, name) => {
    expect(() => messages(client, 'a', options)).toThrow(`${name} must be`)
    expect(client.subscribed).toEqual([])
  })

  it('end with their signal, and with the client', async () => {
    const controller = new AbortController()
    const one = messages(client, 'a', { signal: controller.signal })
    const two = messages(client, 'b')
    const readers = [one.next(), two.next()]
    controller.abort()
    client.emit('end')
    expect(await Promise.all(readers)).toEqual([
      { done: true, value: undefined },
      { done: true, value: undefined },
    ])
    expect(() => messages(client, 'a', { signal: controller.signal })).toThrow('aborted')
  })

  it('fail where the server does not grant the subscription', async () => {
    client.onSubscribe = () => Promise.reject(new Error('no'))
    const stream = messages(client, 'a')
    await expect(stream.subscribed).rejects.toThrow('no')
    await expect(stream.next()).rejects.toThrow('no')
    expect(await stream.next()).toEqual({ done: true, value: undefined })
  })

  it('may be left while there is no connection', async () => {
    client.onUnsubscribe = () => new Promise(() => {})
    const stream = messages(client, 'a')
    await stream.return()
    client.onUnsubscribe = () => Promise.reject(new Error('not connected'))
    await messages(client, 'b').return()
    expect(client.unsubscribed).toEqual(['a', 'b'])
  })

  it('have what a handler gets', async () => {
    const stream = messages(client, 'a')
    client.receive('a', '{"b":1}', [], { qos: 1, retain: true })
    const { value } = await stream.next()
    expect(value).toMatchObject({ topicName: 'a', qos: 1, retain: true })
    expect(value?.json()).toEqual({ b: 1 })
    expect(value?.packet.properties).toEqual({})
  })
})

describe.each([5, 4] as const)('with MQTT.js, version %i, at our broker', (protocolVersion) => {
  let broker: Broker
  let client: ReturnType<typeof clientOver>

  beforeEach(async () => {
    broker = await Broker.start()
    client = clientOver(broker.connect(), { protocolVersion })
    await nextEvent(client, 'connect')
  })

  afterEach(async () => {
    await client.endAsync(true)
    await broker.close()
  })

  it('several iterators over overlapping filters get each message once, retained ones too', async () => {
    await broker.publish('a/1', 'retained', { retain: true })
    const like: ClientLike = client
    const streams = ['a/#', 'a/+', '#', 'a/+'].map((filter) => messages(like, filter))
    await Promise.all(streams.map(({ subscribed }) => subscribed))
    await broker.publish('a/1', 'live', { qos: 1 })
    await broker.publish('a/2', 'last')
    const got = await Promise.all(
      streams.map(async (stream) => {
        const texts: string[] = []
        for await (const message of stream) {
          texts.push(message.text())
          if (texts.at(-1) === 'last') break
        }
        return texts
      }),
    )
    // Without Subscription Identifiers nothing tells which of the three SUBSCRIBEs a retained message answers.
    const once = protocolVersion === 5 ? got : got.map((texts) => texts.slice(-3))
    expect(once).toEqual(streams.map(() => ['retained', 'live', 'last']))
    await until(() => broker.metrics().subscriptions === 0 || undefined, 'the end of the subscriptions')
  })
})
