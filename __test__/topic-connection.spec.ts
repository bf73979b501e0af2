import { describe, expect, it } from 'vitest'
import { TopicConnection } from '../src/connection.js'
import type { Core } from '../src/core.js'
import type { Payload } from '../src/transports/frame.js'
import type { PayloadTransport } from '../src/transports/transport.js'

/** As the core writes it. */
function recordOf({ bytes, isText }: Payload): Buffer {
  const header = Buffer.alloc(5)
  header.writeUInt32LE(bytes.length)
  header[4] = isText ? 1 : 0
  return Buffer.concat([header, bytes])
}

class Kept implements PayloadTransport {
  readonly protocol = 'topic'
  readonly remoteAddress = 'test'
  readonly payloads: Payload[] = []
  writes = 0
  hasRoom = true

  write(payloads: readonly Payload[]): boolean {
    this.writes += 1
    // Their memory is the core's again when this returns.
    for (const { bytes, isText } of payloads) this.payloads.push({ bytes: Buffer.from(bytes), isText })
    return this.hasRoom
  }

  close(): void {}
  destroy(): void {}
  pause(): void {}
  resume(): void {}
}

function connect(): { connection: TopicConnection; transport: Kept } {
  const transport = new Kept()
  const request = { topicFilter: 'a', qos: 0, retained: true } as const
  return { connection: new TopicConnection({} as Core, transport, 1, request), transport }
}

/** As slices of one arena, which the next piece is written over. */
function write(connection: TopicConnection, pieces: Buffer[]): void {
  const arena = Buffer.alloc(Math.max(...pieces.map(({ length }) => length)))
  for (const piece of pieces) {
    arena.set(piece)
    connection.write(arena.subarray(0, piece.length))
    arena.fill(0xee)
  }
}

const payloads: Payload[] = ['', 'x', 'grüß dich', 'y'.repeat(300), ''].map((text, index) => ({
  bytes: Buffer.from(text),
  isText: index % 2 === 0,
}))
const records = Buffer.concat(payloads.map(recordOf))

describe('what the core writes to a topic URL', () => {
  it('goes on as payloads, those of one piece together', () => {
    const { connection, transport } = connect()
    write(connection, [records])
    expect(transport.payloads).toEqual(payloads)
    expect(transport.writes).toBe(1)
  })

  it('may be cut in two anywhere', () => {
    for (let at = 1; at < records.length; at += 1) {
      const { connection, transport } = connect()
      write(connection, [records.subarray(0, at), records.subarray(at)])
      expect(transport.payloads, `cut at ${at}`).toEqual(payloads)
    }
  })

  it.each([1, 2, 3, 7, 64])('may come in pieces of %i bytes', (size) => {
    const { connection, transport } = connect()
    const count = Math.ceil(records.length / size)
    const pieces = Array.from({ length: count }, (_, index) =>
      records.subarray(index * size, (index + 1) * size),
    )
    write(connection, pieces)
    expect(transport.payloads).toEqual(payloads)
  })

  it('is told when the transport has no room', () => {
    const { connection, transport } = connect()
    transport.hasRoom = false
    expect(connection.write(records.subarray(0, 9))).toBe(false)
    transport.hasRoom = true
    // Of what is not whole nothing is written.
    expect(connection.write(records.subarray(9, 15))).toBe(true)
    expect(connection.write(records.subarray(15))).toBe(true)
    expect(transport.payloads).toEqual(payloads)
  })
})
