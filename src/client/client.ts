/**
 * What a program has of a client: the words of MQTT.js, and what they do. What is said and heard for it is in
 * `conversation.ts`: connections, messages on their way out, subscriptions; the protocol is in Rust, behind `engine.ts`.
 */
import { EventEmitter } from 'node:events'
import type { Packet } from '../codec/packets.js'
import { MqttError } from '../errors.js'
import { type ClientEvents, type PacketInWords, packetInWords } from './client-events.js'
import type { ReceivedMessage } from './client-like.js'
import type {
  ClientOptions,
  EndCallback,
  EndOptions,
  PublishCallback,
  StreamBuilder,
  SubscribeCallback,
  UnsubscribeCallback,
} from './client-options.js'
import { Conversation } from './conversation.js'
import { type Dialer, StreamDialer } from './dialer.js'
import { type HandlerOptions, type HandlerSubscription, handle, type ReceivedHandler } from './handlers.js'
import { type ClientMessagesOptions, messages, type ReceivedStream } from './messages.js'
import { type CheckedOptions, checkOptions } from './options.js'
import type { ClientPublishOptions, Publication, PublishDone, PublishReceipt } from './outgoing.js'
import type { ReceivedPublish } from './received.js'
import { type RequestOptions, request } from './request.js'
import { type RequestHandler, type RespondOptions, respond } from './respond.js'
import type { ClientSubscribeOptions, SubscriptionGrant } from './subscriptions.js'
import { Topics, type TopicsToSubscribe } from './topics.js'
import { aborted, type PacketWords } from './words.js'

/** An MQTT client. `connect` and `connectAsync` make one. */
export class MqttClient extends EventEmitter<ClientEvents> {
  readonly options: ClientOptions & CheckedOptions
  connected = false
  reconnecting = false
  disconnecting = false
  /** `end` has been called, and is done. */
  disconnected = false
  readonly #chosenVersion: 3 | 4 | 5 | undefined
  readonly #dialer: Dialer
  #conversation: Conversation
  #messageCount = 0
  readonly #whenEnded: EndCallback[] = []
  #onAbort: (() => void) | undefined

  /**
   * `source` gives a stream for each connection; `connect` has one that dials.
   *
   * @throws MqttError ERR_MQTT_INVALID_OPTION or ERR_MQTT_INVALID_PACKET for options that cannot be, ERR_MQTT_STORE_… for
   * a store that cannot be opened.
   */
  constructor(source: StreamBuilder | Dialer, options: ClientOptions = {}) {
    super()
    this.options = checkOptions(options)
    this.#chosenVersion = options.protocolVersion
    this.options.protocolVersion ??= 5
    // biome-ignore lint/suspicious/noExplicitAny: the types of Node leave this event out where others are declared
    ;(this as EventEmitter<any>).on('newListener', (name: string | symbol) => {
      if (name === 'packetreceive') this.#conversation.wantsPackets = true
      if (name === 'packetsend' && this.listenerCount(name) === 0) this.#conversation.showSent()
    })
    this.#dialer = typeof source === 'function' ? new StreamDialer(async () => source(this)) : source
    this.#conversation = this.#converse()
    const { signal } = options
    if (signal?.aborted === true) process.nextTick(() => this.end(true))
    else if (signal !== undefined) {
      this.#onAbort = () => this.end(true)
      signal.addEventListener('abort', this.#onAbort, { once: true })
    }
    if (this.options.manualConnect !== true) this.#conversation.open()
  }

  /** What the server said in its CONNACK. */
  get serverProperties(): PacketWords | undefined {
    return this.#conversation.connack
  }

  /** The Keep Alive in use, in seconds. */
  get keepalive(): number {
    return this.connected ? this.#conversation.keepAliveSecs : this.options.keepalive
  }

  /** The version of the connection, or that the next one is tried with: 3, 4 (that is 3.1.1) or 5. */
  get protocolVersion(): 3 | 4 | 5 {
    return this.#conversation.version
  }

  /** The client identifier in use, which the server may have assigned. */
  get clientId(): string {
    return this.#conversation.clientId
  }

  /** Messages that wait for a connection, for the server's window or for the transport. */
  get queuedCount(): number {
    return this.disconnected ? 0 : this.#conversation.queuedCount
  }

  /** Connects, where `manualConnect` or `reconnectPeriod: 0` left that to the application. */
  connect(): this {
    if (this.disconnected) this.#revive()
    this.#conversation.open()
    return this
  }

  /** Connects now instead of when the wait is over, and also after `end`. */
  reconnect(): this {
    if (this.disconnected) this.#revive()
    if (this.#conversation.isActive || this.disconnecting) return this
    this.reconnecting = true
    this.emit('reconnect')
    this.#conversation.open()
    return this
  }

  publish(topic: string, payload: Uint8Array | string, callback?: PublishCallback): this
  publish(
    topic: string,
    payload: Uint8Array | string,
    options?: ClientPublishOptions,
    callback?: PublishCallback,
  ): this
  publish(
    topic: string,
    payload: Uint8Array | string,
    options?: ClientPublishOptions | PublishCallback,
    callback?: PublishCallback,
  ): this {
    if (typeof options === 'function') this.#publish(topic, payload, undefined, options)
    else this.#publish(topic, payload, options, callback)
    return this
  }

  /**
   * Publishes. Resolves when the message is as safe as its QoS says: QoS 0, the transport took it; QoS 1, the server
   * has it; QoS 2, it has it once.
   */
  publishAsync(
    topic: string,
    payload: Uint8Array | string,
    options?: ClientPublishOptions,
  ): Promise<PublishReceipt | undefined> {
    return new Promise((resolve, reject) => {
      this.#publish(topic, payload, options, (error, receipt) => {
        if (error) reject(error)
        else resolve(receipt)
      })
    })
  }

  subscribe(topics: TopicsToSubscribe, callback?: SubscribeCallback): this
  subscribe(topics: TopicsToSubscribe, options?: ClientSubscribeOptions, callback?: SubscribeCallback): this
  subscribe(
    topics: TopicsToSubscribe,
    options?: ClientSubscribeOptions | SubscribeCallback,
    callback?: SubscribeCallback,
  ): this {
    const [given, done] = typeof options === 'function' ? [undefined, options] : [options, callback]
    const lines = Topics.lines(topics, given)
    const grants = lines.map(({ topic, options: { qos = 0 } }): SubscriptionGrant => ({ topic, qos }))
    const settle = aborted(given?.signal, (error: Error | undefined, packet?: Packet) => {
      if (packet !== undefined && 'reasonCodes' in packet) {
        packet.reasonCodes.forEach((code, index) => {
          const grant = grants[index]
          if (grant !== undefined) grant.qos = code
        })
      }
      if (done !== undefined) done(error ?? null, grants, packet && packetInWords(packet))
      else if (error !== undefined) this.#conversation.report(error)
    })
    this.#attempt(settle, () => this.#conversation.subscriptions.subscribe(lines, settle))
    return this
  }

  subscribeAsync(topics: TopicsToSubscribe, options?: ClientSubscribeOptions): Promise<SubscriptionGrant[]> {
    return new Promise((resolve, reject) => {
      this.subscribe(topics, options, (error, granted = []) => (error ? reject(error) : resolve(granted)))
    })
  }

  unsubscribe(topics: string | readonly string[], callback?: UnsubscribeCallback): this
  unsubscribe(
    topics: string | readonly string[],
    options?: Pick<ClientSubscribeOptions, 'properties' | 'signal'>,
    callback?: UnsubscribeCallback,
  ): this
  unsubscribe(
    topics: string | readonly string[],
    options?: Pick<ClientSubscribeOptions, 'properties' | 'signal'> | UnsubscribeCallback,
    callback?: UnsubscribeCallback,
  ): this {
    const [given, done] = typeof options === 'function' ? [undefined, options] : [options, callback]
    const filters = typeof topics === 'string' ? [topics] : topics
    const settle = aborted(given?.signal, (error: Error | undefined, packet?: Packet) => {
      if (done !== undefined) done(error ?? null, packet && packetInWords(packet))
      else if (error !== undefined) this.#conversation.report(error)
    })
    this.#attempt(settle, () =>
      this.#conversation.subscriptions.unsubscribe(filters, given?.properties, settle),
    )
    return this
  }

  unsubscribeAsync(
    topics: string | readonly string[],
    options?: Pick<ClientSubscribeOptions, 'properties' | 'signal'>,
  ): Promise<PacketInWords | undefined> {
    return new Promise((resolve, reject) => {
      this.unsubscribe(topics, options, (error, packet) => (error ? reject(error) : resolve(packet)))
    })
  }

  end(callback?: EndCallback): this
  end(force?: boolean, callback?: EndCallback): this
  end(options?: EndOptions, callback?: EndCallback): this
  end(force?: boolean, options?: EndOptions, callback?: EndCallback): this
  end(...given: (boolean | EndOptions | EndCallback | undefined)[]): this {
    const force = given.find((one) => typeof one === 'boolean') ?? false
    const options = given.find((one): one is EndOptions => typeof one === 'object') ?? {}
    const callback = given.find((one): one is EndCallback => typeof one === 'function')
    if (this.disconnected) {
      if (callback !== undefined) process.nextTick(callback)
      return this
    }
    if (callback !== undefined) this.#whenEnded.push(callback)
    if (this.disconnecting && !force) return this
    this.disconnecting = true
    this.#conversation.leave(force, options)
    return this
  }

  endAsync(force?: boolean, options?: EndOptions): Promise<void>
  endAsync(options?: EndOptions): Promise<void>
  endAsync(force?: boolean | EndOptions, options?: EndOptions): Promise<void> {
    return new Promise((resolve) => {
      if (typeof force === 'object') this.end(force, () => resolve())
      else this.end(force ?? false, options ?? {}, () => resolve())
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.endAsync()
  }

  /** How many QoS 1 and 2 messages, SUBSCRIBEs and UNSUBSCRIBEs were asked for: numbers on the wire are the core's. */
  getLastMessageId(): number {
    return this.#messageCount
  }

  /** Subscribes with a handler of the filter's own; `message` is emitted too. */
  handle(
    topicFilter: string,
    handler: ReceivedHandler,
    options?: HandlerOptions,
  ): Promise<HandlerSubscription> {
    return handle(this, topicFilter, handler, options)
  }

  /** Subscribes, and gives the messages one by one: `for await (const message of client.messages('a/#'))`. */
  messages(topicFilter: string, options?: ClientMessagesOptions): ReceivedStream {
    return messages(this, topicFilter, options)
  }

  /** Publishes a request and resolves with the answer. 5.0 only. */
  request(topic: string, payload: string | Buffer, options?: RequestOptions): Promise<ReceivedMessage> {
    return request(this, topic, payload, options)
  }

  /** Answers the requests on a filter. 5.0 only. */
  respond(
    topicFilter: string,
    handler: RequestHandler,
    options?: RespondOptions,
  ): Promise<HandlerSubscription> {
    return respond(this, topicFilter, handler, options)
  }

  /**
   * Resolves when everything that was published at QoS 1 and 2 until now, and that the queue has taken, is in the store
   * (`options.store`): from then on it survives the process. At once without a store.
   */
  flushStore(): Promise<void> {
    if (this.disconnected) return Promise.reject(new MqttError('ERR_MQTT_CLIENT_ENDED'))
    return this.#conversation.flushStore()
  }

  /**
   * Authenticates once more on the open connection, with `options.authentication`. Resolves when the server has agreed;
   * where it does not, or cannot prove itself, the connection ends. 5.0 only.
   */
  reauthenticate(): Promise<void> {
    if (!this.connected) return Promise.reject(new MqttError('ERR_MQTT_NOT_CONNECTED'))
    return this.#conversation.reauthenticate()
  }

  /**
   * For subclasses, and whoever puts a function of their own in its place: called with each message, and the next one
   * comes when `done` is called. A QoS 1 or 2 message is acknowledged then, unless with an error.
   */
  handleMessage(_packet: ReceivedPublish, done: (error?: Error | null) => void): void {
    done()
  }

  #publish(
    topic: string,
    payload: Uint8Array | string,
    options: ClientPublishOptions | undefined,
    callback: PublishCallback | undefined,
  ): void {
    if (options?.qos === 1 || options?.qos === 2) this.#messageCount += 1
    if (options?.signal !== undefined) {
      this.#publishUntil(options.signal, topic, payload, options, callback)
      return
    }
    if (this.disconnecting) {
      this.#complain(new MqttError('ERR_MQTT_CLIENT_ENDED'), callback)
      return
    }
    try {
      this.#conversation.publish(topic, payload, options, callback)
    } catch (error) {
      this.#complain(error as Error, callback)
    }
  }

  /** The same, until the signal is aborted. */
  #publishUntil(
    signal: AbortSignal,
    topic: string,
    payload: Uint8Array | string,
    options: ClientPublishOptions,
    callback: PublishCallback | undefined,
  ): void {
    const conversation = this.#conversation
    const told: PublishCallback =
      callback ??
      ((error) => {
        if (error && !signal.aborted) conversation.report(error)
      })
    let publication: Publication | undefined
    const done: PublishDone = aborted(signal, told, () => {
      if (publication !== undefined) conversation.withdraw(publication)
    })
    if (signal.aborted) return
    if (this.disconnecting) {
      process.nextTick(done, new MqttError('ERR_MQTT_CLIENT_ENDED'))
      return
    }
    try {
      publication = conversation.publish(topic, payload, options, done)
    } catch (error) {
      process.nextTick(done, error as MqttError)
    }
  }

  #complain(error: Error, done: ((error: never) => void) | undefined): void {
    if (done !== undefined) process.nextTick(done, error)
    else this.#conversation.report(error)
  }

  /** A command that may turn out to be one that no packet can carry. */
  #attempt(settle: (error: MqttError) => void, work: () => void): void {
    this.#messageCount += 1
    if (this.disconnecting) {
      process.nextTick(settle, new MqttError('ERR_MQTT_CLIENT_ENDED'))
      return
    }
    try {
      work()
    } catch (error) {
      process.nextTick(settle, error as MqttError)
    }
  }

  #onEnd(): void {
    if (this.#onAbort !== undefined) this.options.signal?.removeEventListener('abort', this.#onAbort)
    this.emit('end')
    for (const callback of this.#whenEnded.splice(0)) callback()
  }

  /** Begins anew after `end`, with the subscriptions that there were. */
  #revive(): void {
    this.disconnected = false
    this.disconnecting = false
    this.#conversation = this.#converse(this.#conversation)
  }

  #converse(before?: Conversation): Conversation {
    const ordinary = MqttClient.prototype.handleMessage
    return new Conversation(this, this.#dialer, this.#chosenVersion, ordinary, () => this.#onEnd(), before)
  }
}
