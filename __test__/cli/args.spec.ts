import { describe, expect, it } from 'vitest'
import { type Arguments, parseArguments } from '../../src/cli/args.js'

function parse(...args: string[]): { parsed: Arguments; out: string; error: string } {
  let out = ''
  let error = ''
  const parsed = parseArguments(args, '1.2.3', {
    out: (text) => {
      out += text
    },
    error: (text) => {
      error += text
    },
  })
  return { parsed, out, error }
}

describe('flags', () => {
  it('say nothing when there are none', () => {
    const { parsed } = parse()
    expect(parsed).toMatchObject({
      done: false,
      configPath: undefined,
      testConfig: false,
      verbosity: 'normal',
    })
  })

  it('become options under the options’ names', () => {
    const { parsed } = parse(
      ...['-p', '1999', '--host', '0.0.0.0', '-c', 'a.yaml', '--tls-cert', 'c.pem', '--tls-key', 'k.pem'],
      ...[
        '--ws-port=8083',
        '--tls-port=8883',
        '--allow-anonymous',
        '--log-format',
        'json',
        '-v',
        '--test-config',
      ],
    )
    expect(parsed).toEqual({
      done: false,
      configPath: 'a.yaml',
      testConfig: true,
      verbosity: 'verbose',
      configuration: {
        port: 1999,
        host: '0.0.0.0',
        tls: { certFile: 'c.pem', keyFile: 'k.pem' },
        wsPort: 8083,
        tlsPort: 8883,
        allowAnonymous: true,
        log: { format: 'json' },
      },
    })
  })

  it.each([
    [['--data', 'd'], { path: 'd' }],
    [['--data', 'd', '--durability', 'power'], { path: 'd', durability: 'power' }],
    [['--durability', 'memory'], { durability: 'memory' }],
    [['--memory'], { durability: 'memory' }],
    [[], undefined],
  ])('%j says where what is promised is kept', (args, store) => {
    expect(parse(...args).parsed).toMatchObject({ configuration: { store } })
  })

  it('--help shows every flag and examples on standard output, and succeeds', () => {
    const { parsed, out, error } = parse('--help')
    expect(parsed).toEqual({ done: true, exitCode: 0 })
    for (const flag of [
      '--port',
      '--config',
      '--tls-cert',
      '--allow-anonymous',
      '--data',
      '--durability',
      '--memory',
      '--test-config',
      'Examples:',
    ]) {
      expect(out).toContain(flag)
    }
    expect(error).toBe('')
  })

  it('--version prints the version alone', () => {
    expect(parse('--version')).toEqual({ parsed: { done: true, exitCode: 0 }, out: '1.2.3\n', error: '' })
  })
})

describe('a mistake ends with 2 and a sentence on standard error', () => {
  const cases: [string[], string][] = [
    [['--prot', '1'], 'Did you mean --port?'],
    [['-p', '70000'], 'A port is a whole number from 0 to 65535.'],
    [['-p', '12x'], 'A port is a whole number from 0 to 65535.'],
    [['-p'], 'argument missing'],
    [['-q', '-v'], 'cannot be used with'],
    [['--memory', '--data', 'd'], 'cannot be used with'],
    [['--memory', '--durability', 'power'], 'cannot be used with'],
    [['--durability', 'disk'], 'Allowed choices are process, power, memory.'],
    [['--log-format', 'xml'], 'Allowed choices are pretty, json.'],
    [['start'], 'too many arguments'],
  ]
  it.each(cases)('%j', (args, expected) => {
    const { parsed, out, error } = parse(...args)
    expect(parsed).toEqual({ done: true, exitCode: 2 })
    expect(error).toContain(expected)
    expect(out).toBe('')
  })
})
