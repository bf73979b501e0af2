/** One line on a terminal that is written over and over, on standard error; nothing in a pipe. */
import type { Io } from './io.js'
import { cutTo } from './plain-text.js'

/** Where the line goes: `process.stderr`, or a stand-in. */
export interface ProgressTerminal {
  readonly isTTY?: boolean
  readonly columns?: number
}

export class ProgressLine {
  readonly #io: Io
  readonly #terminal: ProgressTerminal
  #isShown = false

  constructor(io: Io, terminal: ProgressTerminal = process.stderr) {
    this.#io = io
    this.#terminal = terminal
  }

  get isOnTerminal(): boolean {
    return this.#terminal.isTTY === true
  }

  /** Writes over what stands there. */
  show(text: string): void {
    if (!this.isOnTerminal) return
    this.#isShown = true
    this.#io.error(`\r${cutTo(text, (this.#terminal.columns ?? 80) - 1)}\x1b[K`)
  }

  /** Wipes the line, for what is written next. */
  clear(): void {
    if (this.#isShown) this.#io.error('\r\x1b[K')
    this.#isShown = false
  }
}
