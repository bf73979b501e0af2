/** The clients of a benchmark: they come by schedule, one every so many milliseconds. */
import { connect, type MqttClient } from '../lib/client.js'
import type { ConnectOptions } from '../lib/client-types.js'
import type { Exit } from '../lib/exit.js'
import { connectionExit, connectionFailure } from '../lib/failure.js'
import type { Server } from '../lib/server-flags.js'
import { Latencies } from './latency.js'
import { Pump } from './schedule.js'

/** Who comes, and how fast. */
export interface ClientsOptions {
  readonly server: Server
  readonly count: number
  readonly intervalMs: number
  /** `%i` is the client's number, from 1 on. */
  readonly clientId: string
  /** Told of each client that is there, with its number. */
  readonly onClient?: (client: MqttClient, number: number) => void
}

/** How long clients have to leave in order. */
const FAREWELL_MS = 5_000

export class Clients {
  readonly #options: ClientsOptions
  readonly #clients: MqttClient[] = []
  readonly #pump: Pump
  /** From when a connection was due to CONNACK. */
  readonly latencies = new Latencies()
  /** At this moment. */
  connected = 0
  failed = 0
  lost = 0
  /** The last thing that went wrong, in a sentence. */
  trouble: string | undefined
  #firstFailure: Exit | undefined
  #isEnding = false
  #settled = 0
  #settle: () => void = () => undefined
  /** Resolves when each client has connected or failed. */
  readonly ready: Promise<void>

  constructor(options: ClientsOptions) {
    this.#options = options
    this.ready = new Promise((resolve) => {
      this.#settle = resolve
    })
    this.#pump = new Pump({
      intervalMs: options.intervalMs,
      limit: options.count,
      isFull: () => false,
      run: (index, dueMs) => this.#connect(index + 1, dueMs),
    })
  }

  get all(): readonly MqttClient[] {
    return this.#clients
  }

  start(): void {
    this.#pump.start()
  }

  /** @throws Exit where not a single one could connect. */
  checkAny(): void {
    if (this.latencies.count === 0 && this.#firstFailure !== undefined) throw this.#firstFailure
  }

  async stop(): Promise<void> {
    this.#isEnding = true
    this.#pump.stop()
    let impatience: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      impatience = setTimeout(resolve, FAREWELL_MS)
    })
    const gone = Promise.allSettled(this.#clients.map((client) => client.endAsync(!client.connected)))
    await Promise.race([gone, late])
    clearTimeout(impatience)
    for (const client of this.#clients) client.end(true)
  }

  /** One that fails stays away: who tries again is not measured. */
  #connect(number: number, dueMs: number): void {
    const { server, clientId, onClient } = this.#options
    const client = connect(server.url, {
      ...server.options,
      clientId: clientId.replaceAll('%i', String(number)),
      reconnectPeriod: 0,
      queueQoSZero: false,
    } as ConnectOptions)
    this.#clients.push(client)
    let state: 'connecting' | 'connected' | 'over' = 'connecting'
    const over = (error: unknown = new Error('the server has closed the connection')) => {
      if (state === 'over' || this.#isEnding) return
      if (state === 'connected') {
        this.connected -= 1
        this.lost += 1
        this.trouble = `The connection of client ${number} was lost.`
      } else {
        this.failed += 1
        const exit = connectionExit(server.name, error, client.protocolVersion)
        this.#firstFailure ??= exit
        this.trouble = exit.message
        this.#oneSettled()
      }
      state = 'over'
    }
    client.on('connect', () => {
      state = 'connected'
      this.latencies.record(performance.now() - dueMs)
      this.connected += 1
      onClient?.(client, number)
      this.#oneSettled()
    })
    client.on('error', (error) => {
      if (state === 'connecting') over(error)
      else this.trouble = connectionFailure(server.name, error)
    })
    client.on('close', () => over())
  }

  #oneSettled(): void {
    this.#settled += 1
    if (this.#settled === this.#options.count) this.#settle()
  }
}
