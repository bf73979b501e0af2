/** Latencies in a histogram of fixed size with three significant figures (HdrHistogram, as Node.js has it). */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'

/** What is reported of latencies, in milliseconds. */
export interface LatencySummary {
  readonly count: number
  readonly min: number
  readonly mean: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

/** An hour. Longer ones count as that. */
const MAXIMUM_MICROSECONDS = 3_600_000_000

export class Latencies {
  readonly #histogram: RecordableHistogram = createHistogram({
    lowest: 1,
    highest: MAXIMUM_MICROSECONDS,
    figures: 3,
  })

  /** Down to a microsecond; a clock that was put back gives the least. */
  record(ms: number): void {
    this.#histogram.record(Math.min(Math.max(1, Math.round(ms * 1_000)), MAXIMUM_MICROSECONDS))
  }

  get count(): number {
    return this.#histogram.count
  }

  /** undefined where there is none. */
  summary(): LatencySummary | undefined {
    const { count, min, mean, max } = this.#histogram
    if (count === 0) return undefined
    const at = (percentile: number) => milliseconds(this.#histogram.percentile(percentile))
    return {
      count,
      min: milliseconds(min),
      mean: milliseconds(mean),
      p50: at(50),
      p90: at(90),
      p99: at(99),
      p999: at(99.9),
      max: milliseconds(max),
    }
  }
}

/** `p50 1.23  p90 2.5 …`, for people. */
export function latencyText({ p50, p90, p99, p999, max }: LatencySummary): string {
  const parts = { p50, p90, p99, 'p99.9': p999, max }
  return Object.entries(parts)
    .map(([name, value]) => `${name} ${value < 100 ? value.toPrecision(3) : value.toFixed(0)}`)
    .join('  ')
}

function milliseconds(microseconds: number): number {
  return Math.round(microseconds) / 1_000
}
