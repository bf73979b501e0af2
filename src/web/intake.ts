/**
 * What a peer of `/live` sends, as far as it is dealt with: frames that have to wait, and whether the peer is read at
 * all. It is not while the core says so, while it does not take its answers, and while it has enough under way.
 */

/** One frame of a peer. */
export interface Frame {
  readonly data: Buffer
  readonly isBinary: boolean
}

/** Who deals with the frames. */
export interface IntakeHost {
  /** It has enough under way. */
  isBusy(): boolean
  /** Deals with a frame. What it does may make it busy. */
  take(frame: Frame): void
  /** Reads from the peer, or not any more; what has been read already may still come. */
  setReading(isReading: boolean): void
}

/** See the head of this file. */
export class Intake {
  readonly #host: IntakeHost
  /** Frames that have to wait, no more than had been read before reading stopped. */
  readonly #held: Frame[] = []
  #isPumpDue = false
  #isStopped = false
  #isBacklogged = false
  #isReading = true
  #isOver = false

  constructor(host: IntakeHost) {
    this.#host = host
  }

  /** The peer is not read although it takes its answers: what it says to a ping cannot be heard. */
  get isDeaf(): boolean {
    return !this.#isReading && !this.#isBacklogged
  }

  /** A frame has come. */
  offer(frame: Frame): void {
    if (this.#isHeld() || this.#held.length > 0) this.#held.push(frame)
    else this.#host.take(frame)
  }

  /** A frame that was taken has to wait. */
  putBack(frame: Frame): void {
    this.#held.unshift(frame)
  }

  /** The core wants no more, or wants more again. */
  setStopped(isStopped: boolean): void {
    this.#isStopped = isStopped
    this.update()
  }

  /** The peer does not take its answers, or does again. */
  setBacklogged(isBacklogged: boolean): void {
    this.#isBacklogged = isBacklogged
    this.update()
  }

  /** Stops or goes on, as things are now. */
  update(): void {
    if (this.#isOver) return
    const isHeld = this.#isHeld()
    if (!isHeld && this.#held.length > 0) {
      // Not from within a call of the core's.
      if (!this.#isPumpDue) queueMicrotask(this.#pump)
      this.#isPumpDue = true
      return
    }
    if (isHeld !== this.#isReading) return
    this.#isReading = !isHeld
    this.#host.setReading(!isHeld)
  }

  /** Nothing is taken any more. */
  end(): void {
    this.#isOver = true
    this.#held.length = 0
  }

  #isHeld(): boolean {
    return this.#isStopped || this.#isBacklogged || this.#host.isBusy()
  }

  readonly #pump = (): void => {
    this.#isPumpDue = false
    while (!this.#isOver && !this.#isHeld()) {
      const next = this.#held.shift()
      if (next === undefined) break
      this.#host.take(next)
    }
    this.update()
  }
}
