import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readConfigurationFile } from '../../src/cli/config-file.js'
import type { MqttError } from '../../src/errors.js'
import { temporaryDirectory, temporaryFile } from '../support/temporary.js'

/** The complaint about a file, its directory left out. */
function complaintAbout(contents: string, name = 'topicwire.yaml'): string {
  const path = temporaryFile(name, contents)
  try {
    readConfigurationFile(path)
  } catch (error) {
    expect((error as MqttError).code).toBe('ERR_MQTT_INVALID_CONFIG')
    return (error as MqttError).message.replaceAll(`${dirname(path)}/`, '')
  }
  throw new Error('the file was accepted')
}

describe('a configuration file', () => {
  it('may be YAML', () => {
    const path = temporaryFile(
      'a.yaml',
      'port: 1999\nlimits:\n  receiveMaximum: 5\nallowedOrigins: ["https://a.example"]\n',
    )
    expect(readConfigurationFile(path)).toMatchObject({
      port: 1999,
      limits: { receiveMaximum: 5 },
      allowedOrigins: ['https://a.example'],
    })
  })

  it('may be JSON, with a $schema for editors', () => {
    const path = temporaryFile('a.json', '{ "$schema": "x", "port": 0, "log": { "level": "warn" } }')
    expect(readConfigurationFile(path)).toMatchObject({ port: 0, log: { level: 'warn' } })
  })

  it('may be empty, or hold nothing but comments', () => {
    expect(readConfigurationFile(temporaryFile('a.yaml', '# later\n')).port).toBeUndefined()
  })

  it('names other files relative to itself', () => {
    const path = temporaryFile(
      'a.yaml',
      'usersFile: users\ntls: { certFile: /abs/cert.pem, keyFile: key.pem }\n',
    )
    expect(readConfigurationFile(path)).toMatchObject({
      usersFile: join(dirname(path), 'users'),
      tls: { certFile: '/abs/cert.pem', keyFile: join(dirname(path), 'key.pem') },
    })
  })
})

describe('a mistake in a configuration file is answered with its line', () => {
  const cases: [string, string, string][] = [
    [
      'an unknown key',
      'port: 1\nprot: 2\n',
      'topicwire.yaml:2:1: prot is not a known option. Did you mean port?',
    ],
    [
      'an unknown limit',
      'limits:\n  receiveMaximum: 1\n  maximumPacketSize: 10\n',
      'topicwire.yaml:3:3: limits.maximumPacketSize is not a known option. Did you mean limits.maximumPacketSizeBytes?',
    ],
    [
      'a limit outside limits',
      'receiveMaximum: 1',
      'topicwire.yaml:1:1: receiveMaximum is not a known option. Did you mean limits.receiveMaximum?',
    ],
    ['a wrong value', 'host: localhost\nport: "1883"\n', 'topicwire.yaml:2:1: port must be a whole number'],
    [
      'a missing value in a list',
      'listeners:\n  - protocol: ws\n',
      'topicwire.yaml:2:5: listeners[0].port must be a whole number from 0 to 65535 and is missing.',
    ],
    ['the same key twice', 'port: 1\nport: 2\n', 'topicwire.yaml:2:1: Map keys must be unique'],
    ['broken YAML', 'port: [1\n', 'topicwire.yaml:2:1: '],
    ['a list at the top', '- port\n', 'topicwire.yaml:1:1: options must be a mapping of options.'],
    ['an alias bomb', bomb(), 'topicwire.yaml: Excessive alias count'],
  ]
  it.each(cases)('%s', (_, contents, expected) => {
    expect(complaintAbout(contents)).toContain(expected)
  })

  it('and JSON has lines too', () => {
    expect(complaintAbout('{\n  "port": true\n}', 'a.json')).toContain('a.json:2:3: port must be')
  })

  it('each mistake has a line of its own', () => {
    expect(complaintAbout('port: -1\nhots: x\n').split('\n')).toHaveLength(2)
  })
})

describe('a file that cannot be read', () => {
  it('is one sentence', () => {
    expect(() => readConfigurationFile('/nowhere/a.yaml')).toThrow(
      'The configuration file /nowhere/a.yaml cannot be read: there is no such file.',
    )
    expect(() => readConfigurationFile(temporaryDirectory())).toThrow('it is a directory')
  })
})

function bomb(): string {
  const rows = ['a: &a [x, x, x, x, x, x, x, x, x]']
  for (const [name, previous] of ['ba', 'cb', 'dc', 'ed']) {
    rows.push(`${name}: &${name} [${Array(9).fill(`*${previous}`).join(', ')}]`)
  }
  return rows.join('\n')
}
