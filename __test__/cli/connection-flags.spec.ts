import { describe, expect, it } from 'vitest'
import {
  addConnectionFlags,
  type ConnectionFlags,
  type ConnectionSettings,
  readConnectionFlags,
} from '../../src/cli/lib/connection-flags.js'
import { CommandWithProperties } from '../../src/cli/lib/properties.js'
import { parseServerUrl } from '../../src/cli/lib/server-url.js'
import { temporaryDirectory } from '../support/temporary.js'
import { usage } from './usage.js'

function read(...args: string[]): ConnectionSettings {
  const command = addConnectionFlags(new CommandWithProperties())
  command.parse(args, { from: 'user' })
  return readConnectionFlags(command.opts<ConnectionFlags>())
}

/** How a certificate begins. */
const PEM = '-----BEGIN CERTIFICATE-----'

describe('where the server is', () => {
  it.each<[string[], string]>([
    [[], 'mqtt://localhost:1883'],
    [['-h', 'a.example', '-p', '99'], 'mqtt://a.example:99'],
    [['-h', '::1'], 'mqtt://[::1]:1883'],
    [['-p', '8883'], 'mqtts://localhost:8883'],
    [['--tls-version', 'tlsv1.3'], 'mqtts://localhost:8883'],
    [['--tls-alpn', 'mqtt', '-p', '443'], 'mqtts://localhost:443'],
    [['--ws'], 'ws://localhost:1883/mqtt'],
    [['--ws', '--path', 'other', '-p', '80'], 'ws://localhost:80/other'],
    [['--ws', '--tls-version', 'tlsv1.2', '-p', '443'], 'wss://localhost:443/mqtt'],
    [['--unix', '/tmp/a.sock'], 'mqtt+unix:///tmp/a.sock'],
    [['-L', 'mqtt://h'], 'mqtt://h:1883'],
    [['-L', 'mqtts://h/t'], 'mqtts://h:8883'],
    [['-L', 'ws://h/t'], 'ws://h:80/mqtt'],
    [['-L', 'wss://h:8443/t', '--path', '/'], 'wss://h:8443/'],
  ])('%j is %s', (args, url) => {
    expect(read(...args).url).toBe(url)
  })

  it('a URL has log-in, server and topic; wildcards are no parts of a URL', () => {
    expect(parseServerUrl('mqtts://us%40er:p%3Aa:ss@[::1]:99/a/+/#')).toEqual({
      scheme: 'mqtts',
      username: 'us@er',
      password: 'p:a:ss',
      host: '::1',
      port: 99,
      topic: 'a/+/#',
    })
    expect(read('-L', 'mqtt://u@h/t').options).toMatchObject({ username: 'u' })
    expect(read('-L', 'mqtt://u:p@h/t', '-u', 'other').options).toMatchObject({
      username: 'other',
      password: 'p',
    })
  })
})

describe('who comes, and how', () => {
  it('5.0, a clean session, a random client id and a minute of keep alive unless something else is said', () => {
    expect(read().options).toEqual({
      clean: true,
      keepalive: 60,
      clientId: expect.stringMatching(/^topicwire-[0-9a-f]{12}$/),
      properties: {},
    })
  })

  it.each<[string[], object]>([
    [['-V', '5'], { protocolVersion: 5 }],
    [['-V', 'mqttv311'], { protocolVersion: 4 }],
    [['-V', '3.1.1'], { protocolVersion: 4 }],
    [['-V', '311'], { protocolVersion: 4 }],
    [['-V', '31'], { protocolVersion: 3 }],
    [['-i', 'me'], { clientId: 'me' }],
    [['-i', ''], { clientId: '' }],
    [['-I', 'me-'], { clientId: `me-${process.pid}` }],
    [['-u', 'a', '-P', '-b'], { username: 'a', password: '-b' }],
    [['-k', '5'], { keepalive: 5 }],
    [['-c', '-i', 'me'], { clean: false, properties: { sessionExpiryInterval: 4_294_967_295 } }],
    [['-c', '-i', 'me', '-x', '60'], { clean: false, properties: { sessionExpiryInterval: 60 } }],
    [['-x', '-1'], { properties: { sessionExpiryInterval: 4_294_967_295 } }],
    [['-A', '127.0.0.2'], { localAddress: '127.0.0.2', family: 4 }],
    [
      ['--will-topic', 'w', '--will-payload', 'p', '--will-qos', '2', '--will-retain'],
      { will: { topic: 'w', payload: Buffer.from('p'), qos: 2, retain: true } },
    ],
    [
      ['--will-topic', 'w', '-D', 'WILL', 'will-delay-interval', '5'],
      { will: { topic: 'w', payload: Buffer.alloc(0), properties: { willDelayInterval: 5 } } },
    ],
    [['--insecure'], { rejectUnauthorized: false }],
    [['--tls-version', 'tlsv1.2'], { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }],
    [['--tls-alpn', 'mqtt'], { ALPNProtocols: ['mqtt'] }],
    [['--ciphers', 'HIGH'], { ciphers: 'HIGH' }],
  ])('%j', (args, options) => {
    expect(read(...args).options).toMatchObject(options)
  })

  it('certificates are those of a file, or of every file of a directory', () => {
    const [a, b] = [`${PEM}A`, `${PEM}B`]
    const directory = temporaryDirectory({ 'a.crt': a, 'b.pem': b, README: 'C', key: 'K' })
    expect(read('--capath', directory).options).toMatchObject({ ca: [Buffer.from(a), Buffer.from(b)] })
    const own = read(
      '--cafile',
      `${directory}/a.crt`,
      '--cert',
      `${directory}/b.pem`,
      '--key',
      `${directory}/key`,
    )
    expect(own.options).toMatchObject({
      ca: [Buffer.from(a)],
      cert: Buffer.from(b),
      key: Buffer.from('K'),
    })
  })

  it('--insecure goes on checking the chain where there is a CA', () => {
    const directory = temporaryDirectory({ 'a.crt': PEM })
    const { options } = read('--cafile', `${directory}/a.crt`, '--insecure')
    expect(options).toHaveProperty('checkServerIdentity')
    expect(options.rejectUnauthorized).toBeUndefined()
  })
})

describe('properties', () => {
  it('belong to packets, whatever the case of their names; a name of a user property can come twice', () => {
    const { properties } = read(
      ...['-D', 'PUBLISH', 'content-type', 'text/plain', '-D', 'publish', 'correlation-data', 'abc'],
      ...['-D', 'Publish', 'user-property', 'a', '-1', '-D', 'PUBLISH', 'user-property', 'a', '2'],
      ...[
        '--property',
        'publish',
        'payload-format-indicator',
        '1',
        '-D',
        'publish',
        'message-expiry-interval',
        '3',
      ],
      ...['-D', 'CONNECT', 'receive-maximum', '20', '-D', 'subscribe', 'subscription-identifier', '7'],
    )
    expect(properties.get('publish')).toEqual({
      contentType: 'text/plain',
      correlationData: Buffer.from('abc'),
      userProperties: { a: ['-1', '2'] },
      payloadFormatIndicator: true,
      messageExpiryInterval: 3,
    })
    expect(properties.get('connect')).toEqual({ receiveMaximum: 20 })
    expect(properties.get('subscribe')).toEqual({ subscriptionIdentifier: 7 })
  })

  it('a -D that is the value of another option is one', () => {
    const { options } = read('-u', '-D', '-D', 'connect', 'user-property', '-u', '-D')
    expect(options).toMatchObject({ username: '-D', properties: { userProperties: { '-u': '-D' } } })
  })
})

describe('a mistake ends with 2 and a sentence', () => {
  it.each<[string[], string]>([
    [['--hots', 'x'], 'Did you mean --host?'],
    [['-p', '0'], 'It is a whole number from 1 to 65535.'],
    [['-V', '6'], 'It is 5, 311 or 31.'],
    [['-k', 'x'], 'It is a whole number from 0 to 65535.'],
    [['-x', '-2'], 'It is a whole number from 0 to 4294967295.'],
    [['-L', 'http://h/t'], '-L takes a URL like mqtt://user:password@host:1883/topic'],
    [['-L', 'mqtt://h:0/t'], "a port is a whole number from 1 to 65535, not '0'"],
    [['-L', 'mqtt://%@h/t'], 'is written %25'],
    [['-L', 'mqtt://h/t', '-h', 'h'], 'cannot be used with'],
    [['-i', 'a', '-I', 'b'], 'cannot be used with'],
    [['-c'], '-c needs a client id'],
    [['-P', 'x', '-V', '311'], '-P needs a user name'],
    [['-x', '5', '-V', '311'], 'only MQTT 5.0 has it'],
    [['-D', 'PUBLISH', 'content-type', 'x', '-V', '311'], 'only MQTT 5.0 has properties'],
    [['-D', 'PUBLISH', 'content-type'], '-D needs a packet, a property and its value'],
    [['-D', 'PUBLSIH', 'content-type', 'x'], 'Did you mean PUBLISH?'],
    [['-D', 'PUBLISH', 'contnet-type', 'x'], 'Did you mean content-type?'],
    [['-D', 'PUBLISH', 'receive-maximum', '5'], 'PUBLISH has no receive-maximum'],
    [['-D', 'CONNECT', 'receive-maximum', '65536'], 'receive-maximum is a whole number from 0 to 65535'],
    [['-D', 'PUBLISH', 'payload-format-indicator', '2'], 'payload-format-indicator is 0 or 1'],
    [['-D', 'PUBLISH', 'content-type', '1', '-D', 'PUBLISH', 'content-type', '2'], 'once only'],
    [['--will-payload', 'x'], 'A will needs a topic: --will-topic.'],
    [['--will-qos', '3'], 'QoS is 0, 1 or 2.'],
    [['-A', 'eth0'], "-A takes an IP address of this machine, not 'eth0'."],
    [['--cafile', '/dev/null'], '--cafile: /dev/null has no certificates in it (PEM).'],
    [['-D', 'PUBLISH', 'topic-alias', '1'], '-D: topic-alias cannot be given'],
    [['--cafile', '/nowhere'], '--cafile: /nowhere cannot be read (ENOENT).'],
    [['--capath', '/nowhere'], '--capath: /nowhere cannot be read (ENOENT).'],
    [['--cert', '/nowhere'], '--cert and --key go together'],
    [['--tls-version', 'sslv3'], 'Allowed choices are tlsv1.3, tlsv1.2, tlsv1.1.'],
  ])('%j', async (args, expected) => {
    const { exitCode, out, error } = await usage('pub', ['-t', 'a', '-m', 'x', ...args])
    expect(error).toContain(expected)
    expect({ exitCode, out }).toEqual({ exitCode: 2, out: '' })
  })
})
