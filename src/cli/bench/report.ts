/** What a benchmark shows: a line that is written over on a terminal, lines or JSON in a pipe, and the result. */
import type { Io } from '../lib/io.js'
import { ProgressLine } from '../lib/progress.js'
import { type LatencySummary, latencyText } from './latency.js'

/** How to report. */
export interface ReportOptions {
  readonly isJson: boolean
  /** Between two lines in a pipe. */
  readonly everySecs: number
}

/** A number, a text, or latencies; undefined is left out. */
export type Figures = Readonly<Record<string, number | string | LatencySummary | undefined>>

const REDRAW_MS = 250

export class Report {
  readonly #io: Io
  readonly #options: ReportOptions
  readonly #progress: ProgressLine
  #timer: NodeJS.Timeout | undefined

  constructor(io: Io, options: ReportOptions) {
    this.#io = io
    this.#options = options
    this.#progress = new ProgressLine(io)
  }

  /** Shows from now on what `figures` gives. */
  follow(figures: () => Figures): void {
    this.pause()
    const isLive = this.#progress.isOnTerminal && process.stdout.isTTY === true && !this.#options.isJson
    this.#timer = isLive
      ? setInterval(() => this.#progress.show(lineOf(figures())), REDRAW_MS)
      : setInterval(() => this.#print(false, figures()), Math.max(this.#options.everySecs * 1_000, REDRAW_MS))
  }

  pause(): void {
    clearInterval(this.#timer)
    this.#progress.clear()
  }

  /** The result: `sentences` for people, `figures` for machines. */
  finish(sentences: readonly string[], figures: Figures): void {
    this.pause()
    if (this.#options.isJson) this.#print(true, figures)
    else this.#io.out(sentences.map((sentence) => `${sentence}\n`).join(''))
  }

  #print(isEnd: boolean, figures: Figures): void {
    if (this.#options.isJson) this.#io.out(`${JSON.stringify({ end: isEnd, ...rounded(figures) })}\n`)
    else this.#io.out(`${lineOf(figures)}\n`)
  }
}

/** A rate between two looks at a counter: over the last second or so. */
export class RateMeter {
  #marks: { readonly atMs: number; readonly count: number }[] = []

  /** The rate at this moment, with so many by now. */
  rate(count: number, nowMs = performance.now()): number {
    this.#marks.push({ atMs: nowMs, count })
    while (this.#marks.length > 2 && nowMs - (this.#marks[1]?.atMs ?? nowMs) >= 1_000) this.#marks.shift()
    const [first] = this.#marks
    if (first === undefined || nowMs === first.atMs) return 0
    return ((count - first.count) * 1_000) / (nowMs - first.atMs)
  }
}

function lineOf(figures: Figures): string {
  const parts = Object.entries(rounded(figures)).flatMap(([name, value]) => {
    if (value === undefined) return []
    if (typeof value === 'object') return [`${words(name)}: ${latencyText(value)}`]
    return typeof value === 'number' ? [`${words(name)} ${value}`] : [value]
  })
  return parts.join('  ')
}

/** `ratePerSec` is "rate per sec", for people. */
function words(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}

function rounded(figures: Figures): Figures {
  return Object.fromEntries(
    Object.entries(figures).map(([name, value]) => [
      name,
      typeof value === 'number' ? Math.round(value * 1_000) / 1_000 : value,
    ]),
  )
}
