import { describe, expect, it } from 'vitest'
import { cutTo, escapeLines, escapeText, payloadText, widthOf } from '../../src/cli/lib/plain-text.js'

const ESC = '\x1b'

describe('what strangers send', () => {
  it.each([
    ['a line', 'a\r\nb\tc', 'a\\r\\nb\\tc'],
    ['an escape sequence', `${ESC}[2Jx`, '\\x1b[2Jx'],
    ['the eight-bit form of one', '\u009b2Jx', '\\x9b2Jx'],
    ['a title of the window', `${ESC}]0;x\u0007`, '\\x1b]0;x\\x07'],
    ['a turn of the writing direction', 'a\u202eb', 'a\\u{202e}b'],
    ['an invisible character', 'a\u200bb', 'a\\u{200b}b'],
    ['half a character', 'a\ud800b', 'a\\u{d800}b'],
    ['a line separator', 'a\u2028b', 'a\\u{2028}b'],
    ['letters of any language', 'Grüße 日本 🙂', 'Grüße 日本 🙂'],
  ])('%s cannot command a terminal', (_, text, expected) => {
    expect(escapeText(text)).toBe(expected)
  })

  it('never leaves a control character in a payload, whatever its bytes', () => {
    for (let first = 0; first < 256; first++) {
      for (const second of [0x00, 0x1b, 0x5b, 0x85, 0x9b, 0xc2, 0xff]) {
        const text = payloadText(Uint8Array.of(first, second, 0x9b))
        expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/)
      }
    }
  })

  it('keeps the lines of a text, and bytes that have nothing to escape', () => {
    expect(escapeLines(Buffer.from(`one\n\ttwo ${ESC}[2J\r\u009b\u007f Grüße°\n`))).toBe(
      'one\n\ttwo \\x1b[2J\\r\\x9b\\x7f Grüße°\n',
    )
    for (const bytes of [Buffer.from('a\n\tb Grüße° 日本'), Buffer.from([0xff, 0xfe, 0x9b])]) {
      expect(escapeLines(bytes).toString()).toBe(bytes.toString())
    }
  })

  it('shows bytes that are no text as hexadecimal digits', () => {
    expect(payloadText(Uint8Array.of(0xff, 0, 0x10))).toBe('0xff0010')
    expect(payloadText(Uint8Array.of(0xff, 0, 0x10), 2)).toBe('0xff00…')
  })

  it('leaves out the character that a limit cuts through', () => {
    expect(payloadText(Buffer.from('aé'), 2)).toBe('a…')
    expect(payloadText(Buffer.from('a日'), 3)).toBe('a…')
    expect(payloadText(Buffer.from('a日'), 4)).toBe('a日')
  })
})

describe('cutTo', () => {
  it.each([
    ['fits', 'abc', 3, 'abc'],
    ['is cut', 'abcd', 3, 'ab…'],
    ['wide characters take two columns', '日本語', 4, '日…'],
    ['and are not cut in half', '日本語', 5, '日本…'],
    ['marks take none', 'e\u0301e\u0301e\u0301', 2, 'e\u0301…'],
    ['a pile of marks is one unknown character', `a${'\u0301'.repeat(100)}b`, 5, '\ufffdb'],
    ['no room at all', 'abc', 0, ''],
  ])('%s', (_, text, columns, expected) => {
    expect(cutTo(text, columns)).toBe(expected)
  })

  it('fills with spaces to the column', () => {
    for (const text of ['', 'a', '日本語日本語', 'e\u0301']) expect(widthOf(cutTo(text, 7, true))).toBe(7)
  })
})
