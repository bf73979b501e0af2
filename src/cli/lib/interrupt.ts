/** Ctrl+C and its kin, for commands that then end in order. */

/** SIGINT, SIGTERM and SIGHUP; while this is on the process does not end by them, but by a second one at once. */
export interface Interrupt {
  /** Resolves with the first signal, or never. */
  readonly promise: Promise<NodeJS.Signals>
  readonly isInterrupted: () => boolean
  dispose(): void
}

/** How long a repeated signal counts as the same one: npm passes on what the terminal has sent to both already. */
const SAME_SIGNAL_MS = 500
const EXIT_INTERRUPTED = 130

export function untilInterrupted(): Interrupt {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  let firstMs: number | undefined
  let resolve: (signal: NodeJS.Signals) => void = () => undefined
  const promise = new Promise<NodeJS.Signals>((settle) => {
    resolve = settle
  })
  const onSignal = (signal: NodeJS.Signals) => {
    if (firstMs !== undefined && performance.now() - firstMs > SAME_SIGNAL_MS) process.exit(EXIT_INTERRUPTED)
    firstMs ??= performance.now()
    resolve(signal)
  }
  for (const signal of signals) process.on(signal, onSignal)
  return {
    promise,
    isInterrupted: () => firstMs !== undefined,
    dispose: () => {
      for (const signal of signals) process.off(signal, onSignal)
    },
  }
}
