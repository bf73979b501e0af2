/**
 * How long to wait before the next attempt to connect. Full jitter: any time up to a ceiling that doubles with each
 * attempt, so that the clients of a server that comes back do not come all at once. No clock and no timer here.
 */
import { MqttError } from '../errors.js'
import { show } from '../validate.js'

const DEFAULT_PERIOD_MS = 1_000
const DEFAULT_PERIOD_MAX_MS = 30_000
/** What a timer of Node can wait. */
const LONGEST_TIMER_MS = 2_147_483_647

/** The options that matter for it. */
export interface BackoffOptions {
  /** The ceiling of the first wait, in milliseconds. 0: never reconnect. Default 1000. */
  readonly reconnectPeriod?: number
  /** The highest ceiling, in milliseconds; never lower than `reconnectPeriod`. Default 30000. */
  readonly reconnectPeriodMax?: number
}

/** See the head of this file. */
export class Backoff {
  readonly #periodMs: number
  readonly #maximumMs: number
  readonly #random: () => number
  #attempts = 0
  #openedAt: number | undefined

  /**
   * `random` gives numbers from 0 to below 1.
   *
   * @throws MqttError ERR_MQTT_INVALID_OPTION.
   */
  constructor(options: BackoffOptions = {}, random: () => number = Math.random) {
    this.#periodMs = milliseconds('reconnectPeriod', options.reconnectPeriod ?? DEFAULT_PERIOD_MS)
    const maximumMs = milliseconds('reconnectPeriodMax', options.reconnectPeriodMax ?? DEFAULT_PERIOD_MAX_MS)
    this.#maximumMs = Math.max(this.#periodMs, maximumMs)
    this.#random = random
  }

  /** How long to wait now, in milliseconds; undefined: do not reconnect. Each call is one attempt. */
  nextDelay(): number | undefined {
    if (this.#periodMs === 0) return undefined
    const ceiling = this.#ceiling()
    this.#attempts += 1
    return Math.round(this.#random() * ceiling)
  }

  /** The server has accepted the connection. */
  opened(nowMs: number): void {
    this.#openedAt = nowMs
  }

  /**
   * The connection has ended. It was a good one, after which the waits are short again, when it lasted longer than the
   * longest that the next wait could be: a server that takes connections and drops them does not count.
   */
  closed(nowMs: number): void {
    if (this.#openedAt !== undefined && nowMs - this.#openedAt > this.#ceiling()) this.reset()
    this.#openedAt = undefined
  }

  /** The next wait is a first one. */
  reset(): void {
    this.#attempts = 0
  }

  #ceiling(): number {
    return Math.min(this.#maximumMs, this.#periodMs * 2 ** this.#attempts)
  }
}

function milliseconds(name: string, value: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= LONGEST_TIMER_MS) return value
  const sentence = `${name} must be a whole number of milliseconds from 0 to ${LONGEST_TIMER_MS}, not ${show(value)}.`
  throw new MqttError('ERR_MQTT_INVALID_OPTION', sentence)
}
