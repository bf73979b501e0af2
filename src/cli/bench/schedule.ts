/**
 * An open loop: work is due by the clock, whether or not what was due before is done. What is late stays due, and is
 * measured from when it was due: a server that stalls for a second delays all of that second's messages, and each of
 * them counts. (Whoever waits for an answer first measures one slow message and omits the others.)
 */

/** What is to be done, and when. */
export interface Schedule {
  readonly intervalMs: number
  /** How many there are; Infinity where only time or the user ends it. */
  readonly limit: number
  /** Does number `index`, which was due at `dueMs`. */
  run(index: number, dueMs: number): void
  /** Whether no more can be begun for now. What is due waits, and is measured from when it was due all the same. */
  isFull(): boolean
}

/** A clock that never goes back, in milliseconds; and timers. A test has its own. */
export interface Time {
  now(): number
  after(ms: number, action: () => void): () => void
}

export const realTime: Time = {
  now: () => performance.now(),
  after: (ms, action) => {
    // A timer may be a millisecond late, and its lateness would be measured as the server's.
    if (ms < 1) {
      const turn = setImmediate(action)
      return () => clearImmediate(turn)
    }
    const timer = setTimeout(action, Math.floor(ms))
    return () => clearTimeout(timer)
  },
}

/** Others get a turn after so many. */
const BATCH = 256

export class Pump {
  readonly #schedule: Schedule
  readonly #time: Time
  #startedMs = 0
  #next = 0
  #cancel: () => void = () => undefined
  #isStopped = false
  #finish: () => void = () => undefined
  /** Resolves when the last one has been run, or after `stop`. */
  readonly finished: Promise<void>

  constructor(schedule: Schedule, time: Time = realTime) {
    this.#schedule = schedule
    this.#time = time
    this.finished = new Promise((resolve) => {
      this.#finish = resolve
    })
  }

  /** How many have been run. */
  get begun(): number {
    return this.#next
  }

  /** How many are due and have not been run. */
  get behind(): number {
    const { intervalMs, limit } = this.#schedule
    const due = Math.floor((this.#time.now() - this.#startedMs) / intervalMs) + 1
    return this.#isStopped ? 0 : Math.max(0, Math.min(due, limit) - this.#next)
  }

  /** The first one is due now. */
  start(): void {
    this.#startedMs = this.#time.now()
    this.#turn()
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel()
    this.#finish()
  }

  #turn(): void {
    const { intervalMs, limit } = this.#schedule
    for (let count = 0; count < BATCH; count++) {
      if (this.#next >= limit) {
        this.#finish()
        return
      }
      const dueMs = this.#startedMs + this.#next * intervalMs
      if (dueMs > this.#time.now() || this.#schedule.isFull()) break
      this.#schedule.run(this.#next, dueMs)
      this.#next += 1
    }
    if (this.#isStopped) return
    const waitMs = this.#startedMs + this.#next * intervalMs - this.#time.now()
    this.#cancel = this.#time.after(Math.max(waitMs, this.#schedule.isFull() ? 1 : 0), () => this.#turn())
  }
}
