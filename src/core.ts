/**
 * Drives the native core: gives it chunks, and once a turn of the event loop takes what it has, for sockets and for
 * subscribers of this process. Here is the boundary of `docs/architecture.md`: one native call per chunk, one per
 * arena of output, one for all events of a turn.
 *
 * A turn ends with `setImmediate`, after every socket that was readable has been read, so that all that was said to
 * one connection in a turn is one write.
 */
import type { Server, Socket } from 'node:net'
import { type AnyConnection, Connection, TopicConnection } from './connection.js'
import { type Answer, tellAnswer } from './core-answer.js'
import { CoreConnections } from './core-connections.js'
import { CoreDispatch } from './core-dispatch.js'
import { type CoreOptions, nativeOptions } from './core-options.js'
import { CoreOutput, closeReason } from './core-output.js'
import { CoreSockets } from './core-sockets.js'
import type { CoreStore } from './core-store.js'
import { CoreTimer } from './core-timer.js'
import { MqttError } from './errors.js'
import type { EventReader } from './events.js'
import {
  ARRIVED,
  ENDED,
  EVENTS,
  fromNative,
  HELD,
  type NativeAuthenticationStep,
  NativeBroker,
  type NativeClientStatistics,
  type NativeProperties,
  type NativeRefusal,
  OUTPUT,
  RESUMED,
  STORE,
  STORE_CHANGED,
} from './native.js'
import type { StoreStatus } from './store-options.js'
import type { Adoption, Listening } from './transports/native-socket.js'
import type { PayloadTransport, TopicUrlRequest, Transport } from './transports/transport.js'

/** Whom the core tells. */
export interface CoreListener {
  /** One event is at the front of the reader, and must be read to its end. */
  onEvent(kind: number, reader: EventReader): void
  /** Somebody came to a port of the core's own, said nothing and was dropped. */
  onSilent(remoteAddress: string): void
  /** Somebody could not be let in at a port of the core's own. */
  onAcceptProblem(reason: string): void
  /** The store has begun to fail, or has ceased to. */
  onStore(status: StoreStatus): void
  /** The core met a bug and is gone; all connections have been ended. */
  onFailure(error: MqttError): void
}

/** See the head of this file. */
export class Core {
  readonly #native: NativeBroker
  readonly #listener: CoreListener
  readonly #connections = new CoreConnections()
  readonly #epoch = Date.now() - performance.now()
  #isTurnDue = false
  readonly #timer = new CoreTimer(() => this.#tick())
  #failure: MqttError | undefined
  readonly #sockets: CoreSockets
  readonly #output: CoreOutput
  readonly #dispatch: CoreDispatch
  /** undefined where what is promised is kept in memory. */
  readonly #store: CoreStore | undefined

  /** With a store the core is the one that was made from it. */
  constructor(options: CoreOptions, listener: CoreListener, store?: CoreStore) {
    this.#listener = listener
    this.#store = store
    this.#native = store?.native ?? new NativeBroker(nativeOptions(options), this.now())
    if (store !== undefined) store.onNews = () => this.#hearOfStore(store)
    this.#sockets = new CoreSockets(this.#native, options.socketDriver, this.#turn)
    this.#output = new CoreOutput(this.#native, (id) => this.#connections.at(id))
    this.#dispatch = new CoreDispatch(this.#native, {
      now: () => this.now(),
      schedule: (status) => this.#schedule(status),
      collectArrivals: () => this.#collectArrivals(),
      onEvent: (kind, reader) => listener.onEvent(kind, reader),
    })
    this.#armTimer()
  }

  /** Milliseconds since 1970 that never go back. */
  now(): number {
    return this.#epoch + performance.now()
  }

  /** Connections that the core knows. */
  get openCount(): number {
    return this.#connections.openCount
  }

  /** Those that are open, with holes between them. */
  get connections(): readonly (AnyConnection | undefined)[] {
    return this.#connections.all
  }

  connection(id: number): AnyConnection | undefined {
    return this.#connections.at(id)
  }

  /** Opens a connection. Bytes may follow at once. */
  open(transport: Transport): Connection {
    const connection = new Connection(this, transport, this.#native.open(this.now()))
    this.#add(connection)
    return connection
  }

  /** See `CoreSockets.listen`. */
  listen(server: Server, listening: Listening): (() => void) | undefined {
    return this.#failure === undefined ? this.#sockets.listen(server, listening) : undefined
  }

  /** Opens a connection whose socket the core drives itself. False, and nothing done, where Node keeps the socket. */
  adopt(socket: Socket, adoption: Adoption): boolean {
    if (this.#failure !== undefined) return false
    const adopted = this.#sockets.adopt(socket, adoption, this.now())
    if (adopted === undefined) return false
    this.#add(new Connection(this, adopted.transport, adopted.id))
    this.#schedule(this.#native.status())
    return true
  }

  /** Opens the connection of a topic URL; a refusal comes as its end. */
  openTopicUrl(transport: PayloadTransport, request: TopicUrlRequest): TopicConnection {
    const { topicFilter, qos, retained, clientId = '', username, password } = request
    const native = {
      topicFilter,
      qos,
      retained,
      clientId,
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
    }
    const id = this.#native.openTopicUrl(native, this.now())
    const connection = new TopicConnection(this, transport, id, request)
    this.#add(connection)
    this.#follow(connection, this.#native.status())
    return connection
  }

  /** A chunk was read. Its bytes are only used during the call. */
  receive(connection: AnyConnection, bytes: Uint8Array): void {
    if (this.#failure !== undefined) return
    try {
      this.#dispatch.giveAnswers()
      const status = this.#native.receive(connection.id, bytes, bytes.length, this.now())
      if (status !== 0) this.#follow(connection, status)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** A transport that was full is not any more. */
  drained(connection: AnyConnection): void {
    this.#run(() => this.#schedule(this.#native.writable(connection.id)))
  }

  /**
   * A transport is gone. The core hears of it at the end of the turn, where its number stays this connection's until
   * the events about it have been told.
   */
  closed(connection: AnyConnection): void {
    if (this.#failure?.code === 'ERR_MQTT_PANIC') {
      this.#connections.discount(1)
      return
    }
    this.#connections.lose(connection)
    this.#schedule(EVENTS)
  }

  /** Answers a question. */
  decide(connectionId: number, token: number, answer: Answer): void {
    const connection = this.#connections.at(connectionId)
    if (connection === undefined || this.#failure?.code === 'ERR_MQTT_PANIC') return
    try {
      this.#dispatch.giveAnswers()
      this.#follow(connection, tellAnswer(this.#native, connectionId, token, answer, this.now()))
    } catch (error) {
      this.#fail(error)
    }
  }

  /** A question about a message is about to be put to its hooks. False where it is void: then it comes again. */
  beginQuestion(connection: AnyConnection, token: number, isAhead: boolean): boolean {
    return this.#dispatch.beginQuestion(connection, token, isAhead)
  }

  /** Answers it, where that is possible at once. */
  endQuestion(connection: AnyConnection, token: number, answer: number): void {
    if (!this.#dispatch.keepAnswer(connection, token, answer)) this.decide(connection.id, token, answer)
  }

  /** Answers the question of an authentication method that does not refuse. */
  decideAuthentication(connectionId: number, token: number, step: NativeAuthenticationStep): void {
    const connection = this.#connections.at(connectionId)
    if (connection === undefined) return
    this.#run(() => {
      this.#follow(connection, this.#native.decideAuthentication(connectionId, token, step, this.now()))
    })
  }

  /**
   * Publishes. Returns what to wait for with `stored`, 0 for nothing, or -1 where a limit was reached.
   *
   * @throws MqttError for a topic name or a size that is not possible.
   */
  publish(
    topicName: string,
    payload: Uint8Array,
    qos: number,
    retain: boolean,
    properties: NativeProperties | undefined,
  ): number {
    return this.#call(() => this.#native.publish(topicName, payload, qos, retain, properties, this.now()))
  }

  /** @throws MqttError for a filter that is not possible. */
  subscribe(handle: number, topicFilter: string, wantsRetained: boolean): void {
    this.#call(() => this.#native.subscribe(handle, topicFilter, wantsRetained, this.now()))
  }

  unsubscribe(handle: number): void {
    if (this.#failure === undefined) this.#call(() => this.#native.unsubscribe(handle, this.now()))
  }

  disconnectClient(clientId: string, farewell: NativeRefusal): boolean {
    return this.#call(() => this.#native.disconnectClient(clientId, farewell, this.now()))
  }

  /** Tells every client that the broker is going down. The connections end as their output leaves. */
  shutDown(farewell: NativeRefusal): void {
    this.#run(() => {
      this.#native.shutDown(farewell, this.now())
      this.#schedule(OUTPUT | EVENTS)
    })
  }

  /** Ends every connection at once. */
  destroyConnections(): void {
    for (const connection of this.#connections.all) connection?.destroy()
  }

  /** Resolves when what `publish` has said to wait for is as safe as its QoS asks for. */
  async stored(sequence: number): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    await this.#store?.stored(sequence)
  }

  /** Whoever waits for the store is told that it does not do its work. */
  abandonStored(problem: string | undefined): void {
    this.#store?.abandon(new MqttError('ERR_MQTT_STORE_FAILED', problem))
  }

  /** How the store is; undefined without one. */
  get storeStatus(): StoreStatus | undefined {
    return this.#store?.status
  }

  /** Stores what there is and closes the store. False where not everything could be stored in this time. */
  async closeStore(mostMs: number): Promise<boolean> {
    const store = this.#store
    if (store === undefined) return true
    this.#native.hurryStore()
    this.#schedule(STORE)
    const isDone = this.#failure === undefined && (await store.done(mostMs))
    await store.close()
    return isDone
  }

  /** Nothing is called after this. */
  stop(): void {
    this.#timer.stop()
    this.#native.letSocketsGo()
    this.#failure ??= new MqttError('ERR_MQTT_BROKER_CLOSED')
  }

  metrics(): readonly number[] {
    return this.#call(() => this.#native.metrics())
  }

  /** The figures of a client; null where it has no session. */
  clientStatistics(clientId: string): NativeClientStatistics | null {
    return this.#call(() => this.#native.clientStatistics(clientId))
  }

  /** Whether it is closed, or has met a bug. */
  get hasFailed(): boolean {
    return this.#failure !== undefined
  }

  /** Whether somebody who is there has subscribed to a topic. */
  hasListener(topicName: string): boolean {
    return this.#call(() => this.#native.hasListener(topicName))
  }

  #add(connection: AnyConnection): void {
    this.#connections.add(connection)
    this.#armTimer()
  }

  /** Does what a status asks for. Questions are answered now, as far as their hooks answer now. */
  #follow(connection: AnyConnection, status: number): void {
    this.#dispatch.follow(connection, (status & HELD) !== 0)
    this.#schedule(status)
  }

  #schedule(status: number): void {
    if (this.#isTurnDue || (status & (OUTPUT | EVENTS | ENDED | ARRIVED | STORE)) === 0) return
    this.#isTurnDue = true
    setImmediate(this.#turn)
  }

  readonly #turn = (): void => {
    this.#isTurnDue = false
    if (this.#failure?.code === 'ERR_MQTT_PANIC') return
    try {
      this.#collectArrivals()
      this.#collectEnded()
      const gone = this.#connections.takeGone()
      for (const connection of gone) this.#native.close(connection.id, this.now())
      this.#dispatch.run()
      for (const connection of gone) this.#connections.forget(connection)
      if (this.#store !== undefined) this.#native.giveStoreWork()
      this.#flushSockets()
      this.#output.drain(() => this.now())
      this.#armTimer()
      this.#schedule(this.#native.status())
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Who has come to the core's own ports. Whatever is told of a connection is told after this. */
  #collectArrivals(): void {
    const arrivals = this.#sockets.takeArrivals()
    if (arrivals === undefined) return
    for (const { id, transport } of arrivals.connections) this.#add(new Connection(this, transport, id))
    for (const remoteAddress of arrivals.silent) this.#listener.onSilent(remoteAddress)
    if (arrivals.problem !== undefined) this.#listener.onAcceptProblem(arrivals.problem)
  }

  /** The store's thread has done something. What waited for it leaves at the end of this turn. */
  #hearOfStore(store: CoreStore): void {
    this.#run(() => {
      const status = this.#native.takeStoreNews(this.now())
      if ((status & STORE_CHANGED) !== 0) this.#listener.onStore(store.status)
      if ((status & RESUMED) !== 0) this.#resume()
      store.settle()
      this.#schedule(OUTPUT)
    })
  }

  /** Connections had to wait for the store. Those of sockets that the core drives are read already. */
  #resume(): void {
    for (const id of this.#native.resumedConnections()) {
      const connection = this.#connections.at(id)
      if (connection !== undefined) this.#dispatch.follow(connection, false)
    }
  }

  /** Sockets of the core's own that are gone. */
  #collectEnded(): void {
    for (const id of this.#sockets.takeEnded()) {
      const connection = this.#connections.at(id)
      if (connection !== undefined) this.#connections.lose(connection)
    }
  }

  /** Writes to the core's own sockets. A WebSocket among them is closed in words, which the events have told. */
  #flushSockets(): void {
    for (const [id, reasonCode] of this.#sockets.flush()) {
      const connection = this.#connections.at(id)
      connection?.end(closeReason(connection, reasonCode))
    }
  }

  #armTimer(): void {
    const now = this.now()
    this.#timer.arm(now, this.#native.nextTickIn(now))
  }

  #tick(): void {
    this.#run(() => {
      this.#schedule(this.#native.tick(this.now()))
      this.#armTimer()
    })
  }

  /** For calls whose caller is a transport or a timer. */
  #run(work: () => void): void {
    if (this.#failure?.code === 'ERR_MQTT_PANIC') return
    try {
      this.#dispatch.giveAnswers()
      work()
    } catch (error) {
      this.#fail(error)
    }
  }

  /** For calls whose caller is the user: what goes wrong is thrown. */
  #call<Result>(work: () => Result): Result {
    if (this.#failure !== undefined) throw this.#failure
    try {
      this.#dispatch.giveAnswers()
      const result = work()
      this.#schedule(OUTPUT | EVENTS)
      return result
    } catch (error) {
      const mqttError = fromNative(error)
      if (mqttError instanceof MqttError && mqttError.code === 'ERR_MQTT_PANIC') this.#fail(error)
      throw mqttError
    }
  }

  /** A bug: in the core (which has shut itself down) or in this process's own listeners. */
  #fail(error: unknown): void {
    const mqttError = fromNative(error)
    if (!(mqttError instanceof MqttError) || mqttError.code !== 'ERR_MQTT_PANIC') throw error
    if (this.#failure?.code === 'ERR_MQTT_PANIC') return
    this.#failure = mqttError
    this.#timer.stop()
    this.destroyConnections()
    this.#store?.abandon(mqttError)
    // The core's own sockets have nobody else to say that they are gone.
    this.#connections.discount(this.#sockets.takeEnded().length)
    this.#listener.onFailure(mqttError)
  }
}
