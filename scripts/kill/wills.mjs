/**
 * Wills, each known by a number of its own. Times are milliseconds of a clock that never goes back.
 *
 * A will whose connection was cut after CONNACK is due once its delay is over, which a broker that was down may count
 * from its start. The client that comes back before that calls it off. Whatever happens in between may go either way.
 */

/** Between a moment here and the same moment at the broker. */
const BLUR_MS = 150
/** Brokers look at what is due once a second or so. */
const SLACK_MS = 1_500
/** Nobody waits for a will with such a delay. */
const LONG_MS = 10_000

export class Wills {
  #ledger
  /** @type {Map<number, Will>} those that are not judged yet, or whose end is still to be seen */
  #wills = new Map()
  #startedAt = 0
  /** When the broker was killed or told to stop; undefined while it is up. */
  #diedAt

  constructor(ledger) {
    this.#ledger = ledger
  }

  /** A broker listens. */
  started(at) {
    this.#startedAt = at
    this.#diedAt = undefined
  }

  /** CONNECT with this will is sent. The client's earlier wills with a delay may be called off by it. */
  offered(client, { number, qos, delayMs }, at) {
    for (const will of this.#of(client)) {
      if (will.state === 'due' && will.delayMs > 0) {
        will.wasDue = true
        will.state = 'open'
        will.comebackAt = at
      }
    }
    this.#wills.set(number, { number, client, qos, delayMs, state: 'offered', came: [] })
  }

  /** CONNACK has come, at that time. */
  granted(client, at) {
    for (const will of this.#of(client)) {
      if (will.state === 'offered') will.state = 'armed'
      else if (will.wasDue && will.state === 'open' && will.comebackAt !== undefined)
        this.#judgeComeback(will, at)
    }
  }

  #judgeComeback(will, at) {
    const isEarly = at < will.cutAt + will.delayMs - BLUR_MS
    const isLate = will.comebackAt > this.#latest(will)
    if (isEarly) will.state = 'off'
    if (isLate) will.state = 'due'
    will.comebackAt = undefined
  }

  /** Its connection is cut, in whatever way other than a DISCONNECT of the client. Its end may be noticed later. */
  cut(client, at) {
    for (const will of this.#of(client)) {
      if (will.state === 'offered') will.state = 'open'
      if (will.state === 'armed') Object.assign(will, { state: 'due', cutAt: this.#diedAt ?? at })
      if (will.state === 'leaving') will.state = 'open'
    }
  }

  /** DISCONNECT is sent, which withdraws it. */
  leaving(client) {
    for (const will of this.#of(client)) if (will.state === 'armed') will.state = 'leaving'
  }

  /** The broker has closed the connection after DISCONNECT: it has seen it. */
  left(client) {
    for (const will of this.#of(client)) {
      if (will.state === 'leaving') Object.assign(will, { state: 'left', leftAt: this.#ledger.now })
    }
  }

  /** What was sent after that and is acknowledged was taken after DISCONNECT: nothing before it can be lost. */
  acknowledged({ sentAt }) {
    for (const will of this.#wills.values()) {
      if (will.state === 'left' && will.leftAt < sentAt) will.state = 'off'
    }
  }

  /** The broker is killed, or told to stop. */
  died(at) {
    this.#diedAt = at
    for (const will of this.#wills.values()) if (will.state === 'left') will.state = 'open'
  }

  received(number, { client, qos }, at) {
    const will = this.#wills.get(number)
    if (will === undefined || will.client !== client || will.qos !== qos)
      return this.#ledger.fault('will', `an unknown will ${number}`, { session: client })
    will.came.push(at)
    if (will.state === 'off') this.#fault(will, 'came although it was withdrawn')
    if (will.came.length > 1 && qos === 2) this.#fault(will, 'came twice')
  }

  /** Wills that are due soon and have not come. */
  awaited(at) {
    const isAwaited = (will) =>
      will.state === 'due' && will.came.length === 0 && will.delayMs < LONG_MS && at < this.#latest(will)
    return [...this.#wills.values()].filter(isAwaited).length
  }

  #latest({ cutAt, delayMs }) {
    return Math.max(cutAt, this.#startedAt) + delayMs + SLACK_MS
  }

  /** Nothing comes any more of what is due by now. */
  settle(at) {
    for (const [number, will] of this.#wills) {
      const [first] = will.came
      if (first < earliest(will)) this.#fault(will, 'came too early')
      if (will.state === 'due' && (first !== undefined || at >= this.#latest(will))) {
        if (first === undefined) this.#fault(will, 'did not come')
        will.state = 'done'
      }
      const isOver = will.state === 'done' || will.state === 'off' || will.state === 'open'
      if (isOver && (first !== undefined || will.state !== 'open')) will.isOver = true
      // Kept for one settlement more, for what comes once too often.
      if (will.isOver && will.wasOver) this.#wills.delete(number)
      will.wasOver = will.isOver
    }
  }

  #fault(will, what) {
    this.#ledger.fault('will', `will ${will.number} ${what}`, { session: will.client, entry: { ...will } })
  }

  #of(client) {
    return [...this.#wills.values()].filter((will) => will.client === client)
  }
}

/** As long as its client is connected, never. */
function earliest({ state, cutAt, delayMs }) {
  if (state === 'armed') return Number.POSITIVE_INFINITY
  return cutAt === undefined ? 0 : cutAt + delayMs - BLUR_MS
}
