/**
 * A socket without a network: what a listener gets instead of an accepted one. Bytes arrive when the target says so,
 * what is written is kept, and when both ends have said all the connection is over, as with TCP.
 */
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'

/** Turns of the event loop without news after which nothing more is expected. */
const QUIET_TURNS = 4
/** Something that goes on for longer than this without being fed is a finding. */
const MOST_TURNS = 500

/** The server's end of a connection. */
export class FakeSocket extends Duplex {
  readonly remoteAddress = '127.0.0.1'
  readonly remotePort = 40_000
  readonly remoteFamily = 'IPv4'
  readonly localAddress = '127.0.0.1'
  readonly localPort = 1_883
  readonly #written: Buffer[] = []
  /** Counts whatever happens. */
  news = 0
  /** We have said all that we had to say. */
  isEnded = false
  isClosed = false

  constructor() {
    super({ allowHalfOpen: true })
    this.on('close', () => {
      this.isClosed = true
      this.news += 1
    })
  }

  /** As the listeners know it. */
  get asSocket(): Socket {
    return this as unknown as Socket
  }

  /** All that was written to it. */
  get written(): Buffer {
    return Buffer.concat(this.#written)
  }

  /** Bytes of the peer; none is its end. */
  arrive(bytes: Buffer | null): void {
    this.news += 1
    // A copy: whoever reads may write to it, as the unmasking of WebSocket frames does.
    if (!this.destroyed) this.push(bytes === null ? null : Buffer.from(bytes))
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#written.push(Buffer.from(chunk))
    this.news += 1
    done()
  }

  override _final(done: (error?: Error) => void): void {
    this.isEnded = true
    this.news += 1
    done()
  }

  /** Time does not pass here: what a silent peer is owed, the specs of the listeners show. */
  setTimeout(): this {
    return this
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  /** As `net.Socket` has it: goes when what was written has left. */
  destroySoon(): void {
    this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', () => this.destroy())
  }
}

/** Lets happen what can happen without new input. */
export async function quiet(socket: FakeSocket): Promise<void> {
  let seen = socket.news
  let quietTurns = 0
  for (let turn = 0; turn < MOST_TURNS; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve))
    quietTurns = socket.news === seen ? quietTurns + 1 : 0
    seen = socket.news
    if (quietTurns === QUIET_TURNS) return
  }
  throw new Error(`something goes on for more than ${MOST_TURNS} turns of the event loop`)
}

const unhandled: unknown[] = []
process.on('uncaughtException', (error) => unhandled.push(error))
process.on('unhandledRejection', (error) => unhandled.push(error))

/** Throws what has happened behind everybody's back. */
export function checkUnhandled(): void {
  const first = unhandled.shift()
  unhandled.length = 0
  if (first !== undefined) throw new Error('an exception that nobody handled', { cause: first })
}
