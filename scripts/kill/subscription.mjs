/** What is known of one subscription over time, and which topics it asks for. */

/** `on` and `off` are acknowledged; `maybe` is what was asked for and not answered. */
export class Subscription {
  /** @type {{ at: number, state: 'on' | 'off' | 'maybe' }[]} ascending */
  #history

  constructor(filter, at) {
    this.filter = filter
    this.#history = [{ at, state: 'off' }]
  }

  get state() {
    return this.#history.at(-1).state
  }

  get history() {
    return this.#history.map(({ at, state }) => `${state} from ${at}`).join(', ')
  }

  become(state, at) {
    if (state !== this.state) this.#history.push({ at, state })
  }

  /** `on` or `off` where it was that all the time, both ends included; otherwise `maybe`. */
  over(from, to) {
    let found
    for (let index = this.#history.length - 1; index >= 0; index -= 1) {
      const { at, state } = this.#history[index]
      if (at > to) continue
      if (found !== undefined && found !== state) return 'maybe'
      found = state
      if (at <= from) break
    }
    return found ?? 'off'
  }
}

/** Section 4.7, as far as the harness uses it: no `$` topics, no shared subscriptions. */
export function matches(filter, topic) {
  const [wanted, levels] = [filter.split('/'), topic.split('/')]
  for (const [index, level] of wanted.entries()) {
    if (level === '#') return true
    if (index >= levels.length || (level !== '+' && level !== levels[index])) return false
  }
  return wanted.length === levels.length
}
