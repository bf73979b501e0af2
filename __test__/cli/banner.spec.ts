import { describe, expect, it } from 'vitest'
import { type Bound, banner, wantsColor } from '../../src/cli/banner.js'

const piped = { terminal: false, color: false }
const kept = { path: '/var/lib/x', durability: 'process' } as const
const onePort: Bound = { protocol: 'auto', host: '127.0.0.1', port: 1883, tls: false }

/** What a banner says of the data. */
function dataLine(of: Parameters<typeof banner>[2], terminal: boolean): string | undefined {
  const text = banner('1.2.3', [onePort], of, { terminal, color: false })
  return text.split('\n').find((line) => line.includes('data:'))
}

/** The URLs of a banner in a pipe. */
function urls(bound: readonly Bound[], hosts: string[] = []): string[] {
  return banner('1.2.3', bound, undefined, piped, hosts).trimEnd().split('\n').slice(1, -1)
}

describe('the banner in a pipe', () => {
  it('is the version, then one URL a line, then where data is', () => {
    expect(banner('1.2.3', [onePort], kept, piped)).toBe(
      [
        'topicwire 1.2.3',
        'mqtt://127.0.0.1:1883',
        'ws://127.0.0.1:1883/mqtt',
        'ws://127.0.0.1:1883/topics/<topic>',
        'ws://127.0.0.1:1883/echo',
        'data: /var/lib/x, which survives the process being killed',
        '',
      ].join('\n'),
    )
  })

  it('says localhost once although it is two addresses', () => {
    expect(urls([onePort, { ...onePort, host: '::1' }])).toEqual(urls([onePort]))
    expect(urls([{ ...onePort, host: '::1' }])[0]).toBe('mqtt://[::1]:1883')
  })

  it('adds the encrypted URLs under the name that a certificate has', () => {
    expect(urls([{ ...onePort, tls: true }])).toEqual([
      ...urls([onePort]).slice(0, 1),
      'mqtts://localhost:1883',
      ...urls([onePort]).slice(1),
      'wss://localhost:1883/mqtt',
      'wss://localhost:1883/topics/<topic>',
      'wss://localhost:1883/echo',
    ])
  })

  it('names the page where it is served', () => {
    const page = true
    expect(urls([{ ...onePort, page }])).toContain('http://127.0.0.1:1883/')
    expect(urls([{ ...onePort, protocol: 'wss', tls: true, page }])[0]).toBe('https://localhost:1883/')
    expect(urls([{ ...onePort, protocol: 'mqtt', page }])).toEqual(['mqtt://127.0.0.1:1883'])
  })

  it('names the addresses of this machine when every one of them is bound', () => {
    expect(urls([{ ...onePort, host: '0.0.0.0', protocol: 'mqtt' }], ['192.0.2.7'])).toEqual([
      'mqtt://127.0.0.1:1883',
      'mqtt://192.0.2.7:1883',
    ])
  })

  it('lists separate listeners with what each speaks', () => {
    const bound: Bound[] = [
      { protocol: 'mqtt', host: '127.0.0.1', port: 1, tls: false },
      { protocol: 'mqtts', host: '192.0.2.7', port: 2, tls: true },
      { protocol: 'wss', host: '2001:db8::1', port: 3, tls: true },
    ]
    expect(urls(bound)).toEqual([
      'mqtt://127.0.0.1:1',
      'mqtts://192.0.2.7:2',
      'wss://[2001:db8::1]:3/mqtt',
      'wss://[2001:db8::1]:3/topics/<topic>',
      'wss://[2001:db8::1]:3/echo',
    ])
  })
})

describe.each([true, false])('where data is, and what it survives (terminal: %s)', (terminal) => {
  it.each([
    [kept, 'data: /var/lib/x, which survives the process being killed'],
    [{ ...kept, durability: 'power' as const }, 'data: /var/lib/x, which survives power loss'],
    [undefined, 'data: in memory, which ends with the process'],
  ])('%j', (of, expected) => {
    expect(dataLine(of, terminal)?.trim()).toBe(expected)
  })
})

describe('the banner on a terminal', () => {
  it('says what each URL is for, and that only this machine can connect', () => {
    const text = banner('1.2.3', [onePort], kept, { terminal: true, color: false })
    expect(text).toMatch(/mqtt:\/\/127\.0\.0\.1:1883 +devices/)
    expect(text).toContain('Only this machine can connect')
    expect(text).not.toContain('\x1b')
    expect(
      banner('1.2.3', [{ ...onePort, host: '0.0.0.0' }], kept, { terminal: true, color: false }, []),
    ).not.toContain('Only this machine')
  })

  it('keeps its columns when it is coloured', () => {
    const plain = banner('1.2.3', [onePort], kept, { terminal: true, color: false })
    const colored = banner('1.2.3', [onePort], kept, { terminal: true, color: true })
    expect(colored).not.toBe(plain)
    expect(colored.replaceAll(/\x1b\[\d+m/g, '')).toBe(plain)
  })

  it.each([
    ['a terminal', true, {}, true],
    ['NO_COLOR', true, { NO_COLOR: '1' }, false],
    ['an empty NO_COLOR, which means nothing', true, { NO_COLOR: '' }, true],
    ['a dumb terminal', true, { TERM: 'dumb' }, false],
    ['a pipe', false, {}, false],
  ])('%s: colours %s', (_, isTerminal, environment, expected) => {
    expect(wantsColor(isTerminal, environment)).toBe(expected)
  })
})
