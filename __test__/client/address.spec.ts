import { describe, expect, it } from 'vitest'
import { type AddressOptions, formatAddress, parseAddresses } from '../../src/client/address.js'
import { MqttError } from '../../src/errors.js'

function one(url: string | undefined, options: AddressOptions = {}) {
  const [address, ...others] = parseAddresses(url, options)
  expect(others).toEqual([])
  return address
}

function sentenceOf(url: string | undefined, options: AddressOptions = {}): string {
  try {
    parseAddresses(url, options)
  } catch (error) {
    expect(error).toBeInstanceOf(MqttError)
    expect(error).toMatchObject({ code: 'ERR_MQTT_INVALID_OPTION' })
    return (error as MqttError).message
  }
  throw new Error(`${url} is no mistake`)
}

describe('the URL of a server', () => {
  it.each([
    ['mqtt://broker', { protocol: 'mqtt', host: 'broker', port: 1883 }],
    ['MQTT://broker:1884', { protocol: 'mqtt', host: 'broker', port: 1884 }],
    ['tcp://10.0.0.1', { protocol: 'mqtt', host: '10.0.0.1', port: 1883 }],
    ['mqtt://[::1]:1884', { protocol: 'mqtt', host: '::1', port: 1884 }],
    ['mqtts://broker', { protocol: 'mqtts', host: 'broker', port: 8883 }],
    ['ssl://broker', { protocol: 'mqtts', host: 'broker', port: 8883 }],
    ['tls://broker:443', { protocol: 'mqtts', host: 'broker', port: 443 }],
    ['ws://broker', { protocol: 'ws', host: 'broker', port: 80, path: '/' }],
    ['ws://broker:8083/mqtt', { protocol: 'ws', host: 'broker', port: 8083, path: '/mqtt' }],
    ['wss://broker/a/b?token=c', { protocol: 'wss', host: 'broker', port: 443, path: '/a/b?token=c' }],
    ['ws://broker:80', { protocol: 'ws', host: 'broker', port: 80, path: '/' }],
    ['mqtt://broker/', { protocol: 'mqtt', host: 'broker', port: 1883 }],
    [
      'mqtt://ann:s%2Fecret@broker',
      { protocol: 'mqtt', host: 'broker', port: 1883, username: 'ann', password: 's/ecret' },
    ],
    ['mqtt://ann@broker', { protocol: 'mqtt', host: 'broker', port: 1883, username: 'ann' }],
    [
      'mqtt://ann:a@b@broker:1884',
      { protocol: 'mqtt', host: 'broker', port: 1884, username: 'ann', password: 'a@b' },
    ],
    ['mqtt://broker?clientId=me', { protocol: 'mqtt', host: 'broker', port: 1883, clientId: 'me' }],
    ['unix:///run/mqtt.sock', { protocol: 'mqtt', host: 'localhost', port: 0, socketPath: '/run/mqtt.sock' }],
    [
      'mqtt+unix:///run/m%20q.sock',
      { protocol: 'mqtt', host: 'localhost', port: 0, socketPath: '/run/m q.sock' },
    ],
    [
      'mqtts+unix:///run/m.sock',
      { protocol: 'mqtts', host: 'localhost', port: 0, socketPath: '/run/m.sock' },
    ],
    [
      'ws+unix:///run/w.sock:/mqtt',
      { protocol: 'ws', host: 'localhost', port: 0, socketPath: '/run/w.sock', path: '/mqtt' },
    ],
    [
      'ws+unix:///run/w.sock',
      { protocol: 'ws', host: 'localhost', port: 0, socketPath: '/run/w.sock', path: '/' },
    ],
    [
      'unix://ann:secret@/run/m.sock',
      {
        protocol: 'mqtt',
        host: 'localhost',
        port: 0,
        socketPath: '/run/m.sock',
        username: 'ann',
        password: 'secret',
      },
    ],
  ] as const)('%s', (url, expected) => {
    expect(one(url)).toEqual(expected)
  })

  it.each([
    ['broker', '"broker" has no protocol: write mqtt://broker.'],
    ['broker:1883', '"broker:1883" has no protocol: write mqtt://broker:1883.'],
    ['//broker', '"//broker" has no protocol: write mqtt://broker.'],
    ['mqqt://broker', 'mqqt:// is not a protocol of MQTT: did you mean mqtt://?'],
    ['gopher://broker', /^gopher:\/\/ is not a protocol of MQTT: use one of mqtt, tcp, mqtts/],
    ['http://broker', 'MQTT is not spoken over http://: use ws:// for a WebSocket.'],
    ['https://broker', 'MQTT is not spoken over https://: use wss:// for a WebSocket.'],
    ['wxs://broker', /^wxs:\/\/ is for programs inside an app/],
    ['mqtt://broker:0', 'port must be a whole number from 1 to 65535, not 0.'],
    ['mqtt://broker:65536', 'port must be a whole number from 1 to 65535, not 65536.'],
    ['mqtt://broker:mqtt', 'port must be a whole number from 1 to 65535, not "mqtt".'],
    ['mqtt://', '"mqtt://" has no host: mqtt://localhost is this machine.'],
    ['mqtt://:1883', '"mqtt://:1883" has no host: mqtt://localhost is this machine.'],
    ['mqtt://bro ker', /^"mqtt:\/\/bro ker" is not a URL\. In a user name or password/],
    ['mqtt://ann:100%@broker', /^"mqtt:\/\/broker" has a % that begins no escape/],
    ['unix://run/mqtt.sock', /^unix:\/\/run\/mqtt\.sock has no path: a unix socket has three slashes/],
    ['unix:///', /^The path of the unix socket is missing/],
  ] as const)('%s is a mistake, and the sentence says which', (url, sentence) => {
    if (typeof sentence === 'string') expect(sentenceOf(url)).toBe(sentence)
    else expect(sentenceOf(url)).toMatch(sentence)
  })

  it('is never quoted with its password', () => {
    for (const url of ['mqtt://ann:secret@bro ker', 'ann:secret@broker', 'mqtt://ann:secret%@broker']) {
      expect(sentenceOf(url)).not.toContain('secret')
    }
  })
})

describe('the options that say where a server is', () => {
  it('are localhost when there are none', () => {
    expect(one(undefined)).toEqual({ protocol: 'mqtt', host: 'localhost', port: 1883 })
  })

  it('go before the URL, as in MQTT.js', () => {
    const expected = { protocol: 'ws', host: 'other', port: 8083, path: '/x' }
    expect(one('mqtt://broker:1884', { protocol: 'ws', host: 'other', port: '8083', path: 'x' })).toEqual(
      expected,
    )
  })

  it('that are undefined say nothing', () => {
    const options = { host: undefined, port: undefined, protocol: undefined } as unknown as AddressOptions
    expect(one('mqtts://broker:1', options)).toEqual({ protocol: 'mqtts', host: 'broker', port: 1 })
  })

  it('make a protocol encrypted when there is a certificate and its key', () => {
    expect(one('mqtt://broker', { cert: 'c', key: 'k' })).toMatchObject({ protocol: 'mqtts', port: 8883 })
    expect(one('ws://broker', { cert: 'c', key: 'k' })).toMatchObject({ protocol: 'wss', port: 443 })
    expect(one('mqtt://broker', { cert: 'c' })).toMatchObject({ protocol: 'mqtt' })
  })

  it('name a unix socket by its path', () => {
    const expected = { protocol: 'mqtt', host: 'localhost', port: 0, socketPath: '/run/m.sock' }
    expect(one(undefined, { unixSocket: true, path: '/run/m.sock' })).toEqual(expected)
    expect(one(undefined, { protocol: 'mqtt+unix', path: '/run/m.sock' })).toEqual(expected)
  })

  it('have a log-in in auth; that of the URL goes before it', () => {
    expect(one('mqtt://broker', { auth: 'ann:secret' })).toMatchObject({
      username: 'ann',
      password: 'secret',
    })
    expect(one('mqtt://bob@broker', { auth: 'ann' })).toMatchObject({ username: 'bob' })
  })

  it('have several servers, with the protocol and the log-in of the URL', () => {
    const servers = ['mqtts://one', { host: 'two', port: 1884 }, { host: 'three', protocol: 'ws' }]
    expect(parseAddresses('tcp://ann:secret@ignored', { servers })).toEqual([
      { protocol: 'mqtts', host: 'one', port: 8883, username: 'ann', password: 'secret' },
      { protocol: 'mqtt', host: 'two', port: 1884, username: 'ann', password: 'secret' },
      { protocol: 'ws', host: 'three', port: 80, path: '/', username: 'ann', password: 'secret' },
    ])
  })

  it.each([
    [{ servers: [] }, 'servers has no server in it.'],
    [{ host: '' }, 'The host is missing: mqtt://localhost is this machine.'],
    [{ host: 'mqtt://broker' }, /is not a host: give its name or IP address/],
    [{ port: 1.5 }, 'port must be a whole number from 1 to 65535, not 1.5.'],
    [{ protocol: 'mqts' }, /did you mean mqtts?:\/\/\?$/],
  ] as const)('%o is a mistake', (options, sentence) => {
    if (typeof sentence === 'string') expect(sentenceOf(undefined, options)).toBe(sentence)
    else expect(sentenceOf(undefined, options)).toMatch(sentence)
  })
})

describe('an address as a person would write it', () => {
  it.each([
    ['mqtt://ann:secret@[::1]', 'mqtt://[::1]:1883'],
    ['wss://broker/mqtt?token=secret', 'wss://broker:443/mqtt'],
    ['mqtt+unix:///run/m.sock', 'unix:///run/m.sock'],
    ['ws+unix:///run/m.sock:/mqtt', 'ws+unix:///run/m.sock:/mqtt'],
  ])('%s is %s', (url, text) => {
    for (const address of parseAddresses(url)) expect(formatAddress(address)).toBe(text)
  })
})
