/**
 * A client whose session outlives its connections: what it has under way is sent again as the standard says, with DUP
 * and the same packet identifiers. It tells the ledger of each thing in the order in which it happens.
 */
import { payloadOf, readPayload } from './payload.mjs'
import { Wire } from './wire.mjs'

/** The longest expiry there is: never. */
const FOR_EVER = 0xffffffff

export class Client {
  /** What `onMoment` may hear, for whoever wants to kill at such a moment. */
  static MOMENTS = [
    'connack',
    'suback',
    'unsuback',
    'puback',
    'pubrec',
    'pubrel sent',
    'pubcomp',
    'publish sent',
    'publish',
    'puback sent',
    'pubrec sent',
    'pubrel',
    'pubcomp sent',
    'disconnect sent',
  ]

  #wire
  #isOpen = false
  #isLeaving = false
  #isCut = false
  #connection = {}
  /** @type {Map<number, { message: object, isReleased: boolean }>} in the order in which they were first sent */
  #outgoing = new Map()
  /** @type {Map<number, object>} QoS 2 messages that have come and are not released */
  #incoming = new Map()
  /**
   * It has said that the session is over, and has not heard what came of that. The one it is told is present may be the old
   * one, or one that a CONNECT has made whose CONNACK was lost: then what has come means nothing there.
   */
  #isDoubtful = false
  /** @type {Map<number, { isSubscribe: boolean, filter: string }>} of this connection only */
  #requests = new Map()
  /** Acknowledgements of this connection that are not sent yet. */
  #answers = []
  #lastPacketId = 0

  /**
   * `handsOverAtRelease`: QoS 2 messages are handed over when PUBREL comes, and not when PUBLISH does; both are allowed.
   * `ackDelayMs`: says how long it takes over a message. `next`: the next message to publish, while there is one.
   */
  constructor({ name, version, ledger, settings = {} }, { onMoment, clock, isBrokerUp }) {
    Object.assign(this, { name, version, ledger, onMoment, clock, isBrokerUp })
    this.handsOverAtRelease = settings.handsOverAtRelease ?? false
    this.ackDelayMs = settings.ackDelayMs ?? (() => 0)
    this.identifiers = settings.identifiers ?? new Map()
    this.qos = settings.qos ?? 2
    this.window = settings.window ?? 1
    this.next = () => undefined
    ledger.addSession(name, { qos: this.qos, identifiers: version === 5 ? this.identifiers : new Map() })
  }

  get isOpen() {
    return this.#isOpen
  }

  get isClosed() {
    return this.#wire === undefined
  }

  get underWay() {
    return this.#outgoing.size
  }

  isAsking(filter) {
    return [...this.#requests.values()].some((request) => request.filter === filter)
  }

  /**
   * Resolves with whether CONNACK has let it in.
   * @param {{ port: number, cleanStart?: boolean, receiveMaximum?: number, will?: { number: number, qos: number, delayMs: number } }} options
   */
  connect({ port, cleanStart = false, receiveMaximum, will }) {
    if (this.#wire !== undefined) throw new Error(`${this.name} is connected`)
    this.#isLeaving = false
    this.#isCut = false
    return new Promise((resolve) => {
      const wire = new Wire({
        port,
        version: this.version,
        onPacket: (packet) => this.#wire === wire && this.#receive(packet),
        onError: (error) => this.ledger.fault('protocol', error.message, { session: this.name }),
        onClose: () => this.#closed(),
      })
      this.#wire = wire
      this.#connection = { cleanStart, resolve, hasWill: will !== undefined, quota: this.window }
      this.ledger.connecting(this.name, { cleanStart })
      if (cleanStart) this.#forget()
      if (will !== undefined) this.ledger.wills.offered(this.name, will, this.clock())
      wire.send(connectPacket(this, { cleanStart, receiveMaximum, will }))
    })
  }

  subscribe(filter) {
    const identifier = this.version === 5 ? this.identifiers.get(filter) : undefined
    const messageId = this.#request({ isSubscribe: true, filter })
    this.ledger.subscribing(this.name, filter)
    this.#wire?.send({
      cmd: 'subscribe',
      messageId,
      subscriptions: [{ topic: filter, qos: this.qos, nl: false, rap: false, rh: 0 }],
      ...(identifier !== undefined && { properties: { subscriptionIdentifier: identifier } }),
    })
  }

  unsubscribe(filter) {
    const messageId = this.#request({ isSubscribe: false, filter })
    this.ledger.unsubscribing(this.name, filter)
    this.#wire?.send({ cmd: 'unsubscribe', messageId, unsubscriptions: [filter] })
  }

  /** Publishes as long as there is something to publish and room in the window. */
  pump() {
    while (this.#isOpen && !this.#isLeaving && this.#outgoing.size < this.#connection.quota) {
      const next = this.next()
      if (next === undefined) return
      const messageId = this.#freePacketId()
      const message = this.ledger.publishing(this.name, next)
      const exchange = { message, isReleased: false, isGone: next.isGone, isRetained: next.isRetained }
      this.#outgoing.set(messageId, exchange)
      this.#publish(messageId, exchange, false)
    }
  }

  /** Ends the connection without a word. */
  cut() {
    this.#isCut = true
    if (this.#connection.hasWill) this.ledger.wills.cut(this.name, this.clock())
    this.#wire?.cut()
  }

  /** DISCONNECT; the broker closes. `endsSession`: with an expiry of 0, which only 5.0 knows. */
  leave({ endsSession = false } = {}) {
    if (!this.#isOpen) return this.cut()
    this.#isLeaving = true
    this.ledger.wills.leaving(this.name)
    if (endsSession) {
      this.ledger.ending(this.name)
      this.#isDoubtful = true
    }
    this.#wire.send({
      cmd: 'disconnect',
      reasonCode: 0,
      ...(endsSession && { properties: { sessionExpiryInterval: 0 } }),
    })
    this.onMoment('disconnect sent')
  }

  #closed() {
    this.#wire = undefined
    this.#isOpen = false
    this.#requests.clear()
    this.#answers = []
    const hasSeenOff = this.#isLeaving && this.isBrokerUp()
    if (this.#connection.hasWill) {
      if (hasSeenOff) this.ledger.wills.left(this.name)
      else this.ledger.wills.cut(this.name, this.clock())
    }
    if (this.isBrokerUp() && !this.#isLeaving && !this.#isCut)
      this.ledger.fault('refused', 'the broker closed the connection', { session: this.name })
    this.#connection.resolve(false)
  }

  #receive(packet) {
    this.onMoment(packet.cmd)
    switch (packet.cmd) {
      case 'connack':
        return this.#connected(packet)
      case 'suback':
      case 'unsuback':
        return this.#answered(packet)
      case 'puback':
      case 'pubrec':
      case 'pubcomp':
        return this.#acknowledged(packet)
      case 'publish':
        return this.#published(packet)
      case 'pubrel':
        return this.#released(packet)
      case 'disconnect':
        if (this.isBrokerUp())
          this.ledger.fault('refused', `DISCONNECT ${packet.reasonCode}`, { session: this.name })
        return this.cut()
      default:
        return this.ledger.fault('protocol', `an unexpected ${packet.cmd}`, { session: this.name })
    }
  }

  #connected({ sessionPresent, reasonCode, returnCode, properties }) {
    const code = this.version === 5 ? reasonCode : returnCode
    if (code !== 0) {
      this.ledger.fault('refused', `CONNACK ${code}`, { session: this.name })
      return this.cut()
    }
    const { cleanStart, hasWill, resolve } = this.#connection
    const isPresent = this.ledger.connected(this.name, { cleanStart, isPresent: sessionPresent })
    if (hasWill) this.ledger.wills.granted(this.name, this.clock())
    this.#isOpen = true
    this.#connection.quota = Math.min(this.window, properties?.receiveMaximum ?? this.window)
    if (!isPresent) this.#forget()
    for (const [messageId, exchange] of this.#outgoing) {
      if (exchange.isReleased) this.#wire.send({ cmd: 'pubrel', messageId, reasonCode: 0 })
      else this.#publish(messageId, exchange, true)
    }
    resolve(true)
    this.pump()
  }

  /** The session is over, or may be: nothing of it is gone on with. */
  #forget() {
    this.#isDoubtful = false
    this.#outgoing.clear()
    this.#incoming.clear()
  }

  #answered({ cmd, messageId, granted, reasonCode }) {
    const request = this.#requests.get(messageId)
    if (request === undefined || request.isSubscribe !== (cmd === 'suback'))
      return this.ledger.fault('protocol', `${cmd} for nothing`, { session: this.name })
    this.#requests.delete(messageId)
    // UNSUBACK has codes in 5.0 only.
    const code = [granted ?? reasonCode ?? 0].flat()[0]
    if (request.isSubscribe) this.ledger.subscribed(this.name, request.filter, code)
    else this.ledger.unsubscribed(this.name, request.filter, code)
  }

  #acknowledged({ cmd, messageId, reasonCode = 0 }) {
    const exchange = this.#outgoing.get(messageId)
    const wanted =
      exchange && (exchange.message.qos === 1 ? 'puback' : exchange.isReleased ? 'pubcomp' : 'pubrec')
    if (cmd !== wanted) return this.ledger.fault('protocol', `${cmd} for nothing`, { session: this.name })
    if (reasonCode >= 0x80) {
      this.#outgoing.delete(messageId)
      this.ledger.refused(exchange.message, reasonCode)
    } else if (cmd === 'pubrec') {
      exchange.isReleased = true
      this.ledger.taken(exchange.message)
      this.#wire.send({ cmd: 'pubrel', messageId, reasonCode: 0 })
      this.onMoment('pubrel sent')
      return
    } else {
      this.#outgoing.delete(messageId)
      this.ledger.completed(exchange.message)
    }
    this.pump()
  }

  #published({ topic, payload, qos, messageId, properties }) {
    const delivery = { topic, payload, qos, identifiers: [properties?.subscriptionIdentifier ?? []].flat() }
    if (qos === 2) {
      let known = this.#incoming.get(messageId)
      if (known !== undefined && !known.payload.equals(payload)) {
        if (!this.#isDoubtful)
          this.ledger.fault('protocol', `packet identifier ${messageId} is in use`, { session: this.name })
        known = undefined
      }
      if (known === undefined) {
        this.#incoming.set(messageId, delivery)
        if (!this.handsOverAtRelease) this.#handOver(delivery)
      }
    } else this.#handOver(delivery)
    if (qos > 0) this.#answerLater({ cmd: qos === 1 ? 'puback' : 'pubrec', messageId, reasonCode: 0 })
  }

  #released({ messageId }) {
    const delivery = this.#incoming.get(messageId)
    this.#incoming.delete(messageId)
    if (delivery !== undefined && this.handsOverAtRelease) this.#handOver(delivery)
    this.#wire.send({ cmd: 'pubcomp', messageId, reasonCode: 0 })
    this.onMoment('pubcomp sent')
  }

  /** One after the other, because acknowledgements leave in the order in which their messages came. */
  #answerLater(packet) {
    this.#answers.push(packet)
    if (this.#answers.length === 1) this.#answerNext(this.#wire)
  }

  #answerNext(wire) {
    const delayMs = this.ackDelayMs()
    if (delayMs > 0) setTimeout(() => this.#answer(wire), delayMs)
    else this.#answer(wire)
  }

  #answer(wire) {
    if (this.#wire !== wire) return
    const packet = this.#answers.shift()
    wire.send(packet)
    this.onMoment(`${packet.cmd} sent`)
    if (this.#answers.length > 0) this.#answerNext(wire)
  }

  #handOver({ topic, payload, qos, identifiers }) {
    if (topic.startsWith('will/')) {
      const [, client] = topic.split('/')
      return this.ledger.wills.received(Number(payload.toString()), { client, qos }, this.clock())
    }
    this.ledger.received(this.name, { topic, qos, identifiers, ...readPayload(payload) })
  }

  #publish(messageId, { message, isRetained = false, isGone = false }, dup) {
    const payload = isGone ? Buffer.alloc(0) : payloadOf(message)
    const { topic, qos } = message
    this.#wire.send({ cmd: 'publish', topic, payload, qos, messageId, retain: isRetained, dup })
    this.onMoment('publish sent')
  }

  #request(request) {
    const messageId = this.#freePacketId()
    this.#requests.set(messageId, request)
    return messageId
  }

  #freePacketId() {
    do {
      this.#lastPacketId = (this.#lastPacketId % 0xffff) + 1
    } while (this.#outgoing.has(this.#lastPacketId) || this.#requests.has(this.#lastPacketId))
    return this.#lastPacketId
  }
}

function connectPacket({ name, version }, { cleanStart, receiveMaximum, will }) {
  const is5 = version === 5
  return {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: version,
    clientId: name,
    clean: cleanStart,
    keepalive: 0,
    ...(is5 && {
      properties: { sessionExpiryInterval: FOR_EVER, ...(receiveMaximum && { receiveMaximum }) },
    }),
    ...(will && {
      will: {
        topic: `will/${name}`,
        payload: Buffer.from(`${will.number}`),
        qos: will.qos,
        retain: false,
        ...(is5 && { properties: { willDelayInterval: will.delayMs / 1_000 } }),
      },
    }),
  }
}
