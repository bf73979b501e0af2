/**
 * What goes to a peer of `/live`: frames, those of one write of the core's in one piece.
 *
 * Subscribers that are alike are written the same packets, one after another, and what these became in JSON is kept for
 * the next of them: one entry, since the core goes on to the next message when all have this one.
 */
import { frameOf } from '../transports/frame.js'
import type { WebSocketOrigin } from '../transports/websocket.js'
import type { PacketHalf } from './packets.js'

/** What may wait in the socket before the peer is not read any more, in bytes. */
export const BACKLOG_BYTES = 65_536
/** More is not worth a copy, nor what it holds. */
const LARGEST_SHARED_BYTES = 65_536
const EMPTY = Buffer.alloc(0)

/** Messages at QoS 0 and nothing else, as the core wrote them, and their frames. */
let shared: { readonly packets: Buffer; readonly frames: Buffer } | undefined

/** See the head of this file. */
export class Outlet {
  readonly #origin: WebSocketOrigin
  readonly #onBacklog: (isBacklogged: boolean) => void
  #isBacklogged = false
  #isEnded = false
  /** Frames of packets that are just being dealt with. */
  #batch: Buffer[] | undefined
  #isPrivate = false

  /** @param onBacklog told when the peer does not take its answers any more, and when it does again. */
  constructor(origin: WebSocketOrigin, onBacklog: (isBacklogged: boolean) => void) {
    this.#origin = origin
    this.#onBacklog = onBacklog
  }

  /** What was said last is said: nothing is written any more. */
  end(): void {
    this.#isEnded = true
  }

  /** One frame. */
  send(answer: string): void {
    const frame = frameOf(Buffer.from(answer), false)
    if (this.#batch === undefined) this.#write(frame)
    else this.#batch.push(frame)
  }

  /** Lets `half` deal with what the core has written, or does without where it is known what becomes of it. */
  pass(packets: Uint8Array, half: PacketHalf): void {
    const canShare = half.isBetweenPackets
    if (canShare && shared?.packets.length === packets.length && shared.packets.equals(packets)) {
      this.#write(shared.frames)
      return
    }
    const batch: Buffer[] = []
    this.#batch = batch
    this.#isPrivate = false
    let areMessages = false
    try {
      areMessages = half.take(packets)
    } finally {
      this.#batch = undefined
    }
    const [first] = batch
    if (first === undefined) return
    const frames = batch.length === 1 ? first : Buffer.concat(batch)
    this.#write(frames)
    if (canShare && areMessages && !this.#isPrivate && packets.length <= LARGEST_SHARED_BYTES)
      shared = { packets: Buffer.from(packets), frames }
  }

  /** One of the packets means more to this peer than to others. */
  keepPrivate(): void {
    this.#isPrivate = true
  }

  #write(frames: Buffer): void {
    const { socket, webSocket } = this.#origin
    if (this.#isEnded || webSocket.readyState !== webSocket.OPEN) return
    socket.write(frames)
    if (socket.writableLength <= BACKLOG_BYTES || this.#isBacklogged) return
    this.#isBacklogged = true
    socket.write(EMPTY, () => {
      this.#isBacklogged = false
      this.#onBacklog(false)
    })
    this.#onBacklog(true)
  }
}
