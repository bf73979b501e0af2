/**
 * The browser module: docs/web-protocol.md from a page's side. The broker serves it, in one piece, as `/client.js`, and
 * the package as `topicwire/browser`.
 */
import { type Answer, Link, type LinkListener } from './link.js'
import { Message, type MessageFrame, matches, payloadMember } from './message.js'
import {
  type ConnectOptions,
  type MessagesOptions,
  type Payload,
  type PublishOptions,
  type RequestOptions,
  type State,
  type SubscribeOptions,
  TopicwireError,
} from './types.js'

export { Message } from './message.js'
export * from './types.js'

/** What a page has of this and Node has not. */
const page = globalThis as {
  addEventListener?: (name: string, listener: () => void) => void
  removeEventListener?: (name: string, listener: () => void) => void
}
/** So many are acknowledged without waiting for a timer, which a hidden page gets once a minute. */
const ACKS_AT_ONCE = 16

/** Is called with each message. A message at QoS 1 is acknowledged when what it returns is done. */
export type Handler = (message: Message) => unknown

/** One handler of a filter. */
export interface Subscription {
  readonly filter: string
  /** What the broker has granted. */
  readonly qos: 0 | 1
  /** Ends it. Resolves when the broker knows. */
  unsubscribe(): Promise<void>
}

/** What the broker knows as one subscription. */
interface Entry {
  readonly filter: string
  readonly number: number
  qos: 0 | 1
  noLocal: boolean
  retained: boolean
  isGranted: boolean
  readonly handlers: Set<Handler>
  /** Who is to get the retained messages that come: whoever has subscribed last. */
  fresh: readonly Handler[]
}

/**
 * Connects, and stays connected until `close`.
 *
 * @param url default: the `/live` of the broker that has served this module.
 */
export function connect(url?: string | URL | ConnectOptions, options?: ConnectOptions): Client {
  const isUrl = typeof url === 'string' || url instanceof URL
  return new Client(isUrl ? String(url) : ownUrl(), options ?? (isUrl ? {} : (url ?? {})))
}

function ownUrl(): string {
  const url = new URL('/live', import.meta.url)
  if (!/^https?:$/.test(url.protocol)) {
    throw new TopicwireError(
      'ERR_MQTT_INVALID_OPTION',
      'No broker has served this module: connect needs a URL.',
    )
  }
  return url.href
}

/** See `connect`. */
export class Client {
  /** Is called when the state has changed; with an error, where one is the cause. */
  onstate: ((state: State, error?: TopicwireError) => void) | undefined
  /** Is called with what goes wrong in handlers, and what the broker says that no promise waits for. */
  onerror: ((error: unknown) => void) | undefined
  readonly clientId: string
  readonly #options: ConnectOptions
  readonly #link: Link
  readonly #entries = new Map<string, Entry>()
  #lastNumber = randomNumber()
  #hasConnected = false
  /** Of this connection: messages that are done with, and up to which the broker has been told. */
  #done = new Set<number>()
  #doneUpTo = 0
  #toldUpTo = 0
  #isAckDue = false
  /** Loops over messages, to be woken when the client is closed. */
  readonly #stops = new Set<() => void>()
  readonly #onOnline = (): void => this.#link.hurry()

  /** Made by `connect`. */
  constructor(url: string, options: ConnectOptions) {
    this.#options = options
    this.clientId = options.clientId ?? `web-${randomNumber().toString(36)}${randomNumber().toString(36)}`
    const listener: LinkListener = {
      onState: (state, error) => {
        if (state === 'closed') this.#closed()
        this.onstate?.(state, error)
      },
      connectCommand: () => this.#connectCommand(),
      onConnected: (sessionPresent) => this.#onConnected(sessionPresent),
      onMessage: (answer) => this.#onMessage(answer as Answer & MessageFrame),
      onError: (error) => this.onerror?.(error),
    }
    this.#link = new Link(url.replace(/^http/, 'ws'), options, listener)
    page.addEventListener?.('online', this.#onOnline)
  }

  get state(): State {
    return this.#link.state
  }

  /** Publishes. Where there is no connection, with the next one. `matching` is whether anybody is subscribed. */
  async publish(
    topic: string,
    payload: Payload,
    options: PublishOptions = {},
  ): Promise<{ matching: boolean }> {
    const { qos = 1 } = options
    const command = { type: 'publish', topic, ...payloadMember(payload), ...options, qos }
    const answer = (await this.#link.ask(command, qos === 1)) as { matching?: boolean }
    return { matching: answer.matching !== false }
  }

  /** Publishes a request and gives the first answer. */
  async request(topic: string, payload: Payload, options: RequestOptions = {}): Promise<Message> {
    const command = { type: 'request', topic, ...payloadMember(payload), ...options }
    return new Message((await this.#link.ask(command, false)) as Answer & MessageFrame)
  }

  /** Answers a request: a message with a `responseTopic`. */
  async respond(request: Message, payload: Payload): Promise<void> {
    const { responseTopic, correlationData } = request
    if (responseTopic === undefined) return
    await this.publish(responseTopic, payload, correlationData === undefined ? {} : { correlationData })
  }

  /** Subscribes; the handler gets the messages, the retained ones first. */
  async subscribe(filter: string, handler: Handler, options: SubscribeOptions = {}): Promise<Subscription> {
    const { qos = 0, noLocal = false, retained = true } = options
    let entry = this.#entries.get(filter)
    if (!entry) {
      this.#lastNumber += 1
      entry = {
        filter,
        number: this.#lastNumber,
        qos,
        noLocal,
        retained,
        isGranted: false,
        handlers: new Set(),
        fresh: [],
      }
      this.#entries.set(filter, entry)
    }
    if (qos > entry.qos) entry.qos = qos
    entry.noLocal = noLocal
    const own: Handler = (message) => handler(message)
    entry.handlers.add(own)
    try {
      const granted = (await this.#subscribe(entry, [own], retained)).qos === 1 ? 1 : 0
      return { filter, qos: granted, unsubscribe: () => this.#unsubscribe(filter, own) }
    } catch (error) {
      this.#forget(entry, own)
      throw error
    }
  }

  /** The messages of a filter, for `for await`. Leaving the loop unsubscribes. */
  async *messages(filter: string, options: MessagesOptions = {}): AsyncGenerator<Message, void, undefined> {
    const { maximumQueued = 1000 } = options
    const queue: { message: Message; taken: () => void }[] = []
    let wake = (): void => {}
    const subscription = await this.subscribe(
      filter,
      (message) =>
        new Promise<void>((taken) => {
          queue.push({ message, taken })
          if (message.qos === 0 && queue.length > maximumQueued) {
            const oldest = queue.findIndex((waiting) => waiting.message.qos === 0)
            queue.splice(oldest, 1)[0]?.taken()
          }
          wake()
        }),
      options,
    )
    const stop = (): void => wake()
    this.#stops.add(stop)
    let current: (typeof queue)[number] | undefined
    try {
      for (;;) {
        current = queue.shift()
        if (current) {
          yield current.message
          current.taken()
        } else if (this.state === 'closed') return
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    } finally {
      this.#stops.delete(stop)
      current?.taken()
      for (const { taken } of queue) taken()
      // With the next connection, where there is none: nobody waits for that.
      subscription.unsubscribe().catch(() => {})
    }
  }

  /** How many milliseconds the broker takes to answer. Fails where the connection is lost meanwhile. */
  async ping(): Promise<number> {
    const sentMs = performance.now()
    await this.#link.ask({ type: 'ping' }, false)
    return performance.now() - sentMs
  }

  /** Ends the connection for good, and the session where `clientId` was not given. What waits for an answer fails. */
  close(): void {
    this.#link.close(undefined, this.#options.clientId === undefined)
  }

  #closed(): void {
    page.removeEventListener?.('online', this.#onOnline)
    for (const stop of this.#stops) stop()
  }

  #connectCommand(): object {
    const {
      username,
      password,
      receiveMaximum,
      cleanStart = false,
      sessionExpiryIntervalSecs = 300,
    } = this.#options
    const { will } = this.#options
    return {
      clientId: this.clientId,
      cleanStart: cleanStart && !this.#hasConnected,
      sessionExpiryIntervalSecs,
      username,
      password,
      receiveMaximum,
      will: will && { ...will, payload: undefined, ...payloadMember(will.payload) },
    }
  }

  #onConnected(sessionPresent: boolean): void {
    this.#done = new Set()
    this.#doneUpTo = 0
    this.#toldUpTo = 0
    if (this.#hasConnected && !sessionPresent) {
      for (const entry of this.#entries.values()) {
        // Where it was not granted yet, it is asked for again anyway.
        if (!entry.isGranted) continue
        this.#subscribe(entry, [...entry.handlers], entry.retained).catch((error) => this.onerror?.(error))
      }
    }
    this.#hasConnected = true
  }

  #onMessage(frame: Answer & MessageFrame): void {
    const { epoch } = this.#link
    const message = new Message(frame)
    const { ack, subscriptions = [] } = frame
    const entries = [...this.#entries.values()]
    let concerned = entries.filter(({ number }) => subscriptions.includes(number))
    // A session may have subscriptions of an earlier page.
    if (concerned.length === 0) concerned = entries.filter(({ filter }) => matches(filter, message.topic))
    const running: unknown[] = []
    for (const { handlers, fresh } of concerned) {
      for (const handler of message.retain ? fresh : handlers) {
        if (handlers.has(handler)) running.push(this.#run(handler, message))
      }
    }
    if (ack === undefined) return
    Promise.all(running).then(() => {
      if (epoch === this.#link.epoch) this.#acknowledge(ack)
    })
  }

  async #run(handler: Handler, message: Message): Promise<void> {
    try {
      await handler(message)
    } catch (error) {
      this.onerror?.(error)
    }
  }

  /** Tells the broker once for all that are done with up to the first that is not. */
  #acknowledge(ack: number): void {
    this.#done.add(ack)
    while (this.#done.delete(this.#doneUpTo + 1)) this.#doneUpTo += 1
    if (this.#doneUpTo - this.#toldUpTo >= ACKS_AT_ONCE) this.#tell()
    if (this.#isAckDue) return
    this.#isAckDue = true
    setTimeout(() => {
      this.#isAckDue = false
      this.#tell()
    })
  }

  #tell(): void {
    if (this.#doneUpTo === this.#toldUpTo) return
    this.#toldUpTo = this.#doneUpTo
    this.#link.say({ type: 'ack', ack: this.#doneUpTo })
  }

  #subscribe(entry: Entry, fresh: readonly Handler[], retained: boolean): Promise<Answer> {
    const { filter, number, qos, noLocal } = entry
    const command = { type: 'subscribe', filter, qos, noLocal, retained, subscription: number }
    return this.#link.ask(command, true, () => {
      entry.isGranted = true
      entry.fresh = fresh
    })
  }

  async #unsubscribe(filter: string, handler: Handler): Promise<void> {
    const entry = this.#entries.get(filter)
    if (entry?.handlers.has(handler) && this.#forget(entry, handler)) {
      await this.#link.ask({ type: 'unsubscribe', filter })
    }
  }

  /** Whether that was the last handler. */
  #forget(entry: Entry, handler: Handler): boolean {
    entry.handlers.delete(handler)
    return entry.handlers.size === 0 && this.#entries.delete(entry.filter)
  }
}

/** For names and numbers that nobody else has: 1 to 134,217,727. */
function randomNumber(): number {
  return ((crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) >>> 5) + 1
}
