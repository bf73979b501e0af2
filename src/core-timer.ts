/** The one timer that the core's time needs: set for the earliest moment that something is due. */

/** The longest time that Node's timers can wait. */
const LONGEST_TIMER_MS = 2_147_483_647

/** See the head of this file. */
export class CoreTimer {
  readonly #onTime: () => void
  #timer: NodeJS.Timeout | undefined
  #at = Number.POSITIVE_INFINITY

  constructor(onTime: () => void) {
    this.#onTime = onTime
  }

  /** Something is due in `wait` milliseconds; nothing is, where that is below 0. */
  arm(now: number, wait: number): void {
    if (wait < 0 || now + wait >= this.#at) return
    clearTimeout(this.#timer)
    this.#at = now + wait
    // Rounded up: a timer that is early by a fraction would be armed again for nothing.
    this.#timer = setTimeout(this.#fire, Math.min(Math.ceil(wait), LONGEST_TIMER_MS))
    // A broker that listens nowhere does not keep its process alive.
    this.#timer.unref()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  readonly #fire = (): void => {
    this.#at = Number.POSITIVE_INFINITY
    this.#onTime()
  }
}
