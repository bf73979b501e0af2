/**
 * The whole terminal for a while: the alternate screen, keys one by one, redrawn in place. Whatever ends the process,
 * short of SIGKILL, the terminal is put back as it was: main screen, cursor, line wrap, echo.
 */
import { writeSync } from 'node:fs'
import { emitKeypressEvents, type Key } from 'node:readline'
import type { ReadStream, WriteStream } from 'node:tty'

/** Alternate screen; no cursor; long lines are cut, not wrapped. */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l'
/** Emptied before it is left: tmux moves what stands there to the main screen when the window has changed meanwhile. */
const LEAVE = '\x1b[H\x1b[J\x1b[?7h\x1b[?25h\x1b[?1049l'
/** A terminal that knows these shows the frame as a whole; others ignore them. */
const BEGIN_FRAME = '\x1b[?2026h\x1b[H'
const END_FRAME = '\x1b[J\x1b[?2026l'

/** Standard output, where it is a terminal. */
export type Terminal = WriteStream & { readonly fd: number }

/** What happens on a screen. */
export interface ScreenEvents {
  /** A key by name (`up`, `pagedown`, `q`). */
  onKey(name: string): void
  onResize(): void
  /** Ctrl+C, or a signal that asks the process to end. */
  onInterrupt(): void
}

export class Screen {
  readonly #input: ReadStream
  readonly #output: Terminal
  readonly #events: ScreenEvents
  #isOpen = false
  readonly #restore = () => this.#leave()
  readonly #onKeypress = (text: string | undefined, key: Key) => this.#pressed(text, key)
  readonly #onResize = () => this.#events.onResize()
  readonly #onSignal = () => this.#events.onInterrupt()
  readonly #onContinue = () => {
    this.#enter()
    this.#events.onResize()
  }

  constructor(input: ReadStream, output: Terminal, events: ScreenEvents) {
    this.#input = input
    this.#output = output
    this.#events = events
  }

  /** One less than there are: erasing the rest of a line behind its last column would take that column with it. */
  get columns(): number {
    return (this.#output.columns || 80) - 1
  }

  get rows(): number {
    return this.#output.rows || 24
  }

  /** Whether what was drawn last is still on its way; drawing more would only make a slow terminal slower. */
  get isBusy(): boolean {
    return this.#output.writableNeedDrain
  }

  open(): void {
    emitKeypressEvents(this.#input)
    this.#input.on('keypress', this.#onKeypress)
    this.#output.on('resize', this.#onResize)
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, this.#onSignal)
    process.on('SIGCONT', this.#onContinue)
    process.on('exit', this.#restore)
    // Before Node prints what was thrown, so that it can be read.
    process.on('uncaughtExceptionMonitor', this.#restore)
    this.#enter()
    this.#input.resume()
  }

  close(): void {
    this.#leave()
    this.#input.pause()
    this.#input.off('keypress', this.#onKeypress)
    this.#output.off('resize', this.#onResize)
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, this.#onSignal)
    process.off('SIGCONT', this.#onContinue)
    process.off('exit', this.#restore)
    process.off('uncaughtExceptionMonitor', this.#restore)
  }

  /** Shows these lines, from the top; the rest of the screen is emptied. */
  draw(lines: readonly string[]): void {
    if (!this.#isOpen) return
    const rows = lines.slice(0, this.rows).map((line) => `${line}\x1b[K`)
    this.#output.write(`${BEGIN_FRAME}${rows.join('\r\n')}${END_FRAME}`)
  }

  #enter(): void {
    if (this.#isOpen) return
    this.#isOpen = true
    setRawMode(this.#input, true)
    this.#output.write(ENTER)
  }

  /** Written at once, past the stream: the process may end behind this. */
  #leave(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    setRawMode(this.#input, false)
    try {
      writeSync(this.#output.fd, LEAVE)
    } catch {
      // the terminal is gone
    }
  }

  #pressed(text: string | undefined, key: Key): void {
    if (key.ctrl === true && key.name === 'c') this.#events.onInterrupt()
    else if (key.ctrl === true && key.name === 'z') this.#suspend()
    else if (key.ctrl !== true && key.meta !== true) this.#events.onKey(nameOf(text, key))
  }

  /** Ctrl+Z, which raw mode hands to us: as the shell has it. */
  #suspend(): void {
    this.#leave()
    process.kill(process.pid, 'SIGSTOP')
  }
}

function nameOf(text: string | undefined, { name, shift }: Key): string {
  if (name === undefined) return text ?? ''
  return shift === true && name.length === 1 ? name.toUpperCase() : name
}

function setRawMode(input: ReadStream, isRaw: boolean): void {
  try {
    input.setRawMode(isRaw)
  } catch {
    // the terminal is gone
  }
}
