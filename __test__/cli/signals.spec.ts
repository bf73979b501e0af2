import { EventEmitter } from 'node:events'
import { expect, it } from 'vitest'
import { onShutdownSignals } from '../../src/cli/signals.js'

/** Delivers signals at times of its own, in milliseconds, and says what happened. */
function deliver(...signals: [atMs: number, signal: NodeJS.Signals][]): string[] {
  const source = new EventEmitter()
  const done: string[] = []
  let now = 0
  onShutdownSignals(
    { close: (signal) => done.push(`close ${signal}`), force: (signal) => done.push(`force ${signal}`) },
    source,
    () => now,
  )
  for (const [atMs, signal] of signals) {
    now = atMs
    source.emit(signal, signal)
  }
  return done
}

it('the first signal closes in order', () => {
  expect(deliver([0, 'SIGTERM'])).toEqual(['close SIGTERM'])
})

it('a second one forces, whichever it is', () => {
  expect(deliver([0, 'SIGTERM'], [2_000, 'SIGINT'])).toEqual(['close SIGTERM', 'force SIGINT'])
})

it('the same Ctrl+C arriving twice, from the terminal and from npm, is one signal', () => {
  expect(deliver([10, 'SIGINT'], [30, 'SIGINT'])).toEqual(['close SIGINT'])
  expect(deliver([10, 'SIGINT'], [30, 'SIGINT'], [900, 'SIGINT'])).toEqual(['close SIGINT', 'force SIGINT'])
})
