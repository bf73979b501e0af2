/** The events of a turn, taken from the core in one call. */
import type { NativeBroker } from './native.js'

/** What events may take and still be copied. */
const ROOM_BYTES = 4_000

/** See the head of this file. */
export class CoreEvents {
  readonly #native: NativeBroker
  readonly #room = Buffer.allocUnsafeSlow(ROOM_BYTES)

  constructor(native: NativeBroker) {
    this.#native = native
  }

  /** All so far; undefined where there are none. Few bytes, as of a question, come by way of the room, and from a pool. */
  take(): Buffer | undefined {
    const length = this.#native.takeEvents(this.#room)
    if (length === 0) return undefined
    if (length > 0) return Buffer.from(this.#room.subarray(0, length))
    const bytes = Buffer.allocUnsafeSlow(-length)
    this.#native.takeEvents(bytes)
    return bytes
  }
}
