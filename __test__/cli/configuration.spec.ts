import { dirname, join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Configuration } from '../../src/cli/config-schema.js'
import { loadSettings, merge } from '../../src/cli/configuration.js'
import type { MqttError } from '../../src/errors.js'
import { resolveOptions } from '../../src/options.js'
import { isLoopback } from '../../src/status/guarded.js'
import { makeCertificate } from '../support/certificates.js'
import { temporaryDirectory, temporaryFile } from '../support/temporary.js'

const HASH = '$scrypt$ln=4,r=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$TuX7jZa5MUSS/Mk7kV8t2bjKDB/7QPPHwrT6zWrpDIM'

function listenersOf(configuration: Configuration) {
  return resolveOptions(loadSettings(configuration, {}).options).listeners
}

function refusalOf(configuration: Configuration): { code: string; message: string } {
  try {
    loadSettings(configuration, {})
  } catch (error) {
    return error as MqttError
  }
  throw new Error('this configuration was accepted')
}

describe('flags win over the environment, that over the file, that over defaults', () => {
  const path = () =>
    temporaryFile(
      'a.yaml',
      'port: 1\nhost: 127.0.0.1\nlimits: { receiveMaximum: 1, maximumTopicLevels: 1 }\n',
    )
  const environment = { TOPICWIRE_PORT: '2', TOPICWIRE_LIMITS__RECEIVE_MAXIMUM: '2' }

  it('key by key', () => {
    const { options } = loadSettings({ port: 3 }, environment, path())
    expect(options).toMatchObject({
      port: 3,
      host: '127.0.0.1',
      limits: { receiveMaximum: 2, maximumTopicLevels: 1 },
    })
    expect(loadSettings({}, environment, path()).options.port).toBe(2)
    expect(loadSettings({}, {}, path()).options.port).toBe(1)
    expect(loadSettings({}, {}).options.port).toBe(1883)
  })

  it('and the file can be named in the environment', () => {
    expect(loadSettings({}, { TOPICWIRE_CONFIG: path() }).options.port).toBe(1)
  })

  it('merging replaces lists and leaves its arguments alone', () => {
    const below = { a: { b: 1, c: 2 }, list: [1, 2] }
    expect(merge<object>(below, { a: { b: 3 }, list: [4], d: undefined })).toEqual({
      a: { b: 3, c: 2 },
      list: [4],
    })
    expect(below).toEqual({ a: { b: 1, c: 2 }, list: [1, 2] })
  })
})

describe('the store', () => {
  it('is in the working directory and survives the process, unless somebody says otherwise', () => {
    const { options } = loadSettings({}, {})
    expect(options.store).toEqual({ path: resolve('topicwire-data'), durability: 'process' })
  })

  it('is in memory where that is said', () => {
    expect(loadSettings({ store: { durability: 'memory' } }, {}).options.store).toBeUndefined()
    expect(loadSettings({}, { TOPICWIRE_STORE__DURABILITY: 'memory' }).options.store).toBeUndefined()
  })

  it('is put together of flags, environment and file, whose directory is where its path begins', () => {
    const path = temporaryFile('a.yaml', 'store: { path: data, durability: power }\n')
    const inFile = resolve(dirname(path), 'data')
    expect(loadSettings({}, {}, path).options.store).toEqual({ path: inFile, durability: 'power' })
    const environment = { TOPICWIRE_STORE__DURABILITY: 'process' }
    expect(loadSettings({}, environment, path).options.store).toEqual({ path: inFile, durability: 'process' })
    expect(loadSettings({ store: { path: 'd' } }, environment, path).options.store).toEqual({
      path: resolve('d'),
      durability: 'process',
    })
  })
})

describe('plain data', () => {
  it('reaches the broker from a file and from the environment, key by key', () => {
    const path = temporaryFile(
      'a.yaml',
      "features: { maximumQos: 1, retain: false }\nresponseInformation: 'replies/%c'\nlimits: { receiveMaximumPolicy: tolerant }\n",
    )
    const environment = {
      TOPICWIRE_FEATURES__RETAIN: 'true',
      TOPICWIRE_FEATURES__SHARED_SUBSCRIPTIONS: 'false',
      TOPICWIRE_RESPONSE_INFORMATION: 'answers/%u',
    }
    const resolved = resolveOptions(loadSettings({}, environment, path).options)
    expect(resolved).toMatchObject({
      features: { maximumQos: 1, retain: true, sharedSubscriptions: false, wildcardSubscriptions: true },
      responseInformation: 'answers/%u',
      limits: { receiveMaximumPolicy: 'tolerant' },
    })
  })
})

describe('listeners', () => {
  it('nothing but the one port is opened, on this machine', () => {
    expect(listenersOf({})).toEqual([{ protocol: 'auto', port: 1883, host: 'localhost', tls: undefined }])
  })

  it('--ws-port and --tls-port come besides the one port', async () => {
    const { cert, key } = await makeCertificate()
    const directory = temporaryDirectory({ 'c.pem': cert, 'k.pem': key })
    const tls = { certFile: join(directory, 'c.pem'), keyFile: join(directory, 'k.pem') }
    const listeners = listenersOf({ port: 1, wsPort: 2, tlsPort: 3, tls })
    expect(listeners.map(({ protocol, port, tls }) => [protocol, port, tls !== undefined])).toEqual([
      ['auto', 1, true],
      ['ws', 2, false],
      ['mqtts', 3, true],
    ])
    expect(listeners[2]?.tls).toMatchObject({ cert: Buffer.from(cert), key: Buffer.from(key) })
  })

  it('whoever lists listeners gets those, and the one port only when it is named', () => {
    const listeners = [{ protocol: 'mqtt', port: 5 }] as const
    expect(listenersOf({ listeners }).map(({ port }) => port)).toEqual([5])
    expect(listenersOf({ listeners, port: 1883 }).map(({ port }) => port)).toEqual([1883, 5])
  })
})

it('strangers who are let in from other machines are not shown the others, unless it is said', () => {
  const statusOf = (flags: Configuration) => resolveOptions(loadSettings(flags, {}).options).status
  const users = {
    alice: '$scrypt$ln=15,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$MFY6ooDb6ETskQpjW4AUE61ubVxCMh3tMo6UclCehf0',
  }
  expect(statusOf({ port: 0 })).toBe(true)
  expect(statusOf({ port: 0, allowAnonymous: true })).toBe(true)
  expect(statusOf({ port: 0, host: '0.0.0.0', users })).toBe(true)
  expect(statusOf({ port: 0, host: '0.0.0.0', users, allowAnonymous: true })).toBe(false)
  expect(statusOf({ port: 0, host: '0.0.0.0', allowAnonymous: true })).toBe(false)
  expect(statusOf({ port: 0, host: '0.0.0.0', allowAnonymous: true, status: true })).toBe(true)
})

describe('TLS files', () => {
  it('are tried before a client comes', async () => {
    const [one, other] = await Promise.all([makeCertificate(), makeCertificate()])
    const directory = temporaryDirectory({ 'c.pem': one.cert, 'k.pem': other.key })
    const tls = { certFile: join(directory, 'c.pem'), keyFile: join(directory, 'k.pem') }
    expect(refusalOf({ tls })).toMatchObject({
      code: 'ERR_MQTT_TLS',
      message: expect.stringContaining('cannot be used'),
    })
  })

  it.each([
    [
      'a certificate alone',
      { tls: { certFile: 'c' } },
      'A TLS certificate is of no use alone: add --tls-key',
    ],
    ['a key alone', { tls: { keyFile: 'k' } }, 'A TLS key is of no use alone: add --tls-cert'],
    ['neither', { tls: {} }, 'TLS needs a certificate and its key'],
    [
      'a file that is not there',
      { tls: { certFile: '/no/c', keyFile: 'k' } },
      '/no/c cannot be read: there is no such',
    ],
    ['a TLS port without a certificate', { tlsPort: 8883 }, '--tls-port needs a certificate'],
  ])('%s is refused', (_, configuration, expected) => {
    expect(refusalOf(configuration).message).toContain(expected)
  })
})

describe('nobody is served without log-in on an address that others can reach', () => {
  it.each(['0.0.0.0', '::', '192.0.2.1', 'broker.example'])('%s is refused in one sentence', (host) => {
    expect(refusalOf({ host })).toMatchObject({
      code: 'ERR_MQTT_INVALID_CONFIG',
      message: `${host} can be reached from other machines and nobody would have to log in: add users to the configuration, or say --allow-anonymous.`,
    })
  })

  it('nor on a listener of its own', () => {
    expect(refusalOf({ listeners: [{ protocol: 'ws', port: 1, host: '::' }] }).message).toContain(
      ':: can be reached',
    )
  })

  it.each([
    ['--allow-anonymous', { allowAnonymous: true }],
    ['users', { users: { alice: HASH } }],
  ])('%s opens it', (_, configuration) => {
    expect(loadSettings({ host: '0.0.0.0', ...configuration }, {}).options.host).toBe('0.0.0.0')
  })

  it('so does a client certificate, where every connection must show one', async () => {
    const { cert, key } = await makeCertificate()
    const directory = temporaryDirectory({ 'c.pem': cert, 'k.pem': key })
    const tls = { certFile: join(directory, 'c.pem'), keyFile: join(directory, 'k.pem'), requestCert: true }
    const on = (protocol: 'mqtts' | 'auto') => ({
      host: '::',
      tls,
      listeners: [{ protocol, port: 1 }] as const,
    })
    expect(loadSettings(on('mqtts'), {}).options.listeners).toHaveLength(1)
    expect(refusalOf(on('auto')).message).toContain('can be reached')
  })
})

describe('users', () => {
  it('with the keys of SCRAM may use it, and those with a hash alone may not', () => {
    const key = `${'A'.repeat(42)}w`
    const scram = `$scram-sha-256$i=4096$${'A'.repeat(22)}$${key}$${key}`
    const methodsOf = (hash: string) =>
      Object.keys(loadSettings({ users: { alice: hash } }, {}).options.enhancedAuthentication ?? {})
    expect(methodsOf(scram)).toEqual(['SCRAM-SHA-256'])
    expect(methodsOf(HASH)).toEqual([])
  })

  it('make log-in necessary, also on loopback', async () => {
    const { options } = loadSettings({ users: { alice: HASH } }, {})
    expect(await options.authenticate?.({ clientId: 'c' } as never)).toBe(false)
    expect(loadSettings({}, {}).options.authenticate).toBeUndefined()
  })
})

it.each([
  ['localhost', true],
  ['127.0.0.1', true],
  ['127.8.8.8', true],
  ['::1', true],
  ['0.0.0.0', false],
  ['::', false],
  ['127.example.org', false],
])('isLoopback(%s) is %s', (host, expected) => {
  expect(isLoopback(host)).toBe(expected)
})
