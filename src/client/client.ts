/**
 * What a program has of a client: the words of MQTT.js, and what they do. Connections are in `connections.ts`, messages on
 * their way out in `outgoing.ts`, subscriptions in `subscriptions.ts`; the protocol is in Rust, behind `engine.ts`.
 */
import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import { encode } from '../codec/encode.js'
import type { Packet } from '../codec/packets.js'
import { MqttError } from '../errors.js'
import { type ClientEvents, type ConnackWords, type PacketInWords, packetInWords } from './client-events.js'
import type { ReceivedMessage } from './client-like.js'
import { ACKNOWLEDGE, command, flushCommands } from './commands.js'
import { Connections } from './connections.js'
import { type ConnectionOptions, type Dialer, StreamDialer } from './dialer.js'
import { Engine } from './engine.js'
import type { Closing, EngineListener } from './engine-listener.js'
import { refusal } from './failures.js'
import { type HandlerOptions, type HandlerSubscription, handle, type ReceivedHandler } from './handlers.js'
import { Inbox } from './inbox.js'
import { type ClientMessagesOptions, messages, type ReceivedStream } from './messages.js'
import { UNKNOWN_DELIVERY } from './native-clients.js'
import { type CheckedOptions, checkOptions, type MqttOptions, nativeOptions } from './options.js'
import { type ClientPublishOptions, Outgoing, type PublishDone, type PublishReceipt } from './outgoing.js'
import type { ReceivedPublish } from './received.js'
import { type RequestOptions, request } from './request.js'
import { type RequestHandler, type RespondOptions, respond } from './respond.js'
import { AuthenticationSteps } from './steps.js'
import { type ClientSubscribeOptions, type SubscriptionGrant, Subscriptions } from './subscriptions.js'
import { Topics, type TopicsToSubscribe } from './topics.js'
import { aborted, type GivenUserProperties, ownProperties, type PacketWords } from './words.js'

/** All options of a client. */
export interface ClientOptions extends MqttOptions, Omit<ConnectionOptions, keyof MqttOptions> {
  /** Ends the client when it is aborted. */
  readonly signal?: AbortSignal | undefined
}

/** What a DISCONNECT may say: 5.0. */
export interface EndOptions {
  readonly reasonCode?: number | undefined
  readonly properties?:
    | {
        readonly sessionExpiryInterval?: number | undefined
        readonly reasonString?: string | undefined
        readonly userProperties?: GivenUserProperties | undefined
      }
    | undefined
}

export type PublishCallback = (error?: Error | null, receipt?: PublishReceipt) => void
export type SubscribeCallback = (
  error: Error | null,
  granted?: SubscriptionGrant[],
  packet?: PacketInWords,
) => void
export type UnsubscribeCallback = (error?: Error | null, packet?: PacketInWords) => void
export type EndCallback = (error?: Error) => void

/** Gives a stream for each connection. */
export type StreamBuilder = (client: MqttClient) => Duplex | Promise<Duplex>

/** An MQTT client. `connect` and `connectAsync` make one. */
export class MqttClient extends EventEmitter<ClientEvents> {
  readonly options: ClientOptions & CheckedOptions
  connected = false
  reconnecting = false
  disconnecting = false
  /** `end` has been called, and is done. */
  disconnected = false
  readonly #chosenVersion: 3 | 4 | 5 | undefined
  #connack: PacketWords | undefined
  readonly #dialer: Dialer
  readonly #steps: AuthenticationSteps
  #engine: Engine
  #outgoing: Outgoing
  #subscriptions: Subscriptions
  #connections: Connections
  #inbox: Inbox | undefined
  #messageCount = 0
  #wasEmpty = true
  readonly #whenEnded: EndCallback[] = []
  #onAbort: (() => void) | undefined
  /** Somebody has listened for `packetreceive`. To ask each time takes as long as to decode a message. */
  #wantsPackets = false
  /** The DISCONNECT has been said. */
  #isLeaving = false
  /** What is said in it as soon as everything has left. */
  #farewell: EndOptions | undefined

  /**
   * `source` gives a stream for each connection; `connect` has one that dials.
   *
   * @throws MqttError ERR_MQTT_INVALID_OPTION or ERR_MQTT_INVALID_PACKET for options that cannot be.
   */
  constructor(source: StreamBuilder | Dialer, options: ClientOptions = {}) {
    super()
    this.options = checkOptions(options)
    this.#chosenVersion = options.protocolVersion
    this.options.protocolVersion ??= 5
    // biome-ignore lint/suspicious/noExplicitAny: the types of Node leave this event out where others are declared
    ;(this as EventEmitter<any>).on('newListener', (name: string | symbol) => {
      if (name === 'packetreceive') this.#wantsPackets = true
      if (name === 'packetsend' && this.listenerCount(name) === 0) this.#showSent()
    })
    this.#dialer = typeof source === 'function' ? new StreamDialer(async () => source(this)) : source
    this.#steps = new AuthenticationSteps(this.options.authentication, (error) => {
      this.#connections.refuse(error)
    })
    this.#engine = new Engine(nativeOptions(this.options), this.#listener())
    this.#subscriptions = new Subscriptions(this.#engine, (error) => this.#report(error))
    this.#outgoing = new Outgoing(this.#engine, this.options)
    this.#connections = this.#makeConnections()
    const { signal } = options
    if (signal?.aborted === true) process.nextTick(() => this.end(true))
    else if (signal !== undefined) {
      this.#onAbort = () => this.end(true)
      signal.addEventListener('abort', this.#onAbort, { once: true })
    }
    if (this.options.manualConnect !== true) this.#connections.open()
  }

  /** What the server said in its CONNACK. */
  get serverProperties(): PacketWords | undefined {
    return this.#connack
  }

  /** The Keep Alive in use, in seconds. */
  get keepalive(): number {
    return this.connected ? this.#engine.keepAliveSecs : this.options.keepalive
  }

  /** The version of the connection, or that the next one is tried with: 3, 4 (that is 3.1.1) or 5. */
  get protocolVersion(): 3 | 4 | 5 {
    return this.#connections.version
  }

  /** The client identifier in use, which the server may have assigned. */
  get clientId(): string {
    return this.#connections.clientId
  }

  /** Messages that wait for a connection, for the server's window or for the transport. */
  get queuedCount(): number {
    return this.disconnected ? 0 : this.#outgoing.backlogCount + this.#engine.queuedCount
  }

  /** Connects, where `manualConnect` or `reconnectPeriod: 0` left that to the application. */
  connect(): this {
    if (this.disconnected) this.#revive()
    this.#connections.open()
    return this
  }

  /** Connects now instead of when the wait is over, and also after `end`. */
  reconnect(): this {
    if (this.disconnected) this.#revive()
    if (this.#connections.isActive || this.disconnecting) return this
    this.reconnecting = true
    this.emit('reconnect')
    this.#connections.open()
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
      else if (error !== undefined) this.#report(error)
    })
    this.#attempt(settle, () => this.#subscriptions.subscribe(lines, settle))
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
      else if (error !== undefined) this.#report(error)
    })
    this.#attempt(settle, () => this.#subscriptions.unsubscribe(filters, given?.properties, settle))
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
    this.#farewell = options
    // What was published in this turn counts.
    flushCommands()
    if (this.disconnected) return this
    if (force) this.#leave(true)
    else if (!this.connected && !(this.#connections.isActive && !this.#isEmpty)) this.#leave(true)
    else this.#leaveWhenEmpty()
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
   * Authenticates once more on the open connection, with `options.authentication`. Resolves when the server has agreed;
   * where it does not, or cannot prove itself, the connection ends. 5.0 only.
   */
  reauthenticate(): Promise<void> {
    if (!this.connected) return Promise.reject(new MqttError('ERR_MQTT_NOT_CONNECTED'))
    return this.#steps.again(this.#engine)
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
    const done: PublishDone | undefined =
      callback === undefined || options?.signal === undefined ? callback : aborted(options.signal, callback)
    if (options?.qos === 1 || options?.qos === 2) this.#messageCount += 1
    this.#wasEmpty = false
    if (this.disconnecting || options?.signal?.aborted === true) {
      if (this.disconnecting) this.#complain(new MqttError('ERR_MQTT_CLIENT_ENDED'), done)
      return
    }
    try {
      this.#outgoing.publish(topic, payload, options, done)
    } catch (error) {
      this.#complain(error as Error, done)
    }
  }

  #complain(error: Error, done: ((error: never) => void) | undefined): void {
    if (done !== undefined) process.nextTick(done, error)
    else this.#report(error)
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

  get #isEmpty(): boolean {
    return this.#outgoing.isEmpty && this.#subscriptions.isEmpty
  }

  #leaveWhenEmpty(): void {
    if (this.connected && !this.#isLeaving && this.#isEmpty) this.#leave(false)
  }

  /** Says DISCONNECT where there is somebody to hear it, and closes. */
  #leave(force: boolean): void {
    this.#connections.stop()
    if (!this.#connections.isActive) {
      process.nextTick(() => this.#ended())
      return
    }
    if (force && (!this.connected || this.#engine.isFull)) {
      this.#engine.destroy()
      return
    }
    this.#isLeaving = true
    const { reasonCode = 0, properties } = this.#farewell ?? {}
    const isV5 = this.protocolVersion === 5
    const packet = encode(
      {
        type: 'disconnect',
        reasonCode: isV5 ? reasonCode : 0,
        properties: isV5 ? (ownProperties(properties) as object) : {},
      },
      { protocolVersion: 5 },
    )
    command(this.#engine, packet, {
      accepted: () => {},
      refused: () => process.nextTick(() => this.#engine.destroy()),
    })
  }

  #ended(error = new MqttError('ERR_MQTT_CLIENT_ENDED')): void {
    if (this.disconnected) return
    if (this.#onAbort !== undefined) this.options.signal?.removeEventListener('abort', this.#onAbort)
    this.disconnected = true
    this.connected = false
    this.reconnecting = false
    this.#outgoing.failAll(error)
    this.#subscriptions.failAll(error)
    this.#steps.over(error)
    this.#engine.end()
    this.emit('end')
    for (const callback of this.#whenEnded.splice(0)) callback()
  }

  /** Begins anew after `end`, with the subscriptions that there were. */
  #revive(): void {
    this.disconnected = false
    this.disconnecting = false
    this.#isLeaving = false
    this.#farewell = undefined
    this.#engine = new Engine(nativeOptions(this.options), this.#listener())
    if (this.listenerCount('packetsend') > 0) this.#showSent()
    this.#subscriptions = this.#subscriptions.successor(this.#engine)
    this.#outgoing = new Outgoing(this.#engine, this.options)
    this.#connections = this.#makeConnections()
  }

  #makeConnections(): Connections {
    const client = this
    const chosen = this.#chosenVersion
    return new Connections(this.#engine, this.#dialer, this.options, chosen, {
      get isManual() {
        return client.#prepareInbox()
      },
      lost: (wasConnected, error) => this.#lost(wasConnected, error),
      offline: () => this.emit('offline'),
      reconnecting: () => {
        this.reconnecting = true
        this.emit('reconnect')
      },
    })
  }

  /** Whether messages are acknowledged one by one, and by whom, is decided for each connection. */
  #prepareInbox(): boolean {
    const { customHandleAcks, manualAcknowledge = false } = this.options
    const isOrdinary = this.handleMessage === MqttClient.prototype.handleMessage
    if (isOrdinary && customHandleAcks === undefined) {
      this.#inbox = undefined
      return manualAcknowledge
    }
    this.#inbox ??= new Inbox({
      acknowledge: customHandleAcks,
      isManual: manualAcknowledge,
      emit: (message) => this.emit('message', message.topic, message.payload, message),
      handle: (message, done) => this.handleMessage(message, done),
      report: (error) => this.#report(error),
      pause: () => this.#engine.pause(),
      resume: () => this.#engine.resume(),
    })
    this.#inbox.reset()
    return true
  }

  #listener(): EngineListener {
    return {
      message: (message) => {
        if (this.#inbox !== undefined) this.#inbox.push(message)
        else this.emit('message', message.topic, message.payload, message)
        if (this.#wantsPackets) this.emit('packetreceive', message)
      },
      connected: (_sessionPresent, packet) => {
        if (this.#steps.accepted(packet)) this.#onConnected(packet)
      },
      published: (ticket, reasonCode, packet) => {
        this.#outgoing.onPublished(ticket, reasonCode, packet)
        const answer = this.#wantsPackets ? packet() : undefined
        if (answer !== undefined) this.#received(answer)
        this.#settled()
      },
      answered: (ticket, packet) => {
        this.#subscriptions.onAnswered(ticket, packet)
        this.#received(packet)
        this.#settled()
      },
      abandoned: (ticket, cause, words) => {
        if (!this.#subscriptions.onAbandoned(ticket, cause, words)) {
          this.#outgoing.onAbandoned(ticket, cause, words)
        }
        this.#settled()
      },
      authenticate: (packet) => {
        this.#received(packet)
        this.#steps.answer(this.#engine, packet)
      },
      reauthenticated: (packet) => {
        if (this.#steps.accepted(packet)) this.#received(packet)
      },
      refused: (code, words, packet, apart) => {
        if (packet[0] === ACKNOWLEDGE) {
          // Too late is no mistake: the server sends the message again.
          const error = refusal(code, words, 'ERR_MQTT_INVALID_TOPIC_NAME')
          if (code !== UNKNOWN_DELIVERY) process.nextTick(() => this.#report(error))
          return
        }
        const error = this.#outgoing.onRefusedUnawaited(code, words, packet, apart)
        if (error !== undefined) process.nextTick(() => this.#report(error))
      },
      written: () => {
        this.#outgoing.onWritten()
        this.#settled()
      },
      closing: (closing) => this.#onClosing(closing),
      gone: (error) => this.#connections.onGone(error),
      failed: (error) => {
        this.disconnecting = true
        this.#connections.stop()
        this.#report(error)
        this.#ended(error)
      },
    }
  }

  #showSent(): void {
    this.#engine.showSent((packet) => this.emit('packetsend', packet))
  }

  #received(packet: Packet): void {
    if (this.listenerCount('packetreceive') > 0) this.emit('packetreceive', packetInWords(packet))
  }

  #settled(): void {
    if (this.disconnecting && !this.disconnected) this.#leaveWhenEmpty()
    if (this.#wasEmpty || this.listenerCount('outgoingEmpty') === 0 || !this.#outgoing.isEmpty) return
    this.#wasEmpty = true
    process.nextTick(() => this.emit('outgoingEmpty'))
  }

  #onConnected(packet: Packet): void {
    const words = packetInWords(packet) as ConnackWords
    this.connected = true
    this.reconnecting = false
    this.#connack = words.properties
    this.#connections.onConnected(packet)
    this.options.protocolVersion = this.#connections.version
    this.options.clientId = this.#connections.clientId
    this.#outgoing.isConnected = true
    this.#subscriptions.onConnected(this.options.resubscribe && !words.sessionPresent)
    this.#received(packet)
    this.emit('connect', words)
    this.#outgoing.release()
    if (this.disconnecting) this.#leaveWhenEmpty()
  }

  #onClosing(closing: Closing): void {
    this.#connections.onClosing(closing)
    this.#steps.closing(closing)
    if (closing.packet !== undefined) this.#received(closing.packet)
    if (closing.kind === 'byServer' && closing.packet !== undefined) {
      this.emit('disconnect', packetInWords(closing.packet))
    }
  }

  #lost(wasConnected: boolean, error: MqttError | undefined): void {
    this.connected = false
    this.#connack = undefined
    this.#steps.over(error)
    if (wasConnected) {
      this.#outgoing.onLost()
      this.#subscriptions.isConnected = false
    }
    if (error !== undefined) this.#report(error)
    this.emit('close')
    if (!this.disconnecting) return
    this.#connections.stop()
    this.#ended()
  }

  /** An error that nobody waits for. MQTT.js swallows it where there is no listener, and programs rely on that. */
  #report(error: Error): void {
    if (this.listenerCount('error') > 0) this.emit('error', error)
  }
}
