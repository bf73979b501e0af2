/**
 * A bad network, as a proxy: what passes is late by a delay that varies, waits for a line of so many bytes a second, is
 * held up where a segment was lost until TCP has sent it again, and now and then the line is cut. TCP hides loss and
 * keeps the order, so that is all that the two ends can notice of a network, however bad.
 *
 * When a piece is due is worked out by `Line`, which has no clock of its own; the sockets are `BadNetwork`.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { type Random, randomOf } from '../simulate/random.js'

/** How bad. All times are in milliseconds. */
export interface NetworkProfile {
  /** One way. */
  readonly delayMs: number
  /** What it varies by, up and down. */
  readonly jitterMs: number
  /** The share of segments that are lost, 0 to 1. */
  readonly loss: number
  /** How long the stream stands until a lost segment has come again. */
  readonly retransmitMs: number
  /** In each direction; Infinity: as fast as it goes. */
  readonly bytesPerSec: number
  /** The mean time between two cuts; Infinity: none. */
  readonly cutEveryMs: number
  /** How long nobody can connect after a cut. */
  readonly cutForMs: number
}

export const PERFECT: NetworkProfile = {
  delayMs: 0,
  jitterMs: 0,
  loss: 0,
  retransmitMs: 0,
  bytesPerSec: Number.POSITIVE_INFINITY,
  cutEveryMs: Number.POSITIVE_INFINITY,
  cutForMs: 0,
}

/** What TCP puts into one segment. */
export const SEGMENT_BYTES = 1_460

/** One direction of a connection. */
export class Line {
  readonly #profile: NetworkProfile
  readonly #random: Random
  /** Until when the line is busy with what was sent before. */
  #freeMs = 0
  /** When the last piece arrives: nothing overtakes it. */
  #lastMs = 0

  constructor(profile: NetworkProfile, random: Random) {
    this.#profile = profile
    this.#random = random
  }

  /** When a piece arrives that is sent at `nowMs`. */
  arrival(nowMs: number, bytes: number): number {
    const { delayMs, jitterMs, loss, retransmitMs, bytesPerSec } = this.#profile
    this.#freeMs = Math.max(this.#freeMs, nowMs) + (bytes / bytesPerSec) * 1_000
    let lateMs = delayMs + (2 * this.#random() - 1) * jitterMs
    for (let sent = 0; sent < bytes; sent += SEGMENT_BYTES) {
      // Sent again it may be lost again, and TCP waits twice as long each time.
      for (let waitMs = retransmitMs; this.#random() < loss; waitMs *= 2) lateMs += waitMs
    }
    this.#lastMs = Math.max(this.#lastMs, this.#freeMs + Math.max(0, lateMs))
    return this.#lastMs
  }
}

export class BadNetwork {
  readonly #server: Server
  readonly #profile: NetworkProfile
  readonly #random: Random
  readonly #target: { readonly host: string; readonly port: number }
  readonly #sockets = new Set<Socket>()
  #timer: NodeJS.Timeout | undefined
  #isDown = false
  #isClosed = false
  /** So far. */
  cuts = 0

  private constructor(
    target: { readonly host: string; readonly port: number },
    profile: NetworkProfile,
    seed: number,
  ) {
    this.#target = target
    this.#profile = profile
    this.#random = randomOf(seed, 'segments')
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => this.#take(client))
  }

  /** Two with the same seed are cut at the same times. */
  static async listen(
    target: { readonly host: string; readonly port: number },
    profile: NetworkProfile,
    seed: number,
  ): Promise<BadNetwork> {
    const network = new BadNetwork(target, profile, seed)
    network.#server.listen(0, '127.0.0.1')
    await once(network.#server, 'listening')
    network.#schedule(randomOf(seed, 'cuts'))
    return network
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Now, and nobody comes back for `cutForMs`. What was under way is gone. */
  cut(): void {
    this.cuts += 1
    for (const socket of this.#sockets) socket.destroy()
    this.#isDown = true
    setTimeout(() => {
      this.#isDown = false
    }, this.#profile.cutForMs).unref()
  }

  /** No more cuts from now on: what was held up may arrive. */
  calm(): void {
    clearTimeout(this.#timer)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  /** The times of cuts come from a generator of their own: they do not depend on how much is sent. */
  #schedule(random: Random): void {
    const { cutEveryMs } = this.#profile
    if (!Number.isFinite(cutEveryMs)) return
    // From half the mean to one and a half.
    this.#timer = setTimeout(
      () => {
        this.cut()
        this.#schedule(random)
      },
      cutEveryMs * (0.5 + random()),
    )
  }

  #take(client: Socket): void {
    if (this.#isDown) {
      client.destroy()
      return
    }
    const { host, port } = this.#target
    const server = connect({ host, port, noDelay: true, allowHalfOpen: true })
    // A proxy has accepted at once what a far server accepts after a round trip: the first bytes wait for that.
    const openMs = performance.now() + 2 * this.#profile.delayMs
    this.#pass(client, server, openMs)
    this.#pass(server, client, 0)
  }

  #pass(from: Socket, to: Socket, openMs: number): void {
    const line = new Line(this.#profile, this.#random)
    this.#sockets.add(from)
    // Not before what is ahead of it, even where a timer of the same millisecond is early.
    let last = Promise.resolve()
    const inTurn = (bytes: number, work: () => void) => {
      const nowMs = performance.now()
      const waitMs = line.arrival(Math.max(nowMs, openMs), bytes) - nowMs
      const due = waitMs <= 0 ? undefined : pause(waitMs)
      last = last
        .then(() => due)
        .then(() => {
          if (!to.destroyed && !this.#isClosed) work()
        })
    }
    from.on('data', (bytes) => inTurn(bytes.length, () => to.write(bytes)))
    from.on('end', () => inTurn(0, () => to.end()))
    from.on('error', () => to.destroy())
    from.on('close', (isError) => {
      this.#sockets.delete(from)
      // After an end in order, what is under way still arrives, and the other side may still talk.
      if (isError || !from.readableEnded) to.destroy()
    })
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
