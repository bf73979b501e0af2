import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { FormatError, NotJson, parseFormat } from '../../src/cli/format/format.js'
import { messageJson } from '../../src/cli/format/json.js'
import type { ReceivedMessage } from '../../src/cli/format/message.js'
import { formatTime, isTimeConversion } from '../../src/cli/format/strftime.js'

const message: ReceivedMessage = {
  topic: 'a/b/c',
  payload: Buffer.from('{"n":\n 12345678901234567890}'),
  qos: 1,
  retain: true,
  packetId: 7,
  properties: {
    contentType: 'text/x',
    correlationData: Buffer.from([0xff, 0]),
    payloadFormatIndicator: true,
    subscriptionIdentifier: [3, 4],
    userProperties: { k: ['v', 'w'], l: 'x' },
  },
  receivedAt: { date: new Date(2026, 0, 2, 3, 4, 5, 678), nanoseconds: 678_901_000 },
}

function write(format: string, changes: Partial<ReceivedMessage> = {}, pretty = false): string {
  return parseFormat(format, pretty)({ ...message, ...changes }).toString('latin1')
}

describe('a format', () => {
  it.each([
    ['%t|%q|%r|%m|%l|%%', 'a/b/c|1|1|7|28|%'],
    ['%10t|%-10t|%.3t|%5.3t|%-5.3t|', '     a/b/c|a/b/c     |a/b|  a/b|a/b  |'],
    ['%5m|%05m|%-5m|%-05m|', '    7|00007|7    |7    |'],
    ['%C|%10C|%010C|%F|%S|%A|%5A|%05E|', 'text/x|    text/x|    text/x|1|3||     |00000|'],
    ['%D', '\xff\0'],
    ['%P', 'k:v k:w l:x'],
    ['%U', `${Math.floor(message.receivedAt.date.getTime() / 1_000)}.678901000`],
    ['%I', `2026-01-02T03:04:05${formatTime('z', message.receivedAt.date)}`],
    ['@Y-@m-@dT@H:@M:@S.@N @@', '2026-01-02T03:04:05.678901000 @'],
    ['\\t\\n\\\\\\e[0m\\0', '\t\n\\\x1b[0m\0'],
  ])('%j', (format, expected) => {
    expect(write(format)).toBe(expected)
  })

  it('payloads are bytes; a width is the least, and nothing is cut without a greatest', () => {
    const payload = Buffer.from([0xff, 0x0a, 0x61])
    expect(write('%p|%5p|%-5p|%05p|%.2p|', { payload })).toBe('\xff\na|  \xff\na|\xff\na  |00\xff\na|\xff\n|')
    expect(write('%x|%X|%3x|%8x|%-8X|%08x|%.2x|', { payload })).toBe(
      'ff0a61|FF0A61|ff0a61|  ff0a61|FF0A61  |00ff0a61|ff|',
    )
  })

  it.each([
    ['%', 'in the middle of %'],
    ['%-05', 'in the middle of %-05'],
    ['x@', 'in the middle of @'],
    ['\\', 'in the middle of \\'],
    ['%z', '%z is not one of'],
    ['\\q', '\\q is not one of'],
    ['@Q', '@Q is not a conversion'],
  ])('%j is refused', (format, expected) => {
    expect(() => parseFormat(format)).toThrow(FormatError)
    expect(() => parseFormat(format)).toThrow(expected)
  })
})

describe('JSON', () => {
  it('%j has the payload as a string, and a time that is ISO 8601', () => {
    const written: unknown = JSON.parse(write('%j'))
    expect(written).toEqual({
      tst: expect.stringMatching(/^2026-01-02T03:04:05\.678901[+-]\d{4}$/),
      topic: 'a/b/c',
      qos: 1,
      retain: 1,
      payloadlen: 28,
      mid: 7,
      properties: expect.objectContaining({
        'content-type': 'text/x',
        'payload-format-indicator': 1,
        'user-properties': { k: ['v', 'w'], l: 'x' },
      }),
      payload: '{"n":\n 12345678901234567890}',
    })
  })

  it('%J has the payload as it is, on one line and with all of its digits', () => {
    expect(write('%J')).toMatch(/,"payload":\{"n": {2}12345678901234567890\}\}$/)
    expect(write('%J', { payload: Buffer.alloc(0) })).toMatch(/,"payload":null\}$/)
    expect(() => write('%J', { payload: Buffer.from('{') })).toThrow(NotJson)
    expect(() => write('%J', { payload: Buffer.from([0x22, 0xff, 0x22]) })).toThrow(NotJson)
  })

  it('--pretty indents', () => {
    expect(write('%j', {}, true)).toContain('{\n\t"tst": "2026')
    expect(write('%J', { payload: Buffer.from('[1]') }, true)).toContain('\n\t"payload": [\n\t\t1\n\t]\n}')
  })

  it('--json is JSON for every payload', () => {
    expect(JSON.parse(messageJson(message, false))).toMatchObject({
      topic: 'a/b/c',
      payload: '{"n":\n 12345678901234567890}',
      qos: 1,
      retain: true,
      packetId: 7,
      properties: { correlationDataBase64: '/wA=', subscriptionIdentifier: [3, 4], contentType: 'text/x' },
    })
    const binary = messageJson({ ...message, payload: Buffer.from([0xff]), qos: 0, properties: {} }, false)
    expect(JSON.parse(binary)).toEqual({
      time: expect.stringMatching(/^2026-01-0\dT\d\d:04:05\.678901Z$/),
      topic: 'a/b/c',
      payloadBase64: '/w==',
      qos: 0,
      retain: true,
    })
  })
})

describe('strftime', () => {
  const letters = [...'aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYz']
  const days = [
    '2026-01-01 00:00:00',
    '2025-12-29 12:34:56',
    '2024-12-31 23:59:59',
    '2027-01-03 09:05:07',
    '2024-02-29 13:00:00',
  ]

  it.skipIf(process.platform === 'win32')('every conversion is what date(1) makes of it', () => {
    for (const day of days) {
      const format = `+${letters.map((letter) => `%${letter}`).join('|')}`
      const expected = execFileSync('date', ['-d', day, format], { env: { ...process.env, LC_ALL: 'C' } })
      const date = new Date(day.replace(' ', 'T'))
      expect(`${letters.map((letter) => formatTime(letter, date)).join('|')}\n`).toBe(expected.toString())
    }
  })

  it('there are no others', () => {
    expect(letters.every(isTimeConversion)).toBe(true)
    expect(['Q', 'T12', '', 'constructor'].some(isTimeConversion)).toBe(false)
  })
})
