/** SIGINT and SIGTERM: the first asks the broker to close in order, a second one ends the process at once. */

/**
 * How long a repeated signal counts as the same one. Ctrl+C under `npm start` arrives twice: from the terminal, which
 * signals the whole foreground group, and from npm, which passes on what it gets.
 */
const SAME_SIGNAL_MS = 500

/** What happens on signals. */
export interface ShutdownActions {
  /** Closes in order; the process is expected to end when it has. */
  close(signal: NodeJS.Signals): void
  /** Ends the process now. */
  force(signal: NodeJS.Signals): void
}

/** Where signals come from: `process`, or a stand-in. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown
}

/** Connects the two signals with the two actions. `now` is a clock in milliseconds that never goes back. */
export function onShutdownSignals(
  actions: ShutdownActions,
  source: SignalSource = process,
  now: () => number = () => performance.now(),
): void {
  let firstAt: number | undefined
  const onSignal = (signal: NodeJS.Signals) => {
    if (firstAt === undefined) {
      firstAt = now()
      actions.close(signal)
    } else if (now() - firstAt >= SAME_SIGNAL_MS) {
      actions.force(signal)
    }
  }
  source.on('SIGINT', onSignal)
  source.on('SIGTERM', onSignal)
}
