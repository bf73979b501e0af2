/** What the benchmarks have in common: how they begin, and when they end. */
import { untilInterrupted } from '../lib/interrupt.js'
import { type Io, whenReaderGone } from '../lib/io.js'
import { Clients, type ClientsOptions } from './clients.js'
import type { BenchSettings } from './flags.js'
import { type Figures, Report } from './report.js'

/** A benchmark whose clients have come, as far as they could. */
export interface Bench {
  readonly clients: Clients
  readonly report: Report
  /** Resolves when the user has had enough. */
  readonly ended: Promise<unknown>
  /** That was before the clients had come. */
  readonly isEnded: boolean
}

/**
 * Has the clients come, with reports of `figures` meanwhile, does the work with them, and has them leave.
 *
 * @throws Exit where nobody could connect; what `work` throws.
 */
export async function withClients(
  settings: BenchSettings,
  io: Io,
  onClient: NonNullable<ClientsOptions['onClient']>,
  figures: (clients: Clients) => Figures,
  work: (bench: Bench) => Promise<void>,
): Promise<void> {
  const clients = new Clients({ ...settings, onClient })
  const report = new Report(io, settings)
  const ending = untilEnded()
  try {
    report.follow(() => figures(clients))
    clients.start()
    const isEnded = await Promise.race([clients.ready.then(() => false), ending.promise.then(() => true)])
    if (!isEnded) clients.checkAny()
    await work({ clients, report, ended: ending.promise, isEnded })
  } finally {
    report.pause()
    await clients.stop()
    ending.dispose()
  }
}

/** Ctrl+C, or nobody who reads our output any more. */
export interface Ending {
  readonly promise: Promise<unknown>
  dispose(): void
}

export function untilEnded(): Ending {
  const interrupt = untilInterrupted()
  const readerGone = new Promise<void>((resolve) => whenReaderGone(resolve))
  return { promise: Promise.race([interrupt.promise, readerGone]), dispose: () => interrupt.dispose() }
}

/** Resolves after so long; never without a time. */
export function timeOut(secs: number | undefined): Promise<void> {
  if (secs === undefined) return new Promise(() => undefined)
  return new Promise((resolve) => setTimeout(resolve, secs * 1_000).unref())
}

export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
