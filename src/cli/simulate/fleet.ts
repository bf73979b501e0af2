/** All devices of a scenario: they come one after the other, and go together. */
import type { Exit } from '../lib/exit.js'
import type { Server } from '../lib/server-flags.js'
import { Device } from './device.js'
import type { Scenario } from './scenario.js'

/** What a fleet has done so far. */
export interface FleetCounts {
  readonly devices: number
  /** At this moment. */
  connected: number
  /** Connections that came about. */
  everConnected: number
  /** Connections that broke. */
  lost: number
  sent: number
  received: number
  /** Messages that were due while the device was not connected, or the server did not keep up. */
  missed: number
  /** What the server refused. */
  failed: number
  /** The last thing that went wrong, in a sentence. */
  trouble: string | undefined
  troubleCause: Exit | undefined
}

/** What a fleet is made of. */
export interface FleetOptions {
  readonly scenario: Scenario
  readonly server: Server
  readonly seed: number
}

/** How long devices have to leave in order. */
const FAREWELL_MS = 5_000
/** Without a ramp: a thousand connections a second, which every server takes. */
const DEFAULT_SECS_PER_DEVICE = 0.001

export class Fleet {
  readonly counts: FleetCounts
  readonly #options: FleetOptions
  readonly #devices: Device[] = []
  readonly #timers: NodeJS.Timeout[] = []

  constructor(options: FleetOptions) {
    this.#options = options
    this.counts = {
      devices: options.scenario.devices.reduce((sum, { count }) => sum + count, 0),
      connected: 0,
      everConnected: 0,
      lost: 0,
      sent: 0,
      received: 0,
      missed: 0,
      failed: 0,
      trouble: undefined,
      troubleCause: undefined,
    }
  }

  /** The devices of each group come evenly over its ramp. */
  start(): void {
    const { scenario, server, seed } = this.#options
    const now = () => performance.now()
    const surroundings = { server, seed, counts: this.counts, now, startedMs: now() }
    for (const group of scenario.devices) {
      const rampSecs = group.rampSecs ?? group.count * DEFAULT_SECS_PER_DEVICE
      for (let number = 1; number <= group.count; number++) {
        const device = new Device(group, number, surroundings)
        this.#devices.push(device)
        const delayMs = ((number - 1) / group.count) * rampSecs * 1_000
        this.#timers.push(setTimeout(() => device.start(), delayMs))
      }
    }
  }

  /** Every device says goodbye; those that cannot are cut off after a while. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    let impatience: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      impatience = setTimeout(resolve, FAREWELL_MS)
    })
    const gone = Promise.allSettled(this.#devices.map((device) => device.stop()))
    await Promise.race([gone, late])
    clearTimeout(impatience)
    for (const device of this.#devices) device.abandon()
  }
}
