import { describe, expect, it } from 'vitest'
import { cutToBytes, webSocketClose } from '../../src/transports/close-code.js'

describe('webSocketClose', () => {
  it.each([
    ['nothing', undefined, 1000],
    ['Normal disconnection', 0x00, 1000],
    ['Server shutting down', 0x8b, 1001],
    ['Packet too large', 0x95, 1009],
    ['Not authorized', 0x87, 4135],
    ['Topic Name invalid', 0x90, 4144],
    ['Malformed Packet', 0x81, 4129],
    ['the largest Reason Code', 0xff, 4255],
  ])('%s', (text, reasonCode, code) => {
    const reason = reasonCode === undefined ? undefined : { reasonCode, text }
    expect(webSocketClose(reason)).toEqual({ code, reason: reason === undefined ? '' : text })
  })
})

describe('cutToBytes', () => {
  it('leaves what fits', () => {
    expect(cutToBytes('a'.repeat(123), 123)).toBe('a'.repeat(123))
  })

  it.each(['a', 'é', '€', '😀'])('ends between two characters of %s', (character) => {
    const size = Buffer.byteLength(character)
    for (let offset = 0; offset < 4; offset += 1) {
      const text = 'x'.repeat(offset) + character.repeat(200)
      const cut = cutToBytes(text, 123)
      expect(text.startsWith(cut)).toBe(true)
      expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(123)
      expect(Buffer.byteLength(cut)).toBeGreaterThan(123 - size)
    }
  })
})
