/** What the benchmarks have in common: when they end. */
import { untilInterrupted } from '../lib/interrupt.js'
import { whenReaderGone } from '../lib/io.js'

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
