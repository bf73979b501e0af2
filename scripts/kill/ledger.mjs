/**
 * What the clients know: which sessions, subscriptions and messages the broker has acknowledged, what has come, and
 * therefore what is owed and what must not come. It is told events in the order in which the clients saw them, and keeps
 * every fault; it knows nothing of sockets and processes. Retained messages are judged in retained.mjs, wills in wills.mjs.
 *
 * A message is owed to a session whose subscription was acknowledged before the message was first sent and stood until
 * the message was acknowledged. One whose sending overlaps a change that nobody has acknowledged yet may come or not.
 */
import { Retained } from './retained.mjs'
import { matches, Subscription } from './subscription.mjs'
import { Wills } from './wills.mjs'

/** UNSUBACK's code for a subscription that the server does not have. */
const NO_SUBSCRIPTION_EXISTED = 0x11

/** What can be wrong, and the figure it counts under. */
export const KINDS = {
  lost: 'an acknowledged message did not come',
  doubled: 'a message of QoS 2 was handed over twice',
  subscription: 'an acknowledged subscription was lost',
  returned: 'a message came although its subscription was ended or never made',
  session: 'Session Present is not what was acknowledged',
  retained: 'a retained message is not the last one acknowledged, nor a later one',
  will: 'a will was published too often, never, at the wrong time, or after it was withdrawn',
  reordered: 'a message of a topic came for the first time after a later one of the same publisher and QoS',
  damaged: 'a message came with another topic, payload, QoS or Subscription Identifier',
  protocol: 'the broker broke the protocol',
  refused: 'the broker refused what it should take',
  stuck: 'an exchange did not end, or the broker did not stop as it should',
}

export class Ledger {
  /** The round that faults are noted under. */
  round = 0
  /** @type {{ kind: string, round: number, session?: string, what: string, entry?: object }[]} */
  faults = []
  counts = { sent: 0, acknowledged: 0, owed: 0, received: 0, repeated: 0, subscriptions: 0, sessions: 0 }
  retained = new Retained(this)
  wills = new Wills(this)
  #now = 0
  #messages = new Map()
  #sessions = new Map()

  get now() {
    return this.#now
  }

  tick() {
    this.#now += 1
    return this.#now
  }

  fault(kind, what, { session, entry } = {}) {
    this.faults.push({ kind, round: this.round, ...(session && { session }), what, ...(entry && { entry }) })
  }

  /** `qos` is that of all the session's subscriptions, `identifiers` their Subscription Identifiers by filter. */
  addSession(name, { qos = 2, identifiers = new Map() } = {}) {
    this.#sessions.set(name, new Session(name, qos, identifiers, this.tick()))
  }

  /** CONNECT is sent. */
  connecting(name, { cleanStart }) {
    const session = this.#session(name)
    if (cleanStart && session.exists !== 'no') this.#doubt(session)
    if (session.exists === 'no') session.exists = 'maybe'
  }

  /** CONNACK has come. Says whether the session that the client has is still the broker's. */
  connected(name, { cleanStart, isPresent }) {
    const session = this.#session(name)
    this.counts.sessions += 1
    if (isPresent && (cleanStart || session.exists === 'no'))
      this.fault('session', 'a session that was discarded is present', { session: name })
    if (!isPresent && session.exists === 'yes' && !cleanStart) {
      this.fault('session', 'an acknowledged session is not present', { session: name })
      for (const message of session.owed.values()) this.#lose(session, message)
    }
    if (!isPresent) session.begin(this.tick())
    session.exists = 'yes'
    return isPresent
  }

  /** DISCONNECT is sent, with which the session ends. */
  ending(name) {
    this.#doubt(this.#session(name))
  }

  subscribing(name, filter) {
    const subscription = this.#session(name).subscription(filter)
    if (subscription.state !== 'on') subscription.become('maybe', this.tick())
  }

  subscribed(name, filter, code) {
    const session = this.#session(name)
    if (code !== session.qos) return this.fault('refused', `SUBACK ${code} for ${filter}`, { session: name })
    this.counts.subscriptions += 1
    session.subscription(filter).become('on', this.tick())
  }

  /** What is owed through this filter may be dropped from now on, where it has not been sent yet. */
  unsubscribing(name, filter) {
    const session = this.#session(name)
    const subscription = session.subscription(filter)
    subscription.wasOn = subscription.state === 'on'
    if (subscription.state !== 'off') subscription.become('maybe', this.tick())
    session.forgive((message) => matches(filter, message.topic))
  }

  unsubscribed(name, filter, code) {
    const subscription = this.#session(name).subscription(filter)
    if (subscription.wasOn && code === NO_SUBSCRIPTION_EXISTED)
      this.fault('subscription', `UNSUBACK says that there was no ${filter}`, { session: name })
    subscription.become('off', this.tick())
  }

  /** Whether it has never been asked for a subscription. */
  isNew(name) {
    return this.#session(name).subscriptions.size === 0
  }

  /** @returns {'on' | 'off' | 'maybe'} */
  stateOf(name, filter) {
    return this.#session(name).subscriptions.get(filter)?.state ?? 'off'
  }

  /** A PUBLISH is sent for the first time. `isProbe`: only there to ask for its subscriptions. */
  publishing(publisher, { topic, qos, size = 0, isRetained = false, isGone = false, isProbe = false }) {
    const sentAt = this.tick()
    const message = { id: sentAt, publisher, topic, qos, size, sentAt, isProbe, round: this.round }
    if (isRetained) this.retained.publishing(message, isGone)
    this.#messages.set(message.id, message)
    this.counts.sent += 1
    return message
  }

  /** PUBREC has come: the broker has taken it. */
  taken(message) {
    message.takenAt = this.tick()
  }

  /** PUBACK or PUBCOMP has come. */
  completed(message) {
    message.completedAt = this.tick()
    this.counts.acknowledged += 1
    this.wills.acknowledged(message)
    if (message.version !== undefined) this.retained.acknowledged(message)
    for (const session of this.#sessions.values()) {
      const isOwed = session.over(message.topic, message.sentAt, message.completedAt) === 'on'
      if (!isOwed) continue
      this.counts.owed += 1
      if (!session.received.has(message.id)) session.owed.set(message.id, message)
    }
  }

  refused(message, code) {
    this.fault('refused', `a PUBLISH was answered with ${code}`, { entry: message })
  }

  /** A message is handed over to a session's application. */
  received(name, { id, topic, qos, isIntact, identifiers = [] }) {
    const session = this.#session(name)
    const message = this.#messages.get(id)
    if (message === undefined || message.topic !== topic || !isIntact)
      return this.fault('damaged', `${topic} brought ${id}`, { session: name, entry: message })
    this.counts.received += 1
    session.owed.delete(id)
    const entry = { ...message, came: session.received.get(id) ?? 0, subscriptions: session.about(topic) }
    if (session.over(topic, message.sentAt, message.completedAt ?? this.tick()) === 'off')
      this.fault('returned', `${topic} was not subscribed to`, { session: name, entry })
    const due = Math.min(message.qos, session.qos)
    if (qos !== due) this.fault('damaged', `QoS ${qos} instead of ${due}`, { session: name, entry })
    const wanted = session.identifierOf(topic)
    if (wanted !== undefined && (identifiers.length !== 1 || identifiers[0] !== wanted)) {
      const said = `Subscription Identifier ${identifiers} instead of ${wanted}`
      this.fault('damaged', said, { session: name, entry })
    }
    if (entry.came > 0 && due === 2) this.fault('doubled', `${topic} QoS 2`, { session: name, entry })
    if (entry.came > 0 && due === 1) this.counts.repeated += 1
    if (entry.came === 0) this.#judgeOrder(session, message, due)
    session.received.set(id, entry.came + 1)
  }

  /** Deliveries that have not come yet. */
  owed() {
    let sum = 0
    for (const { owed } of this.#sessions.values()) sum += owed.size
    return sum
  }

  /** Topics of subscriptions that are certainly there or certainly not: each is to be probed. */
  topicsToProbe(topics) {
    const sessions = [...this.#sessions.values()]
    return topics.filter((topic) =>
      sessions.some((session) => session.known().some(({ filter }) => matches(filter, topic))),
    )
  }

  /** Nothing comes any more by that time: what is owed is lost. A subscription whose probe did not come is gone. */
  settle(at) {
    for (const session of this.#sessions.values()) {
      for (const message of session.owed.values()) {
        if (!message.isProbe) {
          this.#lose(session, message)
          continue
        }
        for (const subscription of session.matching(message.topic)) {
          if (subscription.state !== 'on') continue
          const entry = { ...message, subscriptions: session.about(message.topic) }
          this.fault('subscription', `nothing comes for ${subscription.filter}`, {
            session: session.name,
            entry,
          })
          // Not reported again before it is asked for again.
          subscription.become('maybe', this.tick())
        }
      }
      session.owed.clear()
    }
    this.wills.settle(at)
    this.retained.prune()
  }

  #lose(session, message) {
    const entry = { ...message, subscriptions: session.about(message.topic) }
    this.fault('lost', `${message.topic} QoS ${message.qos}`, { session: session.name, entry })
  }

  #judgeOrder(session, message, qos) {
    // What was taken before there was a subscription is taken again when it is sent again, and comes late.
    if (session.over(message.topic, message.sentAt, this.#now) !== 'on') return
    const key = `${message.publisher} ${message.topic} ${message.qos} ${qos}`
    const last = session.last.get(key) ?? 0
    if (message.id < last)
      this.fault('reordered', `${message.id} after ${last}`, { session: session.name, entry: message })
    else session.last.set(key, message.id)
  }

  /** The session may have ended, with all that belongs to it. */
  #doubt(session) {
    session.exists = 'maybe'
    session.owed.clear()
    const at = this.tick()
    for (const subscription of session.subscriptions.values()) {
      if (subscription.state === 'on') subscription.become('maybe', at)
    }
  }

  #session(name) {
    const session = this.#sessions.get(name)
    if (session === undefined) throw new Error(`no session ${name} was added`)
    return session
  }
}

/** One client's session. */
class Session {
  /** @type {'no' | 'maybe' | 'yes'} */
  exists = 'no'

  constructor(name, qos, identifiers, at) {
    this.name = name
    this.qos = qos
    this.identifiers = identifiers
    this.begin(at)
  }

  /** A new one, with nothing of the old one. */
  begin(at) {
    this.bornAt = at
    /** @type {Map<string, Subscription>} */
    this.subscriptions = new Map()
    this.owed = new Map()
    this.received = new Map()
    /** The last message that came first, by publisher, topic and QoS. */
    this.last = new Map()
    this.matched = new Map()
  }

  subscription(filter) {
    let subscription = this.subscriptions.get(filter)
    if (subscription === undefined) {
      subscription = new Subscription(filter, this.bornAt)
      this.subscriptions.set(filter, subscription)
      this.matched.clear()
    }
    return subscription
  }

  /** A session's filters do not overlap, so that two copies are never due. */
  matching(topic) {
    let found = this.matched.get(topic)
    if (found === undefined) {
      found = [...this.subscriptions.values()].filter(({ filter }) => matches(filter, topic))
      this.matched.set(topic, found)
    }
    return found
  }

  over(topic, from, to) {
    const [subscription] = this.matching(topic)
    // An earlier session of the same client may have had it.
    return subscription?.over(from, to) ?? 'off'
  }

  known() {
    return [...this.subscriptions.values()].filter(({ state }) => state !== 'maybe')
  }

  identifierOf(topic) {
    const [subscription] = this.matching(topic)
    return subscription && this.identifiers.get(subscription.filter)
  }

  about(topic) {
    return this.matching(topic).map(({ filter, history }) => `${filter}: ${history}`)
  }

  forgive(isForgiven) {
    for (const [id, message] of this.owed) if (isForgiven(message)) this.owed.delete(id)
  }
}
