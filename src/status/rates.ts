/** Rates from counters: what has been added since the last look, a second. */

import type { RateFigures } from './messages.js'

type Metrics = Readonly<Record<string, number>>

/** See the head of this file. */
export class Rates {
  #before: { readonly metrics: Metrics; readonly atMs: number } | undefined
  /** Messages about the broker itself, which are not traffic. */
  #own = 0

  /** A message of the broker's own has been published. */
  noteOwn(): void {
    this.#own += 1
  }

  /** `atMs` is of a clock that does not go back. The first time all rates are 0. */
  next(metrics: Metrics, timeMs: number, atMs: number): RateFigures {
    const { metrics: before, atMs: beforeMs } = this.#before ?? { metrics, atMs }
    const own = this.#own
    this.#before = { metrics, atMs }
    this.#own = 0
    const seconds = (atMs - beforeMs) / 1000
    const rate = (difference: number) => (seconds <= 0 ? 0 : Math.round(Math.max(0, difference) / seconds))
    const added = (name: string) => (metrics[name] ?? 0) - (before[name] ?? 0)
    const dropped = Object.keys(metrics).filter((name) => name.startsWith('dropped.'))
    return {
      timeMs,
      messagesInPerSecond: rate(added('publishReceived') - own),
      messagesOutPerSecond: rate(added('publishSent')),
      bytesInPerSecond: rate(added('bytesReceived')),
      bytesOutPerSecond: rate(added('bytesSent')),
      droppedPerSecond: rate(dropped.reduce((sum, name) => sum + added(name), 0)),
      connections: metrics.connections ?? 0,
      clients: metrics.clientsConnected ?? 0,
      subscriptions: metrics.subscriptions ?? 0,
      retainedMessages: metrics.retainedMessages ?? 0,
      queuedMessages: metrics.queuedMessages ?? 0,
      queuedBytes: metrics.queuedBytes ?? 0,
    }
  }
}
