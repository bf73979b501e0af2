/** What a run has found: samples as they come, and figures with their spread when it is over. */
import { arch, cpus, loadavg, release, totalmem, type } from 'node:os'
import { type Spread, spread } from './spread.js'

export const MEASURES = [
  'connecting',
  'message',
  'echo',
  'latency',
  'throughput',
  'fanOut',
  'memory',
  'reconnect',
  'network',
] as const
export type MeasureName = (typeof MEASURES)[number]

/** What holds for a figure beside its way: the QoS, a size, a rate. */
export type Conditions = Readonly<Record<string, number | string>>

/** Measured once. */
export interface Sample {
  readonly measure: MeasureName
  readonly way: string
  readonly conditions: Conditions
  readonly values: Readonly<Record<string, number | undefined>>
}

/** Measured in each round. */
export interface Row {
  readonly measure: MeasureName
  readonly way: string
  readonly conditions: Conditions
  readonly rounds: number
  readonly figures: Readonly<Record<string, Spread>>
}

/** What there is no figure for, and why. */
export interface NotMeasured {
  readonly what: string
  readonly why: string
}

/** What figures are worth nothing without. */
export interface MachineInWords {
  readonly cpu: string
  readonly coreCount: number
  readonly memoryBytes: number
  readonly system: string
  readonly node: string
  /** When the run began, over the last minute. */
  readonly loadAverage: number
}

/** The JSON of a run. */
export interface Results {
  readonly kind: 'topicwire compare'
  readonly format: 1
  readonly version: string
  readonly date: string
  readonly secs: number
  readonly command: string
  readonly isQuick: boolean
  readonly rounds: number
  readonly machine: MachineInWords
  /** The addresses of another broker; absent for our own. */
  readonly broker?: { readonly mqtt?: string; readonly ws?: string }
  readonly ways: readonly { readonly id: string; readonly name: string }[]
  readonly rows: readonly Row[]
  readonly notMeasured: readonly NotMeasured[]
}

export function machine(): MachineInWords {
  const [first] = cpus()
  return {
    cpu: first?.model.trim() ?? 'unknown',
    coreCount: cpus().length,
    memoryBytes: totalmem(),
    system: `${type()} ${release()} ${arch()}`,
    node: process.version,
    loadAverage: loadavg()[0] ?? 0,
  }
}

/** Gathers samples of one thing, by way and conditions. */
export class Collector {
  readonly #samples = new Map<string, Sample[]>()
  readonly #notMeasured = new Map<string, NotMeasured>()

  add(sample: Sample): void {
    const key = JSON.stringify([sample.measure, sample.way, sample.conditions])
    const known = this.#samples.get(key)
    if (known === undefined) this.#samples.set(key, [sample])
    else known.push(sample)
  }

  /** Said once, however often. */
  miss(what: string, why: string): void {
    this.#notMeasured.set(what, { what, why })
  }

  get notMeasured(): readonly NotMeasured[] {
    return [...this.#notMeasured.values()]
  }

  /** In the order of the measures; within one, in the order in which they came first. */
  rows(): Row[] {
    const rows = [...this.#samples.values()].flatMap((samples): Row[] => {
      const [first] = samples
      return first === undefined ? [] : [rowOf(first, samples)]
    })
    return MEASURES.flatMap((measure) => rows.filter((row) => row.measure === measure))
  }
}

function rowOf(first: Sample, samples: readonly Sample[]): Row {
  const names = [...new Set(samples.flatMap(({ values }) => Object.keys(values)))]
  const figures: Record<string, Spread> = {}
  for (const name of names) {
    const found = spread(
      samples.flatMap(({ values }) => {
        const value = values[name]
        return value === undefined || !Number.isFinite(value) ? [] : [rounded(value)]
      }),
    )
    if (found !== undefined) figures[name] = found
  }
  const { measure, way, conditions } = first
  return { measure, way, conditions, rounds: samples.length, figures }
}

/** Six digits, which is more than anything here is good for. */
function rounded(value: number): number {
  return Number(value.toPrecision(6))
}

/** What is the same in each round is measured in one, where there is hurry. */
export function roundsText({ rounds, rows }: Results): string {
  const all = rounds === 1 ? 'one round' : `${rounds} rounds`
  return rows.some((row) => row.rounds < rounds) ? `${all} (one of what has no spread here)` : all
}
