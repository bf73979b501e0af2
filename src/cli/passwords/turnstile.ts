/**
 * Lets few in at a time and bounds the queue. Each hash takes a thread of Node's pool of four, which files and names of
 * hosts need as well, and tens of mebibytes: log-ins that come in a flood wait here, where they cost next to nothing,
 * and beyond `maximumWaiting` they are turned away.
 */
export class Turnstile {
  readonly #atATime: number
  readonly #maximumWaiting: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(atATime: number, maximumWaiting: number) {
    this.#atATime = atATime
    this.#maximumWaiting = maximumWaiting
  }

  /** Runs `work` when it is its turn; undefined when too many wait already. */
  async pass<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (this.#running < this.#atATime) this.#running += 1
    else if (this.#waiting.length < this.#maximumWaiting)
      // Whoever leaves hands on its place, so that nobody who comes later can slip in between.
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else return undefined
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running -= 1
      else next()
    }
  }
}
