import { describe, expect, it } from 'vitest'
import * as ws from 'ws'
import { frameOf, framesOf } from '../../src/transports/frame.js'

// Not in the type declarations.
const { Sender } = ws as unknown as { Sender: { frame(data: Buffer, options: object): Buffer[] } }

/** What `ws` itself writes for a message of a server. */
function frameOfWs(payload: Buffer, isBinary: boolean): Buffer {
  const opcode = isBinary ? 2 : 1
  return Buffer.concat(Sender.frame(payload, { fin: true, rsv1: false, opcode, mask: false, readOnly: true }))
}

describe('the frame of a message', () => {
  it.each([0, 1, 125, 126, 127, 255, 256, 65_535, 65_536, 70_000])('of %i bytes is that of ws', (length) => {
    const payload = Buffer.alloc(length, 'payload')
    for (const isBinary of [true, false]) {
      expect(frameOf(payload, isBinary).equals(frameOfWs(payload, isBinary))).toBe(true)
    }
  })

  it('is a copy', () => {
    const payload = Buffer.from('before')
    const frame = frameOf(payload, true)
    payload.fill(0)
    expect(frame.subarray(2).toString()).toBe('before')
  })

  it('of several is one after the other', () => {
    const payloads = [0, 125, 126, 65_535, 65_536].map((length, index) => ({
      bytes: Buffer.alloc(length, 'payload'),
      isText: index % 2 === 0,
    }))
    const frames = payloads.map(({ bytes, isText }) => frameOfWs(bytes, !isText))
    expect(framesOf(payloads).equals(Buffer.concat(frames))).toBe(true)
    expect(framesOf([])).toHaveLength(0)
  })
})
