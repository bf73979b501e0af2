import { readFileSync } from 'node:fs'
import { parse } from 'smol-toml'
import { describe, expect, it } from 'vitest'
import type { Version } from './notation.js'
import { hex, type Outcome, Pattern, packetLength, type Variables } from './pattern.js'
import { parseSteps } from './steps.js'

interface Examples {
  readonly form: readonly { text: string; version?: Version; bytes: string }[]
  readonly sent: readonly { line: string; version?: Version; bytes: string }[]
  readonly compared: readonly { text: string; bytes: string; outcome: string }[]
  readonly refused: { patterns: readonly string[]; steps: readonly string[] }
}

const examples = parse(readFileSync(new URL('examples.toml', import.meta.url), 'utf8')) as unknown as Examples

describe('the examples that both readers of the notation are held to', () => {
  it.each(examples.form)('$text ($version) is its bytes', ({ text, version, bytes }) => {
    expect(hexOf(new Pattern(text, version ?? '5.0').bytes())).toBe(bytes)
  })

  it.each(examples.sent)('$line sends its bytes', ({ line, version, bytes }) => {
    const [step] = parseSteps(line, version ?? '5.0')
    if (step?.action.does !== 'connects' && step?.action.does !== 'sends') throw new Error('sends nothing')
    const pattern = step.action.does === 'connects' ? step.action.connect : step.action.packets
    expect(hexOf(pattern.bytes())).toBe(bytes)
  })

  it.each(examples.compared)('$text against $bytes: $outcome', ({ text, bytes, outcome }) => {
    expect(said(new Pattern(text, '5.0').compare(bytesOf(bytes), new Map()))).toBe(outcome)
  })

  it.each(examples.refused.patterns)('%s is not in the notation', (text) => {
    expect(() => new Pattern(text, '5.0')).toThrow(SyntaxError)
  })

  it.each(examples.refused.steps)('%s is not a step', (line) => {
    expect(() => parseSteps(line, '5.0')).toThrow(SyntaxError)
  })
})

describe('a pattern', () => {
  it('has a name take two bytes the first time, if all of it matches, and has them from then on', () => {
    const variables: Variables = new Map()
    const publish = new Pattern('32 [ "t" $id {} ]', '5.0')
    const ack = new Pattern('40 [ $id ]', '5.0')
    expect(() => ack.bytes(variables)).toThrow('$id')
    expect(publish.compare(bytesOf('32 06 00 01 74 09 09 01'), variables)).toEqual({ differsAt: 8 })
    expect(publish.compare(bytesOf('32 06 00 01 74 00 07 00'), variables)).toEqual({ matched: 8 })
    expect(hexOf(ack.bytes(variables))).toBe('40 02 00 07')
    expect(publish.compare(bytesOf('32 06 00 01 74 00 08 00'), variables)).toEqual({ differsAt: 6 })
  })

  it('cannot be sent where it is not settled', () => {
    expect(() => new Pattern('[ ~ ]', '5.0').bytes()).toThrow()
    expect(() => new Pattern('?', '5.0').bytes()).toThrow()
  })
})

describe('steps', () => {
  it('are lines, and comments are none', () => {
    const text = `
      # before
      a > c0 00          # a comment
      a <any 30 [ "a;b" ] ; 30 [ ]

      wait 15 ms
      a closed 81
    `
    const actions = parseSteps(text, '5.0').map((step) => step.action)
    expect(actions.map((action) => action.does)).toEqual(['sends', 'getsAny', 'wait', 'closed'])
    expect(actions[1]).toMatchObject({ packets: { length: 2 } })
    expect(actions[2]).toEqual({ does: 'wait', ms: 15 })
  })

  it('tell nobody why before 5.0', () => {
    expect(parseSteps('a closed 81', '3.1.1')[0]?.action).toMatchObject({ disconnect: undefined })
  })

  it('expect a Session Present where there is one', () => {
    const connack = (version: Version) => {
      const action = parseSteps('a connects clean=0 present=1', version)[0]?.action
      return action?.does === 'connects' ? hexOf(action.connack.bytes()) : undefined
    }
    expect(connack('3.1')).toBe('20 02 00 00')
    expect(connack('3.1.1')).toBe('20 02 01 00')
  })
})

it('a packet is as long as it says', () => {
  expect(packetLength(bytesOf('d0 00 d0'))).toBe(2)
  expect(packetLength(bytesOf('30 80 01'))).toBeUndefined()
  expect(packetLength(bytesOf('30'))).toBeUndefined()
  expect(packetLength(Buffer.concat([bytesOf('30 80 01'), Buffer.alloc(128)]))).toBe(131)
})

it('of many bytes the first are shown', () => {
  expect(hex(Buffer.alloc(200))).toMatch(/^00 00.* … \(200 bytes\)$/)
})

function bytesOf(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex')
}

function hexOf(bytes: Buffer): string {
  return bytes.toString('hex').replace(/..(?=.)/g, '$& ')
}

function said(outcome: Outcome): string {
  if (outcome === 'partial') return outcome
  return 'matched' in outcome ? String(outcome.matched) : `differs at ${outcome.differsAt}`
}
