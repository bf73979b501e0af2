/**
 * All that a client says and hears from its beginning to its `end`: the engine with what goes out, what is subscribed to, and
 * one connection after the other. What the engine tells is passed on here, to these parts and as events of the client.
 * `client.ts` has what the program may ask for; a client that begins anew after `end` has another conversation.
 */
import { encode } from '../codec/encode.js'
import type { Packet } from '../codec/packets.js'
import { MqttError } from '../errors.js'
import type { ProtocolVersion } from '../hooks/types.js'
import type { MqttClient } from './client.js'
import { type ConnackWords, packetInWords } from './client-events.js'
import type { EndOptions } from './client-options.js'
import { ACKNOWLEDGE, command, flushCommands } from './commands.js'
import { Connections, type ConnectionsListener } from './connections.js'
import type { Dialer } from './dialer.js'
import { Engine } from './engine.js'
import type { Closing, EngineListener } from './engine-listener.js'
import { abandonment, byServer, REFUSED, refusal } from './failures.js'
import { Inbox } from './inbox.js'
import { UNKNOWN_DELIVERY } from './native-clients.js'
import { nativeOptions } from './options.js'
import { type ClientPublishOptions, Outgoing, type Publication, type PublishDone } from './outgoing.js'
import type { ReceivedPublish } from './received.js'
import { AuthenticationSteps } from './steps.js'
import { Subscriptions } from './subscriptions.js'
import { ownProperties, type PacketWords } from './words.js'

/** See the head of this file. */
export class Conversation implements EngineListener, ConnectionsListener {
  readonly subscriptions: Subscriptions
  /** Somebody has listened for `packetreceive`. To ask each time takes as long as to decode a message. */
  wantsPackets: boolean
  readonly #client: MqttClient
  readonly #ordinaryHandler: MqttClient['handleMessage']
  readonly #onEnd: () => void
  readonly #engine: Engine
  readonly #outgoing: Outgoing
  readonly #connections: Connections
  readonly #steps: AuthenticationSteps
  #inbox: Inbox | undefined
  #connack: PacketWords | undefined
  #wasEmpty = true
  /** The DISCONNECT has been said. */
  #isLeaving = false
  /** What is said in it as soon as everything has left. */
  #farewell: EndOptions | undefined
  /** The end has begun; a store may still be closing. */
  #hasEnded = false

  /**
   * `ordinaryHandler` is the `handleMessage` that nobody has replaced; `onEnd` is called once. `before` is the conversation
   * whose subscriptions are taken over.
   *
   * @throws MqttError for options that no CONNECT can carry, and for a store that cannot be opened.
   */
  constructor(
    client: MqttClient,
    dialer: Dialer,
    chosenVersion: ProtocolVersion | undefined,
    ordinaryHandler: MqttClient['handleMessage'],
    onEnd: () => void,
    before?: Conversation,
  ) {
    const { options } = client
    this.#client = client
    this.#ordinaryHandler = ordinaryHandler
    this.#onEnd = onEnd
    this.#steps = new AuthenticationSteps(options.authentication, (error) => this.#connections.refuse(error))
    const { store, clientId } = options
    const engine = new Engine(
      nativeOptions(options),
      this,
      store && { options: store, clientId: dialer.login.clientId ?? clientId },
    )
    this.#engine = engine
    const report = (error: MqttError): void => this.report(error)
    this.subscriptions = before?.subscriptions.successor(engine, report) ?? new Subscriptions(engine, report)
    this.#outgoing = new Outgoing(engine, options)
    this.#connections = new Connections(engine, dialer, options, chosenVersion, this)
    this.wantsPackets = before?.wantsPackets ?? false
    if (client.listenerCount('packetsend') > 0) this.showSent()
    if (store !== undefined) this.#wasEmpty = this.#isEmpty
  }

  /** What the server of the connection said in its CONNACK. */
  get connack(): PacketWords | undefined {
    return this.#connack
  }

  get keepAliveSecs(): number {
    return this.#engine.keepAliveSecs
  }

  get version(): ProtocolVersion {
    return this.#connections.version
  }

  get clientId(): string {
    return this.#connections.clientId
  }

  /** Messages that wait to be sent for the first time. */
  get queuedCount(): number {
    return this.#hasEnded ? 0 : this.#outgoing.backlogCount + this.#engine.queuedCount
  }

  /** Whether there is a connection, or an attempt at one. */
  get isActive(): boolean {
    return this.#connections.isActive
  }

  /** Makes an attempt to connect, unless there is one. */
  open(): void {
    this.#connections.open()
  }

  /**
   * Returns what `withdraw` takes, where there is somebody to be told.
   *
   * @throws MqttError for a message that no packet can carry.
   */
  publish(
    topic: string,
    payload: Uint8Array | string,
    options: ClientPublishOptions | undefined,
    done: PublishDone | undefined,
  ): Publication | undefined {
    this.#wasEmpty = false
    return this.#outgoing.publish(topic, payload, options, done)
  }

  /** Nobody wants the message any more. */
  withdraw(publication: Publication): void {
    if (this.#hasEnded) return
    this.#outgoing.withdraw(publication)
    this.#settled()
  }

  /** Resolves when the store, where there is one, has everything so far. */
  flushStore(): Promise<void> {
    return this.#engine.flushStore()
  }

  reauthenticate(): Promise<void> {
    return this.#steps.again(this.#engine)
  }

  /** Leaves: when everything has been sent and answered, or with `force` at once. */
  leave(force: boolean, farewell: EndOptions): void {
    this.#farewell = farewell
    // What was published in this turn counts.
    flushCommands()
    if (this.#hasEnded) return
    const mayConnect = this.#connections.isActive && !this.#isEmpty
    if (force || (!this.#client.connected && !mayConnect)) this.#leave(true)
    else this.#leaveWhenEmpty()
  }

  /** An error that nobody waits for. MQTT.js swallows it where there is no listener, and programs rely on that. */
  report(error: Error): void {
    if (this.#client.listenerCount('error') > 0) this.#client.emit('error', error)
  }

  /** Emits what is sent from now on. */
  showSent(): void {
    this.#engine.showSent((packet) => this.#client.emit('packetsend', packet))
  }

  // What the connections ask and tell.

  get isReauthenticating(): boolean {
    return this.#steps.isUnderWay
  }

  /** Whether messages are acknowledged one by one, and by whom, is decided for each connection. */
  prepare(): boolean {
    const { customHandleAcks, manualAcknowledge = false } = this.#client.options
    const isOrdinary = this.#client.handleMessage === this.#ordinaryHandler
    if (isOrdinary && customHandleAcks === undefined) {
      this.#inbox = undefined
      return manualAcknowledge
    }
    this.#inbox ??= new Inbox({
      acknowledge: customHandleAcks,
      isManual: manualAcknowledge,
      emit: (message) => this.#client.emit('message', message.topic, message.payload, message),
      handle: (message, done) => this.#client.handleMessage(message, done),
      report: (error) => this.report(error),
      pause: () => this.#engine.pause(),
      resume: () => this.#engine.resume(),
    })
    this.#inbox.reset()
    return true
  }

  lost(wasConnected: boolean, error: MqttError | undefined): void {
    this.#client.connected = false
    this.#connack = undefined
    this.#steps.over(error)
    if (wasConnected) {
      this.#outgoing.onLost()
      this.subscriptions.isConnected = false
    }
    if (error !== undefined) this.report(error)
    this.#client.emit('close')
    if (!this.#client.disconnecting) return
    this.#connections.stop()
    this.#end()
  }

  offline(): void {
    this.#client.emit('offline')
  }

  reconnecting(): void {
    this.#client.reconnecting = true
    this.#client.emit('reconnect')
  }

  // What the engine tells.

  message(message: ReceivedPublish): void {
    if (this.#inbox !== undefined) this.#inbox.push(message)
    else this.#client.emit('message', message.topic, message.payload, message)
    if (this.wantsPackets) this.#client.emit('packetreceive', message)
  }

  connected(_sessionPresent: boolean, packet: Packet): void {
    if (!this.#steps.accepted(packet)) return
    const client = this.#client
    const words = packetInWords(packet) as ConnackWords
    client.connected = true
    client.reconnecting = false
    this.#connack = words.properties
    this.#connections.onConnected(packet)
    client.options.protocolVersion = this.#connections.version
    client.options.clientId = this.#connections.clientId
    this.#outgoing.isConnected = true
    this.subscriptions.onConnected(client.options.resubscribe && !words.sessionPresent)
    this.#received(packet)
    client.emit('connect', words)
    this.#outgoing.release()
    if (client.disconnecting) this.#leaveWhenEmpty()
  }

  published(ticket: number, reasonCode: number, packet: () => Packet | undefined): void {
    this.#outgoing.onPublished(ticket, reasonCode, packet)
    if (reasonCode >= 0x80 && ticket <= this.#engine.restoredTickets) {
      this.report(byServer('ERR_MQTT_PUBLISH_REFUSED', REFUSED, reasonCode, packet()))
    }
    const answer = this.wantsPackets ? packet() : undefined
    if (answer !== undefined) this.#received(answer)
    this.#settled()
  }

  answered(ticket: number, packet: Packet): void {
    this.subscriptions.onAnswered(ticket, packet)
    this.#received(packet)
    this.#settled()
  }

  abandoned(ticket: number, cause: number, words: string): void {
    if (!this.subscriptions.onAbandoned(ticket, cause, words)) {
      const isAwaited = this.#outgoing.onAbandoned(ticket, cause, words)
      // Whoever published it is gone with an earlier process.
      if (!isAwaited && ticket <= this.#engine.restoredTickets) this.report(abandonment(cause, words))
    }
    this.#settled()
  }

  authenticate(packet: Packet): void {
    this.#received(packet)
    this.#steps.answer(this.#engine, packet)
  }

  reauthenticated(packet: Packet): void {
    if (this.#steps.accepted(packet)) this.#received(packet)
  }

  refused(code: number, words: string, packet: Buffer, apart: Uint8Array | undefined): void {
    if (packet[0] === ACKNOWLEDGE) {
      // Too late is no mistake: the server sends the message again.
      const error = refusal(code, words, 'ERR_MQTT_INVALID_TOPIC_NAME')
      if (code !== UNKNOWN_DELIVERY) process.nextTick(() => this.report(error))
      return
    }
    const error = this.#outgoing.onRefusedUnawaited(code, words, packet, apart)
    if (error !== undefined) process.nextTick(() => this.report(error))
  }

  written(): void {
    this.#outgoing.onWritten()
    this.#settled()
  }

  closing(closing: Closing): void {
    this.#connections.onClosing(closing)
    this.#steps.closing(closing)
    if (closing.packet === undefined) return
    this.#received(closing.packet)
    if (closing.kind === 'byServer') this.#client.emit('disconnect', packetInWords(closing.packet))
  }

  gone(error: MqttError | undefined): void {
    this.#connections.onGone(error)
  }

  storeTrouble(error: MqttError): void {
    this.report(error)
  }

  failed(error: MqttError): void {
    this.#client.disconnecting = true
    this.#connections.stop()
    this.report(error)
    this.#end(error)
  }

  #received(packet: Packet): void {
    if (this.#client.listenerCount('packetreceive') === 0) return
    this.#client.emit('packetreceive', packetInWords(packet))
  }

  #settled(): void {
    const client = this.#client
    if (client.disconnecting && !this.#hasEnded) this.#leaveWhenEmpty()
    if (this.#wasEmpty || client.listenerCount('outgoingEmpty') === 0 || !this.#outgoing.isEmpty) return
    this.#wasEmpty = true
    process.nextTick(() => client.emit('outgoingEmpty'))
  }

  get #isEmpty(): boolean {
    return this.#outgoing.isEmpty && this.subscriptions.isEmpty
  }

  #leaveWhenEmpty(): void {
    if (this.#client.connected && !this.#isLeaving && this.#isEmpty) this.#leave(false)
  }

  /** Says DISCONNECT where there is somebody to hear it, and closes. */
  #leave(force: boolean): void {
    this.#connections.stop()
    if (!this.#connections.isActive) {
      process.nextTick(() => this.#end())
      return
    }
    if (force && (!this.#client.connected || this.#engine.isFull)) {
      this.#engine.destroy()
      return
    }
    this.#isLeaving = true
    const { reasonCode = 0, properties } = this.#farewell ?? {}
    const isV5 = this.version === 5
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

  #end(error = new MqttError('ERR_MQTT_CLIENT_ENDED')): void {
    const client = this.#client
    if (this.#hasEnded) return
    this.#hasEnded = true
    client.connected = false
    client.reconnecting = false
    this.#outgoing.failAll(error)
    this.subscriptions.failAll(error)
    this.#steps.over(error)
    const closing = this.#engine.end()
    const finish = (): void => {
      client.disconnected = true
      this.#onEnd()
    }
    if (closing === undefined) finish()
    else closing.then(finish, finish)
  }
}
