import { describe, expect, it } from 'vitest'
import { type ErrorCode, MqttError } from '../src/errors.js'
import { defaultLimits, resolveOptions } from '../src/options.js'

const tls = { cert: 'certificate', key: 'key' }

function messageOf(options: unknown): string {
  try {
    resolveOptions(options)
  } catch (error) {
    expect(error).toBeInstanceOf(MqttError)
    expect((error as MqttError).code).toBe('ERR_MQTT_INVALID_OPTION' satisfies ErrorCode)
    return (error as MqttError).message
  }
  throw new Error('these options were accepted')
}

describe('resolveOptions', () => {
  it('needs nothing: a broker without options listens nowhere and has the default limits', () => {
    expect(resolveOptions()).toMatchObject({
      listeners: [],
      allowedOrigins: undefined,
      sysIntervalSecs: 10,
      limits: defaultLimits,
    })
  })

  it('makes the port the first listener, on loopback', () => {
    const { listeners } = resolveOptions({ port: 0, listeners: [{ protocol: 'ws', port: 8083 }] })
    expect(listeners).toEqual([
      { protocol: 'auto', port: 0, host: 'localhost', tls: undefined },
      { protocol: 'ws', port: 8083, host: 'localhost', tls: undefined },
    ])
  })

  it('hands host and tls down to listeners that have none of their own and a use for them', () => {
    const own = { cert: 'other certificate', key: 'other key' }
    const { listeners } = resolveOptions({
      host: '::',
      tls,
      listeners: [
        { protocol: 'mqtts', port: 1 },
        { protocol: 'wss', port: 2, tls: own, host: '127.0.0.1' },
        { protocol: 'mqtt', port: 3 },
        { protocol: 'auto', port: 4 },
      ],
    })
    expect(listeners.map(({ host, tls }) => [host, tls])).toEqual([
      ['::', tls],
      ['127.0.0.1', own],
      ['::', undefined],
      ['::', tls],
    ])
  })

  it('takes an option that is undefined as absent', () => {
    const resolved = resolveOptions({
      port: undefined,
      limits: { receiveMaximum: undefined },
      logger: undefined,
    })
    expect(resolved.listeners).toEqual([])
    expect(resolved.limits.receiveMaximum).toBe(defaultLimits.receiveMaximum)
  })

  it('keeps the defaults of the limits that are not given', () => {
    const { limits } = resolveOptions({ limits: { receiveMaximum: 7, queueFullPolicy: 'dropOldest' } })
    expect(limits).toEqual({ ...defaultLimits, receiveMaximum: 7, queueFullPolicy: 'dropOldest' })
  })

  it('turns a plain hook into one for every topic, and one for a filter into a list', () => {
    const hook = () => true
    const filtered = { filter: 'a/#', handler: hook }
    expect(resolveOptions({ authorizePublish: hook }).authorizePublish).toEqual([
      { filter: '#', handler: hook },
    ])
    expect(resolveOptions({ authorizeSubscribe: filtered }).authorizeSubscribe).toEqual([filtered])
    expect(resolveOptions({ onPublish: [filtered, filtered] }).onPublish).toEqual([filtered, filtered])
    expect(resolveOptions({}).onPublish).toEqual([])
  })
})

describe('a wrong option is answered with its path and what is wanted', () => {
  const cases: [string, unknown, string][] = [
    ['a port out of range', { port: 65_536 }, 'port must be a whole number from 0 to 65535, not 65536.'],
    ['a port that is text', { port: '1883' }, 'port must be a whole number from 0 to 65535, not "1883".'],
    [
      'a fraction',
      { limits: { receiveMaximum: 1.5 } },
      'limits.receiveMaximum must be a whole number from 1',
    ],
    [
      'a limit of zero where one is needed',
      { limits: { maximumConnections: 0 } },
      'limits.maximumConnections must',
    ],
    [
      'an unknown policy',
      { limits: { queueFullPolicy: 'drop' } },
      "must be 'reject' or 'dropNewest' or 'dropOldest'",
    ],
    ['a listener without a port', { listeners: [{ protocol: 'ws' }] }, 'listeners[0].port must be'],
    [
      'an unknown protocol',
      { listeners: [{ protocol: 'http', port: 1 }] },
      "listeners[0].protocol must be 'auto' or",
    ],
    [
      'an origin with a path',
      { allowedOrigins: ['https://a.example/x'] },
      'allowedOrigins[0] must be an origin',
    ],
    ['half a logger', { logger: { info() {} } }, 'logger must have the methods'],
    ['a hook that is no function', { authenticate: true }, 'authenticate must be a function'],
    [
      'an authentication method that cannot start',
      { enhancedAuthentication: { PLAIN: () => true } },
      'enhancedAuthentication.PLAIN must be an object with a method start',
    ],
    ['a hook without a handler', { onPublish: { filter: 'a' } }, 'onPublish must be a function, or'],
    ['a list instead of options', [], 'options must be an object'],
    [
      'TLS without a certificate',
      { port: 1, listeners: [{ protocol: 'wss', port: 2 }] },
      'listeners[0] speaks wss',
    ],
    ['a certificate without its key', { tls: { cert: 'x' } }, 'tls needs both cert and key'],
    [
      'TLS where it has no use',
      { listeners: [{ protocol: 'ws', port: 1, tls }] },
      'listeners[0].tls has no use',
    ],
  ]
  it.each(cases)('%s', (_, options, expected) => {
    expect(messageOf(options)).toContain(expected)
  })

  it('says all that is wrong at once', () => {
    expect(messageOf({ port: -1, limits: { receiveMaximum: 0 } })).toMatch(
      /port must.*limits\.receiveMaximum must/,
    )
  })
})

describe('an unknown option is answered with the nearest known one', () => {
  const cases: [unknown, string][] = [
    [{ prot: 1 }, 'prot is not a known option. Did you mean port?'],
    [{ limit: {} }, 'limit is not a known option. Did you mean limits?'],
    [{ limits: { maximumPacketSize: 1 } }, 'Did you mean limits.maximumPacketSizeBytes?'],
    [{ limits: { receive_maximum: 1 } }, 'Did you mean limits.receiveMaximum?'],
    [{ recieveMaximum: 1 }, 'Did you mean limits.receiveMaximum?'],
    [{ listeners: [{ protocol: 'ws', port: 1, hots: 'a' }] }, 'Did you mean listeners[0].host?'],
  ]
  it.each(cases)('%j', (options, expected) => {
    expect(messageOf(options)).toContain(expected)
  })

  it('guesses nothing when nothing is near', () => {
    expect(messageOf({ bananas: 1 })).toBe('bananas is not a known option.')
  })
})
