/**
 * Retained messages: each topic has one publisher and one QoS, so its versions are applied in the order in which they
 * were sent. Until one is acknowledged, it may be applied or not, and once more when it is sent again.
 */

export class Retained {
  #ledger
  /** @type {Map<string, { id: number, isGone: boolean, sentAt: number, ackedAt?: number }[]>} by topic, ascending */
  #versions = new Map()

  constructor(ledger) {
    this.#ledger = ledger
  }

  get topics() {
    return [...this.#versions.keys()]
  }

  /** `isGone`: without a payload, which removes the topic's message. */
  publishing(message, isGone) {
    const versions = this.#versions.get(message.topic) ?? [{ id: 0, isGone: true, sentAt: 0, ackedAt: 0 }]
    message.version = { id: message.id, isGone, sentAt: message.sentAt }
    versions.push(message.version)
    this.#versions.set(message.topic, versions)
  }

  acknowledged(message) {
    message.version.ackedAt = message.completedAt
  }

  /**
   * Whoever subscribed between `from` and now was given this: the id, or undefined where nothing came. The last
   * version that was acknowledged by then is allowed, and every later one.
   */
  observed(topic, id, from) {
    const versions = this.#versions.get(topic) ?? []
    const last = versions.findLastIndex(({ ackedAt }) => ackedAt !== undefined && ackedAt <= from)
    const allowed = versions.slice(Math.max(last, 0))
    const isRight = allowed.some((version) => (id === undefined ? version.isGone : version.id === id))
    if (isRight) return
    const entry = {
      topic,
      seen: id ?? 'none',
      allowed: allowed.map(nameOf),
      before: versions.slice(0, last).map(nameOf),
    }
    this.#ledger.fault('retained', `${topic} has ${id ?? 'none'}`, { entry })
  }

  /** Whether it may not be missing for whoever subscribes now. */
  isDue(topic) {
    const versions = this.#versions.get(topic) ?? []
    const last = versions.findLastIndex(({ ackedAt }) => ackedAt !== undefined)
    return versions.length > 0 && versions.slice(Math.max(last, 0)).every(({ isGone }) => !isGone)
  }

  /** Keeps what can still be seen. */
  prune() {
    for (const [topic, versions] of this.#versions) {
      const last = versions.findLastIndex(({ ackedAt }) => ackedAt !== undefined)
      this.#versions.set(topic, versions.slice(Math.max(last, 0)))
    }
  }
}

function nameOf({ id, isGone, ackedAt }) {
  return `${isGone ? 'none' : id}${ackedAt === undefined ? ' (not acknowledged)' : ''}`
}
