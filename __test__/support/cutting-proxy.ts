/**
 * A TCP proxy that cuts: each connection lives for a random number of bytes in one direction, or for a random time, and
 * then both of its sides are gone, mid-packet more often than not. What was read up to then has been passed on and
 * nothing after it, as when a cable is pulled. Where it is told to, it also passes bytes on late and in pieces.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export interface CutOptions {
  /** After so many cuts connections live. */
  readonly cuts: number
  /** Most bytes that pass in the direction that is counted. Small numbers are likelier: half are below the root. */
  readonly mostBytes?: number
  /** Most milliseconds that a connection lives which is cut by time. */
  readonly mostMs?: number
  /** Most milliseconds that a piece waits before it is passed on, behind those before it. Default 0: nothing is split. */
  readonly mostDelayMs?: number
  /** Counts nothing before the client has sent something after its CONNACK, and so has got it. Default false. */
  readonly sparesConnack?: boolean
  /** Cuts nothing before `start`. Default false. */
  readonly isPeaceful?: boolean
  /** Called for each connection; what it returns is told what the client sends, whether it is passed on or not. */
  readonly tap?: () => (bytes: Buffer) => void
  /** Makes the choices, though not the timing, repeatable. */
  readonly seed: number
}

type Direction = 'up' | 'down'
type Fate = { readonly by: 'time'; readonly ms: number } | { readonly by: Direction; readonly bytes: number }

export class CuttingProxy {
  readonly #server: Server
  readonly #targetPort: number
  readonly #options: Required<Omit<CutOptions, 'tap'>>
  readonly #tap: CutOptions['tap']
  readonly #random: () => number
  readonly #sockets = new Set<Socket>()
  #cuts = 0
  #isPeaceful: boolean
  #connections = 0

  private constructor(targetPort: number, { tap, ...options }: CutOptions) {
    this.#tap = tap
    this.#targetPort = targetPort
    this.#options = {
      mostBytes: 4_000,
      mostMs: 60,
      mostDelayMs: 0,
      sparesConnack: false,
      isPeaceful: false,
      ...options,
    }
    this.#isPeaceful = this.#options.isPeaceful
    this.#random = randomFrom(options.seed)
    this.#server = createServer({ noDelay: true }, (client) => this.#take(client))
  }

  static async listen(targetPort: number, options: CutOptions): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(targetPort, options)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Connections that were cut. */
  get cuts(): number {
    return this.#cuts
  }

  get connections(): number {
    return this.#connections
  }

  get isDone(): boolean {
    return this.#cuts >= this.#options.cuts
  }

  /** Cuts from now on, what is connected first of all. */
  start(): void {
    this.#isPeaceful = false
    for (const socket of this.#sockets) socket.destroy()
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #take(client: Socket): void {
    this.#connections += 1
    const server = connect({ port: this.#targetPort, host: '127.0.0.1', noDelay: true })
    const cut = () => {
      if (client.destroyed || server.destroyed) return
      this.#cuts += 1
      for (const socket of [client, server]) {
        if (this.#random() < 0.5) socket.resetAndDestroy()
        else socket.destroy()
      }
    }
    const life = new Life(
      this.isDone || this.#isPeaceful ? undefined : this.#fate(),
      this.#options.sparesConnack,
      cut,
    )
    const listen = this.#tap?.()
    if (listen !== undefined) client.on('data', listen)
    this.#pass(client, server, 'up', life)
    this.#pass(server, client, 'down', life)
  }

  #pass(from: Socket, to: Socket, direction: Direction, life: Life): void {
    this.#sockets.add(from)
    const forward = (bytes: Buffer) => {
      if (to.destroyed || life.isOver) return
      const count = life.spend(direction, bytes)
      to.write(bytes.subarray(0, count), () => {
        // The cut follows the bytes: a reset would take back what has not left yet.
        if (life.isOver) setImmediate(life.cut)
      })
      if (life.isOver) from.pause()
    }
    const { mostDelayMs } = this.#options
    let last = Promise.resolve()
    const inTurn = (work: () => void, ms: number) => {
      last = last.then(() => pause(ms)).then(work)
    }
    from.on('data', (bytes) => {
      if (mostDelayMs === 0) return forward(bytes)
      for (const piece of this.#split(bytes)) inTurn(() => forward(piece), this.#random() * mostDelayMs)
    })
    from.on('end', () => {
      if (mostDelayMs === 0) to.end()
      else inTurn(() => to.end(), 0)
    })
    from.on('error', () => {})
    from.on('close', () => {
      this.#sockets.delete(from)
      life.end()
      to.destroy()
    })
  }

  /** One to four pieces. */
  #split(bytes: Buffer): Buffer[] {
    const cuts = Array.from({ length: Math.floor(this.#random() * 4) }, () =>
      Math.floor(this.#random() * bytes.length),
    ).sort((a, b) => a - b)
    return [0, ...cuts]
      .map((from, index) => bytes.subarray(from, cuts[index]))
      .filter(({ length }) => length > 0)
  }

  #fate(): Fate {
    const which = this.#random()
    if (which < 0.2) return { by: 'time', ms: this.#random() * this.#options.mostMs }
    const bytes = Math.ceil(this.#options.mostBytes ** this.#random())
    return { by: which < 0.6 ? 'up' : 'down', bytes }
  }
}

/** What one connection has left. */
class Life {
  readonly cut: () => void
  readonly #fate: Fate | undefined
  /** The server has said something; undefined where nobody asks. */
  #isAnswered: boolean | undefined
  #left = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  constructor(fate: Fate | undefined, sparesConnack: boolean, cut: () => void) {
    this.#fate = fate
    this.cut = cut
    if (sparesConnack) this.#isAnswered = false
    else this.#begin()
  }

  get isOver(): boolean {
    return this.#left <= 0
  }

  /** How many of these bytes pass. */
  spend(direction: Direction, bytes: Buffer): number {
    if (this.#isAnswered !== undefined) this.#spare(direction)
    const counted = this.#fate?.by === direction && this.#isAnswered === undefined ? bytes.length : 0
    const passing = Math.min(counted, this.#left)
    this.#left -= passing
    return bytes.length - counted + passing
  }

  end(): void {
    clearTimeout(this.#timer)
  }

  #spare(direction: Direction): void {
    if (direction === 'down') this.#isAnswered = true
    else if (this.#isAnswered) {
      this.#isAnswered = undefined
      this.#begin()
    }
  }

  #begin(): void {
    if (this.#fate === undefined) return
    if (this.#fate.by === 'time') this.#timer = setTimeout(this.cut, this.#fate.ms)
    else this.#left = this.#fate.bytes
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
