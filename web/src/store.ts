/**
 * What views show and when: a store says that it has changed, however often, and its views are drawn again with the next
 * frame, at most so often a second that a person can read what changes.
 */
import { useEffect, useState } from 'preact/hooks'

/** Time between two drawings of what changes by itself. */
const INTERVAL_MS = 100

let lastMs = Number.NEGATIVE_INFINITY
let isDue = false
const dirty = new Set<Store>()

function draw(): void {
  isDue = false
  lastMs = performance.now()
  const stores = [...dirty]
  dirty.clear()
  for (const store of stores) store.tell()
}

function schedule(): void {
  if (isDue) return
  isDue = true
  const waitMs = lastMs + INTERVAL_MS - performance.now()
  if (waitMs <= 0) requestAnimationFrame(draw)
  else setTimeout(() => requestAnimationFrame(draw), waitMs)
}

/** See the head of this file. */
export class Store {
  readonly #listeners = new Set<() => void>()

  /** Views are drawn with one of the next frames. */
  changed(): void {
    if (this.#listeners.size === 0) return
    dirty.add(this)
    schedule()
  }

  /** Views are drawn now: somebody has pressed something. */
  changedByHand(): void {
    dirty.delete(this)
    this.tell()
  }

  tell(): void {
    for (const listener of [...this.#listeners]) listener()
  }

  listen(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

/** Draws the calling component again when the store has changed. */
export function useStore(store: Store): void {
  const [, again] = useState(0)
  useEffect(() => store.listen(() => again((count) => count + 1)), [store])
}
