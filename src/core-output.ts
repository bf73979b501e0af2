/**
 * Output of the core for transports in JavaScript: taken an arena at a time, and handed on as slices of it. What the
 * core's own sockets are sent does not come by here.
 */
import type { AnyConnection } from './connection.js'
import { type NativeBroker, reasonCodeName } from './native.js'
import type { CloseReason } from './transports/transport.js'

/** Words of a record of output; `crates/napi/src/broker.rs` has the same. */
const RECORD_WORDS = 4
const RECORD_CLOSES = 0x100
const RECORDS = 1024
/** One arena is written by the core and sent before the next is filled. */
const ARENA_BYTES = 256 * 1024
/** What one turn sends at most before the sockets are read again. */
const ARENAS_A_TURN = 16

/** See the head of this file. */
export class CoreOutput {
  readonly #native: NativeBroker
  readonly #find: (id: number) => AnyConnection | undefined
  readonly #records = new Uint32Array(RECORDS * RECORD_WORDS)
  #arena: Buffer = Buffer.allocUnsafeSlow(ARENA_BYTES)

  constructor(native: NativeBroker, find: (id: number) => AnyConnection | undefined) {
    this.#native = native
    this.#find = find
  }

  /** Sends what there is, as far as one turn goes. */
  drain(now: () => number): void {
    const records = this.#records
    for (let arenas = 0; arenas < ARENAS_A_TURN; arenas += 1) {
      const arena = this.#arena
      const count = this.#native.drain(arena, records, now())
      if (count === 0) return
      let isArenaInUse = false
      for (let at = 0; at < count * RECORD_WORDS; at += RECORD_WORDS) {
        const connection = this.#find(records[at] as number)
        if (connection === undefined) continue
        const offset = records[at + 1] as number
        const length = records[at + 2] as number
        const closing = records[at + 3] as number
        if (length > 0 && !connection.write(arena.subarray(offset, offset + length))) {
          isArenaInUse = true
          this.#native.blocked(connection.id)
        }
        if (closing !== 0) connection.end(closeReason(connection, closing & ~RECORD_CLOSES))
      }
      // A transport that could not take everything still reads from the arena: the next one is another.
      if (isArenaInUse) this.#arena = Buffer.allocUnsafeSlow(ARENA_BYTES)
    }
  }
}

/** Why the core ends a connection, for transports that have words for it. */
export function closeReason(connection: AnyConnection, reasonCode: number): CloseReason {
  const name = reasonCodeName(reasonCode)
  const { detail } = connection
  return { reasonCode, text: detail === undefined ? name : `${name}: ${detail}` }
}
