/**
 * The broker as a user makes it: listeners and streams on one side, publishers and subscribers of this process on the
 * other, the native core between them. What the core is told and tells is in core.ts; what hooks are asked in hooks/.
 */
import { EventEmitter } from 'node:events'
import { createRequire } from 'node:module'
import type { Server, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { Announcer, tell } from './announcer.js'
import type { BrokerEvents } from './broker-events.js'
import { Core, type CoreListener } from './core.js'
import { type CoreOptions, coreOptions, nativeOptions } from './core-options.js'
import { CoreStore } from './core-store.js'
import { MqttError } from './errors.js'
import { EventKind, type EventReader } from './events.js'
import { type Farewell, resolveFarewell } from './farewell.js'
import { AuthenticationRunner } from './hooks/authentication.js'
import { HookRunner } from './hooks/runner.js'
import { ACCEPT_SENTENCE, silentSentence } from './listeners/advice.js'
import { type Listener, type ListenerAddress, listen } from './listeners/listener.js'
import { LocalSubscribers } from './local-subscribers.js'
import type { Logger } from './logger.js'
import { metricNames, type NativeRefusal } from './native.js'
import { type BrokerOptions, type ResolvedOptions, resolveOptions } from './options.js'
import type { Problem, ProblemReport } from './problems/problem.js'
import { ProblemRegistry } from './problems/registry.js'
import { ProblemWatch } from './problems/watch.js'
import { checkedPayload, nativeProperties, type PublishOptions } from './publishing.js'
import { statusHost } from './status/host.js'
import { StatusTopics } from './status/topics.js'
import type { StoreStatus } from './store-options.js'
import type {
  MessageHandler,
  MessageStream,
  MessagesOptions,
  SubscribeOptions,
  Subscription,
} from './subscription.js'
import { createMemoryPair } from './transports/memory.js'
import type { Adoption } from './transports/native-socket.js'
import { attachStream, type StreamInfo } from './transports/stream.js'
import type {
  Acceptor,
  PayloadTransport,
  TopicUrlRequest,
  Transport,
  TransportSink,
} from './transports/transport.js'

/** How a broker is closed, and what its clients are told. Default 0x8B, Server shutting down. */
export interface CloseOptions extends Farewell {
  /** How long connections may take to end in order, in milliseconds; then they are cut. Default 5000. */
  readonly drainTimeoutMs?: number
}

const DEFAULT_DRAIN_TIMEOUT_MS = 5_000
const SERVER_SHUTTING_DOWN = 0x8b
const ADMINISTRATIVE_ACTION = 0x98
const storeSentences = {
  failing: 'The store does not do its work. It is tried again; what needs it is refused until then.',
  damaged: 'The store is damaged. What needs it is refused until the broker is started anew.',
} as const
/** Connections beyond `maximumConnections` that may still be told so; further ones are cut without a word. */
const REFUSAL_ROOM = 1_000

/** See the head of this file. Made by `Broker.start`. */
export class Broker extends EventEmitter<BrokerEvents> implements Acceptor, AsyncDisposable {
  readonly options: ResolvedOptions
  readonly logger: Logger
  readonly #core: Core
  readonly #hooks: HookRunner
  readonly #authentication: AuthenticationRunner
  readonly #announcer: Announcer
  readonly #problems: ProblemRegistry
  readonly #problemWatch: ProblemWatch
  readonly #status: StatusTopics | undefined
  readonly #listeners: Listener[] = []
  readonly #subscribers: LocalSubscribers
  #storeState: StoreStatus['state'] = 'working'
  #closing: Promise<void> | undefined

  private constructor(options: ResolvedOptions, ofCore: CoreOptions, store: CoreStore | undefined) {
    super()
    this.options = options
    this.logger = options.logger
    const listener: CoreListener = {
      onEvent: (kind, reader) => this.#onEvent(kind, reader),
      onSilent: (peer) => this.logger.debug({ peer }, silentSentence(options.limits.connectTimeoutMs)),
      onAcceptProblem: (reason) => {
        this.logger.error({ reason }, ACCEPT_SENTENCE)
        this.reportProblem({ code: 'acceptFailed', text: `${ACCEPT_SENTENCE.slice(0, -1)}: ${reason}.` })
      },
      onStore: (status) => this.#onStore(status),
      onFailure: (error) => this.#onFailure(error),
    }
    this.#core = new Core(ofCore, listener, store)
    this.#subscribers = new LocalSubscribers(this.#core)
    this.#problems = new ProblemRegistry((problem) => tell(() => this.emit('problem', problem)))
    this.#problemWatch = new ProblemWatch(this.#problems)
    this.#hooks = new HookRunner(options, this.#core, (report) => this.reportProblem(report))
    this.#authentication = new AuthenticationRunner(options, this.#core)
    this.#status = options.status
      ? new StatusTopics(statusHost(this.#core, this.#problems, () => this.metrics()))
      : undefined
    this.#announcer = new Announcer(
      this,
      (id) => this.#core.connection(id),
      (name, event) => {
        this.#problemWatch.hear(name, event)
        this.#status?.hear(name, event)
      },
    )
  }

  /**
   * Makes a broker, with what its store holds where it has one, and opens its listeners. Without `port` and `listeners`
   * it listens nowhere.
   *
   * @throws MqttError ERR_MQTT_INVALID_OPTION, ERR_MQTT_ADDRESS_IN_USE, ERR_MQTT_LISTEN, ERR_MQTT_TLS or what is wrong
   * with the store: ERR_MQTT_STORE_IN_USE, ERR_MQTT_STORE_VERSION, ERR_MQTT_STORE_DAMAGED, ERR_MQTT_STORE_FAILED.
   */
  static async start(options: BrokerOptions = {}): Promise<Broker> {
    const resolved = resolveOptions(options)
    const ofCore = coreOptions(resolved, ownVersion())
    const epoch = Date.now() - performance.now()
    const store =
      resolved.store &&
      (await CoreStore.open(resolved.store, nativeOptions(ofCore), () => epoch + performance.now()))
    const broker = new Broker(resolved, ofCore, store)
    try {
      for (const listener of broker.options.listeners) broker.#listeners.push(await listen(listener, broker))
    } catch (error) {
      await broker.close()
      throw error
    }
    return broker
  }

  /** Where it listens, as bound. */
  get addresses(): readonly ListenerAddress[] {
    return this.#listeners.flatMap((listener) => listener.addresses)
  }

  /** Clients that are connected. */
  get connectedClients(): number {
    return this.metrics().clientsConnected ?? 0
  }

  /** How the store is; undefined without one. */
  get storeStatus(): StoreStatus | undefined {
    return this.#core.storeStatus
  }

  /**
   * Closes in order: no new connections, a DISCONNECT to every 5.0 client (0x8B; with a `serverReference` 0x9C), what is
   * still to be stored, then the end. A second call waits for the first.
   *
   * @throws MqttError ERR_MQTT_INVALID_OPTION, and then nothing is closed. ERR_MQTT_STORE_FAILED where the store could
   * not take everything; then the broker is closed all the same, and nobody was promised what is missing.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    const farewell = resolveFarewell(options, SERVER_SHUTTING_DOWN)
    this.#closing ??= this.#close(farewell, options.drainTimeoutMs ?? DEFAULT_DRAIN_TIMEOUT_MS)
    await this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /**
   * Takes any Duplex as an MQTT connection: a socket of your own server, a WebSocket stream, a pipe. Bound, so that
   * `net.createServer(broker.handle)` works.
   */
  readonly handle = (stream: Duplex, info?: unknown): void => {
    // `tls.createServer` and Aedes pass other things in the second place.
    const known = typeof info === 'object' && info !== null ? (info as StreamInfo) : {}
    const { protocol, remoteAddress } = known
    attachStream(this, stream, {
      ...(typeof protocol === 'string' && { protocol }),
      ...(typeof remoteAddress === 'string' && { remoteAddress }),
    })
  }

  /** The client's end of a connection without a socket: for unit tests, with any MQTT client that takes a stream. */
  connect(): Duplex {
    const [client, server] = createMemoryPair()
    attachStream(this, server, { protocol: 'memory', remoteAddress: 'memory' })
    return client
  }

  /**
   * Publishes from this process; hooks are not asked. Resolves when the message is as safe as its QoS asks for.
   *
   * @throws MqttError ERR_MQTT_INVALID_TOPIC_NAME, ERR_MQTT_PACKET_TOO_LARGE, ERR_MQTT_QUOTA_EXCEEDED (a subscriber's
   * queue or the retained limit is full), ERR_MQTT_INVALID_OPTION or ERR_MQTT_BROKER_CLOSED.
   */
  async publish(
    topicName: string,
    payload: string | Uint8Array,
    options: PublishOptions = {},
  ): Promise<void> {
    const { qos = 0, retain = false } = options
    const bytes = checkedPayload(topicName, payload, qos)
    const sequence = this.#core.publish(topicName, bytes, qos, retain, nativeProperties(options))
    if (sequence < 0) throw new MqttError('ERR_MQTT_QUOTA_EXCEEDED', undefined, { reasonCode: 0x97 })
    if (sequence > 0) await this.#core.stored(sequence)
  }

  /**
   * Subscribes this process. The handler is called with each message, the retained ones first.
   *
   * @throws MqttError ERR_MQTT_INVALID_TOPIC_FILTER, ERR_MQTT_INVALID_OPTION or ERR_MQTT_BROKER_CLOSED.
   */
  subscribe(topicFilter: string, handler: MessageHandler, options: SubscribeOptions = {}): Subscription {
    const subscription = this.#subscribers.subscribe(topicFilter, handler, options)
    this.#status?.subscribed(topicFilter)
    return subscription
  }

  /**
   * The messages of a filter, for `for await`. Leaving the loop, aborting the signal or closing the broker ends it.
   *
   * @throws MqttError ERR_MQTT_INVALID_TOPIC_FILTER or ERR_MQTT_BROKER_CLOSED.
   */
  messages(topicFilter: string, options: MessagesOptions = {}): MessageStream {
    return this.#subscribers.messages(topicFilter, options, (...given) => this.subscribe(...given))
  }

  /**
   * Ends a client's connection; a 5.0 client is told why: a Reason Code (default 0x98, Administrative action), or a
   * whole farewell. False where no such client is connected.
   *
   * @throws MqttError ERR_MQTT_INVALID_OPTION or ERR_MQTT_BROKER_CLOSED.
   */
  disconnect(clientId: string, farewell: number | Farewell = {}): boolean {
    const given = typeof farewell === 'number' ? { reasonCode: farewell } : farewell
    return this.#core.disconnectClient(clientId, resolveFarewell(given, ADMINISTRATIVE_ACTION))
  }

  /** Counters since the start and gauges as they stand, by name. */
  metrics(): Readonly<Record<string, number>> {
    const values = this.#core.metrics()
    return Object.fromEntries(metricNames().map((name, index) => [name, values[index] ?? 0]))
  }

  /** What has gone wrong lately, the most recent first; at most 50. */
  get problems(): readonly Problem[] {
    return this.#problems.list
  }

  /** For listeners: something has gone wrong. */
  reportProblem(report: ProblemReport): void {
    this.#problems.report(report)
  }

  /** For listeners: takes an MQTT Network Connection. */
  attach(transport: Transport): TransportSink {
    return this.#admit(transport) ?? this.#core.open(transport)
  }

  /** For listeners: takes a connection away from Node. False where it has to be attached. */
  adopt(socket: Socket, adoption: Adoption): boolean {
    return this.#hasRoom() && this.#core.adopt(socket, adoption)
  }

  /** For listeners: accepts what comes to a server. undefined where Node goes on doing so. */
  listen(server: Server, onStranger: (socket: Socket) => void): (() => void) | undefined {
    const { maximumConnections, connectTimeoutMs } = this.options.limits
    return this.#core.listen(server, {
      timeoutMs: connectTimeoutMs,
      mostNewcomers: maximumConnections,
      mostSockets: maximumConnections + REFUSAL_ROOM,
      onStranger,
    })
  }

  /** For listeners: takes a topic URL. */
  attachTopicUrl(transport: PayloadTransport, request: TopicUrlRequest): TransportSink {
    return this.#admit(transport) ?? this.#core.openTopicUrl(transport, request)
  }

  #hasRoom(): boolean {
    const most = this.options.limits.maximumConnections + REFUSAL_ROOM
    return this.#closing === undefined && this.#core.openCount < most
  }

  /** Far past the limit, and when closing, a connection is not even told why it is refused. */
  #admit(transport: Transport | PayloadTransport): TransportSink | undefined {
    if (this.#hasRoom()) return undefined
    if (this.#closing === undefined) {
      const text = 'A connection was cut: far more are open than maximumConnections.'
      this.reportProblem({ code: 'tooManyConnections', text, remoteAddress: transport.remoteAddress })
    }
    setImmediate(() => transport.destroy())
    return { receive() {}, drained() {}, closed() {} }
  }

  async #close(farewell: NativeRefusal, drainTimeoutMs: number): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.close()))
    // The turn that hands over what was published before this call comes first.
    await new Promise((resolve) => setImmediate(resolve))
    this.#subscribers.endStreams()
    this.#status?.stop()
    this.#core.shutDown(farewell)
    await this.#connectionsEnded(drainTimeoutMs)
    this.#subscribers.clear()
    const isStored = await this.#core.closeStore(drainTimeoutMs)
    this.#core.stop()
    this.emit('close')
    if (!isStored) {
      const text = 'The broker was closed, but its store could not take what nobody had been promised yet.'
      throw new MqttError('ERR_MQTT_STORE_FAILED', text)
    }
  }

  /** Resolves when no connection is open; those that take too long are cut. */
  async #connectionsEnded(drainTimeoutMs: number): Promise<void> {
    const deadline = performance.now() + drainTimeoutMs
    while (this.#core.openCount > 0) {
      if (performance.now() >= deadline) {
        this.#core.destroyConnections()
        // Transports report their end in a later turn.
        await new Promise((resolve) => setTimeout(resolve, 10))
        return
      }
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  /** Told when trouble begins and when it ends, and not of each attempt between. */
  #onStore(status: StoreStatus): void {
    if (status.state === this.#storeState) return
    this.#storeState = status.state
    const { path } = this.options.store ?? {}
    if (status.state === 'working') this.logger.warn({ path }, 'The store does its work again.')
    else this.logger.error({ path, reason: status.problem }, storeSentences[status.state])
    // As clients are told: it may yet be stored, but nobody can say when.
    if (status.state !== 'working') this.#core.abandonStored(status.problem)
    this.#problemWatch.hearOfStore(status)
    tell(() => this.emit('store', status))
  }

  #onFailure(error: MqttError): void {
    this.logger.error({ err: error, code: error.code }, error.message)
    this.#subscribers.endStreams()
    this.#status?.stop()
    if (this.listenerCount('error') > 0) tell(() => this.emit('error', error))
  }

  /** Reads one event to its end, then tells those who listen. */
  #onEvent(kind: number, reader: EventReader): void {
    switch (kind) {
      case EventKind.message:
        this.#subscribers.deliver(reader)
        break
      case EventKind.askAuthenticate:
        this.#hooks.askAuthenticate(reader)
        break
      case EventKind.askEnhancedAuthentication:
        this.#authentication.ask(reader)
        break
      case EventKind.askPublish:
        this.#hooks.askPublish(reader)
        break
      case EventKind.askSubscribe:
        this.#hooks.askSubscribe(reader)
        break
      default:
        this.#announcer.announce(kind, reader)
    }
  }
}

function ownVersion(): string {
  return (createRequire(import.meta.url)('../package.json') as { version: string }).version
}
