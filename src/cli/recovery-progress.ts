/** How far reading the store has come: a line of its own on a terminal, written over; else a line of the log now and then. */
import type { Logger } from '../logger.js'
import type { StoreProgress } from '../store-options.js'
import type { ProgressLine } from './lib/progress.js'

/** How often the log says so. */
const LOG_EVERY_MS = 5_000

/** See the head of this file. */
export class RecoveryProgress {
  readonly #logger: Logger
  readonly #line: Pick<ProgressLine, 'show' | 'clear' | 'isOnTerminal'>
  #nextMs = 0

  constructor(logger: Logger, line: Pick<ProgressLine, 'show' | 'clear' | 'isOnTerminal'>) {
    this.#logger = logger
    this.#line = line
  }

  readonly show = ({ records, elapsedMs }: StoreProgress): void => {
    const seconds = Math.round(elapsedMs / 1000)
    if (this.#line.isOnTerminal) {
      this.#line.show(`Reading the store: ${records} records in ${seconds} s`)
    } else if (elapsedMs >= this.#nextMs) {
      this.#nextMs = elapsedMs + LOG_EVERY_MS
      this.#logger.info({ records, seconds }, 'Reading the store.')
    }
  }

  /** It has been read, or cannot be. */
  end(): void {
    this.#line.clear()
  }
}
