import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from 'vitest'
import { z } from 'zod'
import type { ReceivedMessage } from '../src/client/client-like.js'
import { Broker, binary, json, type Message, MqttError, type TopicParams, text, topic } from '../src/index.js'
import { topicMatches } from '../src/native.js'
import { FakeClient } from './support/fake-client.js'
import { clientOver, nextEvent } from './support/mqtt-js.js'
import { until } from './support/until.js'

interface Reading {
  celsius: number
}

const temperature = topic('sensors/{id}/temperature', json<Reading>())
const log = topic('logs/{host}/{path...}', text)

describe('the types of a topic', () => {
  it('name its parameters', () => {
    expectTypeOf(temperature.build).parameter(0).toEqualTypeOf<{ readonly id: string }>()
    expectTypeOf(temperature.parse).returns.toEqualTypeOf<{ readonly id: string } | undefined>()
    expectTypeOf(log.parse).returns.toEqualTypeOf<
      { readonly host: string; readonly path: readonly string[] } | undefined
    >()
    expectTypeOf<keyof TopicParams<'a/b'>>().toBeNever()
    expectTypeOf<TopicParams<'{a}/{b}/{c...}'>>().toEqualTypeOf<{
      readonly a: string
      readonly b: string
      readonly c: readonly string[]
    }>()
    expectTypeOf(temperature.filterFor).parameter(0).toEqualTypeOf<{ readonly id?: string }>()
  })

  it('refuse what is wrong', () => {
    // @ts-expect-error a parameter is missing
    expect(() => temperature.build({})).toThrow('The parameter id of sensors/{id}/temperature is missing.')
    // @ts-expect-error a parameter has another name
    expect(() => temperature.build({ name: 'a1' })).toThrow('is missing')
    // @ts-expect-error a parameter is text
    expect(() => temperature.build({ id: 1 })).toThrow('must be text, not 1')
    // @ts-expect-error a parameter of many levels is an array
    expect(() => log.build({ host: 'a', path: 'b' })).toThrow('must be an array of strings')
    // @ts-expect-error A parameter is a whole level: {name}.
    expect(() => topic('a-{id}', text)).toThrow('A parameter is a whole level: {name}.')
    // @ts-expect-error Wildcards need a name
    expect(() => topic('a/+/b', text)).toThrow('Wildcards need a name')
    // @ts-expect-error A parameter of many levels has to be the last.
    expect(() => topic('{a...}/b', text)).toThrow('has to be the last')
    // @ts-expect-error The name of a parameter has letters, digits and _ only.
    expect(() => topic('a/{}', text)).toThrow('has letters, digits and _ only')
  })

  it('name what the payload is', () => {
    expectTypeOf(temperature.encode).parameter(0).toEqualTypeOf<Reading>()
    expectTypeOf(temperature.decode).returns.toEqualTypeOf<Reading>()
    expectTypeOf(topic('a', text).decode).returns.toEqualTypeOf<string>()
    expectTypeOf(topic('a', binary).decode).returns.toEqualTypeOf<Uint8Array>()
    expectTypeOf(topic('a', json()).decode).returns.toEqualTypeOf<unknown>()
    const bigint = topic('a', {
      encode: (value: bigint) => String(value),
      decode: (bytes) => BigInt(String(bytes)),
    })
    expectTypeOf(bigint.encode).parameter(0).toEqualTypeOf<bigint>()
  })

  it('are those of a schema, going out and coming in', () => {
    const dated = topic(
      'a',
      z.object({ at: z.iso.datetime().transform((at) => new Date(at)), n: z.number().default(1) }),
    )
    expectTypeOf(dated.encode).parameter(0).toEqualTypeOf<{ at: string; n?: number | undefined }>()
    expectTypeOf(dated.decode).returns.toEqualTypeOf<{ at: Date; n: number }>()
    const own = topic('a', { parse: (value: unknown): Reading => value as Reading })
    expectTypeOf(own.decode).returns.toEqualTypeOf<Reading>()
    expectTypeOf(own.encode).parameter(0).toEqualTypeOf<Reading>()
    for (const scalar of [topic('a', z.string()), topic('a', json(z.string()))]) {
      expectTypeOf(scalar.decode).returns.toEqualTypeOf<string>()
      expect(scalar.encode('x').toString()).toBe('"x"')
    }
  })

  it('reach the handler, with the message of whoever it is subscribed at', () => {
    const subscribe = (client: FakeClient, broker: Broker) => [
      temperature.subscribe(client, { id: 'a' }, ({ params, value, message }) => {
        expectTypeOf(params).toEqualTypeOf<{ readonly id: string }>()
        expectTypeOf(value).toEqualTypeOf<Reading>()
        expectTypeOf(message).toEqualTypeOf<ReceivedMessage>()
      }),
      temperature.subscribe(broker, {}, ({ message }) => expectTypeOf(message).toEqualTypeOf<Message>()),
      // @ts-expect-error a broker has no QoS to subscribe with
      temperature.subscribe(broker, {}, () => {}, { qos: 1 }),
      // @ts-expect-error not what the topic carries
      temperature.publish(client, { id: 'a' }, { fahrenheit: 1 }),
    ]
    expectTypeOf(subscribe).toBeFunction()
  })

  it('are open for a pattern that is not known before', () => {
    const pattern: string = ['a', '{id}'].join('/')
    const any = topic(pattern, text)
    expectTypeOf(any.parse).returns.toEqualTypeOf<
      Readonly<Record<string, string | readonly string[]>> | undefined
    >()
    expect(any.parse('a/1')).toEqual({ id: '1' })
  })
})

describe('the names of a typed topic', () => {
  it('are built from parameters, and parsed into them', () => {
    expect(temperature.build({ id: 'a1' })).toBe('sensors/a1/temperature')
    expect(temperature.parse('sensors/a1/temperature')).toEqual({ id: 'a1' })
    expect(log.build({ host: 'h', path: ['var', 'log', ''] })).toBe('logs/h/var/log/')
    expect(log.parse('logs/h/var/log/')).toEqual({ host: 'h', path: ['var', 'log', ''] })
    expect(log.build({ host: 'h', path: [] })).toBe('logs/h')
    expect(log.parse('logs/h')).toEqual({ host: 'h', path: [] })
  })

  it.each([
    'sensors/a1',
    'sensors/a1/humidity',
    'sensors/a1/temperature/x',
    'sensors//temperature',
    '',
    'x/a1/temperature',
  ])('are not "%s"', (name) => {
    expect(temperature.parse(name)).toBeUndefined()
  })

  it('have filters, with wildcards for what is left out', () => {
    expect(temperature.filter).toBe('sensors/+/temperature')
    expect(log.filter).toBe('logs/+/#')
    expect(log.filterFor({ host: 'h' })).toBe('logs/h/#')
    expect(log.filterFor({ path: ['a', 'b'] })).toBe('logs/+/a/b')
    expect(topic('{all...}', text).filter).toBe('#')
    expect(topic('plain/topic', text).filter).toBe('plain/topic')
  })

  it.each(['a/b', '+', '#', 'a\0', ''])('have no parameter %j', (id) => {
    expect(() => temperature.build({ id })).toThrow(MqttError)
    expect(() => temperature.filterFor({ id })).toThrow(
      /^The parameter id of sensors\/\{id\}\/temperature is/,
    )
  })

  it('do not begin with $ by way of a parameter, since no wildcard matches that', () => {
    const tenant = topic('{tenant}/x', text)
    expect(tenant.parse('$SYS/x')).toBeUndefined()
    expect(() => tenant.build({ tenant: '$SYS' })).toThrow('no filter of this pattern matches')
    expect(topic('$own/{x}', text).build({ x: 'y' })).toBe('$own/y')
    expect(() => topic('{all...}', text).build({ all: [] })).toThrow('is empty')
  })

  it('come from a pattern that is one', () => {
    const loose = topic as (pattern: string, codec: typeof text) => unknown
    expect(() => loose('a/{x}/{x}', text)).toThrow(
      '"a/{x}/{x}" is not the pattern of a topic. The parameter x comes twice.',
    )
    expect(() => loose('', text)).toThrow('A topic is not empty')
    expect(() => loose('a/{x y}', text)).toThrow('letters, digits and _ only')
    expect(() => loose('a/{x', text)).toThrow('A parameter is a whole level')
  })

  it('that are built match the filter and are parsed into the same, whatever the parameters', () => {
    const level = fc.string({ minLength: 1 }).filter((value) => !/[/+#\0]/.test(value))
    const params = fc.record({ host: level, path: fc.array(level) })
    fc.assert(
      fc.property(params, (values) => {
        const name = log.build(values)
        expect(log.parse(name)).toEqual(values)
        expect(topicMatches(log.filter, name)).toBe(true)
        expect(topicMatches(log.filterFor({ host: values.host }), name)).toBe(true)
      }),
    )
  })

  it('are parsed exactly where the filter matches and no parameter is empty', () => {
    const pattern = topic('{a}/b/{c...}', text)
    const level = fc.constantFrom('', 'a', 'b', '$x')
    fc.assert(
      fc.property(fc.array(level, { minLength: 1, maxLength: 4 }), (levels) => {
        const name = levels.join('/')
        fc.pre(name !== '')
        expect(pattern.parse(name) !== undefined).toBe(topicMatches(pattern.filter, name) && levels[0] !== '')
      }),
    )
  })
})

describe('the payload of a typed topic', () => {
  it.each([
    ['JSON that is none', () => temperature.decode(Buffer.from('{')), SyntaxError],
    ['text that is no UTF-8', () => topic('a', text).decode(Buffer.of(0xff)), TypeError],
    ['JSON that is no UTF-8', () => temperature.decode(Buffer.of(0x22, 0xff, 0x22)), TypeError],
    ['what a schema refuses', () => topic('a', z.number()).decode(Buffer.from('"1"')), z.ZodError],
    ['what a schema refuses on the way out', () => topic('a', z.number()).encode('1' as never), z.ZodError],
    ['what has no JSON', () => topic('a', json()).encode(undefined), TypeError],
  ])('is not %s', (_name, attempt, cause) => {
    expect(attempt).toThrow(MqttError)
    try {
      attempt()
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_MQTT_INVALID_PAYLOAD' })
      expect((error as MqttError).message).toMatch(
        /^This (value cannot be sent|payload cannot be read) on .+\.$/,
      )
      expect((error as MqttError).cause).toBeInstanceOf(cause)
    }
  })

  it('is what the codec says', () => {
    expect(temperature.encode({ celsius: 1 }).toString()).toBe('{"celsius":1}')
    expect(topic('a', binary).encode(Uint8Array.of(1, 2).subarray(1))).toEqual(Buffer.of(2))
    const dated = topic('a', z.object({ at: z.iso.datetime().transform((at) => new Date(at)) }))
    const at = '2026-01-02T03:04:05Z'
    expect(dated.decode(dated.encode({ at }))).toEqual({ at: new Date(at) })
  })
})

describe('a typed topic at a client', () => {
  let client: FakeClient
  let got: string[]

  beforeEach(() => {
    client = new FakeClient()
    got = []
  })

  it('publishes and subscribes', async () => {
    const subscription = await temperature.subscribe(client, {}, ({ params, value, message }) => {
      got.push(`${params.id} ${value.celsius} ${message.qos}`)
    })
    expect(subscription.topicFilter).toBe('sensors/+/temperature')
    client.receive('sensors/a1/temperature', '{"celsius":1}', [], { qos: 1 })
    await temperature.publish(client, { id: 'a2' }, { celsius: 2 }, { qos: 1, retain: true })
    expect(client.published).toMatchObject([
      {
        topicName: 'sensors/a2/temperature',
        payload: Buffer.from('{"celsius":2}'),
        options: { qos: 1, retain: true },
      },
    ])
    await subscription.unsubscribe()
    expect(client.unsubscribed).toEqual(['sensors/+/temperature'])
    expect(got).toEqual(['a1 1 1'])
  })

  it('shares a subscription', async () => {
    await temperature.subscribe(client, { id: 'a1' }, ({ params }) => got.push(params.id), {
      shareName: 'g',
      qos: 1,
    })
    expect(client.subscribed).toMatchObject([{ topicFilter: '$share/g/sensors/a1/temperature', qos: 1 }])
    client.receive('sensors/a1/temperature', '{}')
    expect(got).toEqual(['a1'])
    const options = { shareName: 'a/b' }
    await expect(temperature.subscribe(client, {}, () => {}, options)).rejects.toMatchObject({
      code: 'ERR_MQTT_INVALID_TOPIC_FILTER',
    })
  })

  it('gives what it does not understand to onInvalid', async () => {
    await temperature.subscribe(client, {}, ({ params }) => got.push(params.id), {
      onInvalid: ({ code }, { topicName }) => got.push(`${code} ${topicName}`),
    })
    client.receive('sensors/a1/temperature', '{')
    client.receive('sensors//temperature', '{}')
    client.receive('sensors/a2/temperature', '{}')
    expect(got).toEqual([
      'ERR_MQTT_INVALID_PAYLOAD sensors/a1/temperature',
      'ERR_MQTT_INVALID_TOPIC_NAME sensors//temperature',
      'a2',
    ])
  })

  it('warns of it, once, where there is no onInvalid', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    try {
      await temperature.subscribe(client, {}, () => {})
      client.receive('sensors/a1/temperature', '{')
      client.receive('sensors/a1/temperature', '{')
      expect(warn).toHaveBeenCalledTimes(1)
      expect(warn.mock.calls[0]?.[0]).toMatch(
        /^A message on sensors\/a1\/temperature was not understood\. This payload/,
      )
    } finally {
      warn.mockRestore()
    }
  })

  it('gives messages one by one, without those that it does not understand', async () => {
    const stream = temperature.messages(client, {}, { onInvalid: ({ code }) => got.push(code) })
    client.receive('sensors/a1/temperature', '{')
    client.receive('sensors/a1/temperature', '{"celsius":1}')
    for await (const { params, value } of stream) {
      got.push(`${params.id} ${value.celsius}`)
      break
    }
    expect(got).toEqual(['ERR_MQTT_INVALID_PAYLOAD', 'a1 1'])
    expect(client.unsubscribed).toEqual(['sensors/+/temperature'])
  })
})

describe('a typed topic between a broker in this process and a client of MQTT.js', () => {
  let broker: Broker
  let client: ReturnType<typeof clientOver>

  beforeEach(async () => {
    broker = await Broker.start()
    client = clientOver(broker.connect())
    await nextEvent(client, 'connect')
  })

  afterEach(async () => {
    await client.endAsync(true)
    await broker.close()
  })

  it('carries values both ways', async () => {
    const atBroker: string[] = []
    const atClient: string[] = []
    const subscription = await temperature.subscribe(broker, {}, ({ params, value }) => {
      atBroker.push(`${params.id} ${value.celsius}`)
    })
    await temperature.subscribe(client, { id: 'b' }, ({ params, value }) => {
      atClient.push(`${params.id} ${value.celsius}`)
    })
    await temperature.publish(client, { id: 'a' }, { celsius: 1 }, { qos: 1 })
    await temperature.publish(broker, { id: 'b' }, { celsius: 2 })
    await until(() => atBroker.length === 2 && atClient.length === 1, 'the messages')
    expect([...atBroker.sort(), ...atClient]).toEqual(['a 1', 'b 2', 'b 2'])
    await subscription.unsubscribe()
    await temperature.publish(client, { id: 'b' }, { celsius: 3 }, { qos: 1 })
    await until(() => atClient.length === 2, 'the last message')
    expect(atBroker.length).toBe(2)
  })

  it('gives messages one by one at the broker', async () => {
    const stream = temperature.messages(broker, {}, { maximumQueued: 10 })
    await temperature.publish(client, { id: 'a' }, { celsius: 1 })
    for await (const { value } of stream) {
      expect(value).toEqual({ celsius: 1 })
      break
    }
    expect(broker.metrics().subscriptions).toBe(0)
  })
})
