/**
 * One connection after the other: attempts, the version that they are made with, waiting between them, and the end. What
 * happens on a connection is the engine's; what the application sees of it is `client.ts`'s.
 */
import type { Packet } from '../codec/packets.js'
import { MqttError } from '../errors.js'
import type { ProtocolVersion } from '../hooks/types.js'
import { Backoff } from './backoff.js'
import { command } from './commands.js'
import { connectPacket, needsV5 } from './connect-packet.js'
import type { Dialer } from './dialer.js'
import type { Engine } from './engine.js'
import type { Closing } from './engine-listener.js'
import { closingError, refusal } from './failures.js'
import { now } from './native-clients.js'
import { oneByOne } from './one-by-one.js'
import type { CheckedOptions } from './options.js'
import type { ClientTransport } from './transport.js'
import { Versions } from './versions.js'

/** Whom it tells. */
export interface ConnectionsListener {
  /** A transport has been opened. Returns whether the messages that it brings are acknowledged one by one. */
  prepare(): boolean
  /** The server is to prove itself once more. */
  readonly isReauthenticating: boolean
  /** A connection that had been accepted is over, or an attempt has failed. */
  lost(wasConnected: boolean, error: MqttError | undefined): void
  /** The first time that there is no connection, and none is to be had at once. */
  offline(): void
  /** Another attempt begins. */
  reconnecting(): void
}

/** See the head of this file. */
export class Connections {
  readonly #dialer: Dialer
  readonly #options: CheckedOptions
  readonly #listener: ConnectionsListener
  readonly #engine: Engine
  readonly #versions: Versions
  readonly #backoff: Backoff
  #clientId: string
  #opening: AbortController | undefined
  #hasTransport = false
  #isConnected = false
  #hasToldOffline = false
  #hasStopped = false
  #closing: Closing | undefined
  #problem: MqttError | undefined
  #timer: NodeJS.Timeout | undefined

  /**
   * `chosenVersion` is undefined where that is left to the servers.
   *
   * @throws MqttError for options that no CONNECT can carry.
   */
  constructor(
    engine: Engine,
    dialer: Dialer,
    options: CheckedOptions,
    chosenVersion: ProtocolVersion | undefined,
    listener: ConnectionsListener,
  ) {
    this.#engine = engine
    this.#dialer = dialer
    this.#options = options
    this.#listener = listener
    this.#versions = new Versions(chosenVersion, needsV5(options))
    this.#backoff = new Backoff(options)
    this.#clientId = dialer.login.clientId ?? options.clientId
    this.#packet(undefined)
    // Whoever asks for a session that is kept may find one that an earlier process has left.
    if (!options.clean) engine.restoreSession(this.#clientId)
  }

  get clientId(): string {
    return this.#clientId
  }

  /** Of the connection, or of the next one. */
  get version(): ProtocolVersion {
    return this.#versions.current
  }

  /** Whether there is a connection, or an attempt at one. */
  get isActive(): boolean {
    return this.#opening !== undefined || this.#hasTransport
  }

  /** Makes an attempt, unless there is one. */
  open(): void {
    if (this.isActive || this.#hasStopped) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#closing = undefined
    this.#problem = undefined
    const opening = new AbortController()
    this.#opening = opening
    this.#attempt(opening).catch((error: unknown) => {
      if (opening !== this.#opening) return
      this.#opening = undefined
      this.#hasTransport = false
      this.#failed(asError(error))
    })
  }

  /** No further attempts. */
  stop(): void {
    this.#hasStopped = true
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#opening?.abort()
    this.#opening = undefined
  }

  /** The server has accepted. */
  onConnected(packet: Packet): void {
    this.#isConnected = true
    this.#hasToldOffline = false
    this.#versions.worked()
    this.#backoff.opened(now())
    if (packet.type === 'connack' && this.#clientId === '') {
      this.#clientId = packet.properties.assignedClientId ?? ''
    }
  }

  onClosing(closing: Closing): void {
    this.#closing = closing
  }

  /** This side ends the connection, or the attempt at it, and that is why. */
  refuse(problem: MqttError): void {
    this.#problem ??= problem
    this.#engine.destroy()
  }

  /** The transport is gone. */
  onGone(error: MqttError | undefined): void {
    this.#hasTransport = false
    const closing = this.#closing
    if (this.#isConnected) {
      this.#isConnected = false
      this.#backoff.closed(now())
      this.#over(true, this.#problem ?? (closing === undefined ? error : closingError(closing)))
      return
    }
    if (!this.#hasStopped && this.#problem === undefined && this.#versions.failed(closing)) {
      // The same server, at once.
      this.open()
      return
    }
    const silent = new MqttError(
      'ERR_MQTT_CONNECTION_LOST',
      'The server closed the connection before it had accepted it.',
    )
    this.#failed(
      this.#problem ?? (closing === undefined ? (error ?? silent) : (closingError(closing) ?? silent)),
    )
  }

  async #attempt(opening: AbortController): Promise<void> {
    const transport = await this.#dialer.dial(this.version, opening.signal)
    if (opening.signal.aborted) {
      transport.destroy()
      return
    }
    const { authentication } = this.#options
    let data: Uint8Array | undefined
    if (authentication !== undefined) {
      try {
        data = await authentication.start()
      } catch (cause) {
        transport.destroy()
        throw new MqttError('ERR_MQTT_AUTHENTICATION', undefined, { cause })
      }
    }
    if (opening.signal.aborted) {
      transport.destroy()
      return
    }
    this.#opening = undefined
    this.#use(transport, data)
  }

  #use(transport: ClientTransport, data: Uint8Array | undefined): void {
    this.#hasTransport = true
    this.#engine.attach(transport, this.version, this.#listener.prepare())
    if (this.#options.authentication?.finish !== undefined) {
      oneByOne(
        transport,
        () => !this.#isConnected || this.#listener.isReauthenticating,
        () => this.#problem !== undefined,
      )
    }
    command(this.#engine, this.#packet(data), {
      accepted: () => {},
      refused: (code, words) => {
        this.#problem = refusal(code, words, 'ERR_MQTT_INVALID_TOPIC_NAME')
        // Nobody's code may run while commands are carried out.
        process.nextTick(() => transport.destroy())
      },
    })
  }

  #packet(authenticationData: Uint8Array | undefined): Buffer {
    const { clean } = this.#options
    return connectPacket(this.#options, {
      version: this.version,
      clientId: this.#clientId,
      // In 5.0 a session is taken up by who knows of it.
      cleanStart: clean || (this.version === 5 && this.#engine.sessionClientId !== this.#clientId),
      login: this.#dialer.login,
      authenticationData,
    })
  }

  #failed(error: MqttError): void {
    const closing = this.#closing
    const isElsewhere = closing?.reasonCode === 0x9c || closing?.reasonCode === 0x9d
    if (!isElsewhere) this.#dialer.failed()
    this.#over(false, error)
  }

  #over(wasConnected: boolean, problem: MqttError | undefined): void {
    const closing = this.#closing
    const reference = referenceOf(closing?.packet)
    const redirection =
      closing?.kind === 'refused' || closing?.kind === 'byServer'
        ? this.#dialer.redirect(closing.reasonCode, reference, now())
        : undefined
    this.#listener.lost(wasConnected, this.#hasStopped ? undefined : (redirection ?? problem))
    if (this.#hasStopped || this.isActive) return
    if (closing?.kind === 'refused' && !this.#options.reconnectOnConnackError) return
    const delay = this.#backoff.nextDelay()
    if (!this.#hasToldOffline) {
      this.#hasToldOffline = true
      this.#listener.offline()
    }
    if (delay === undefined || this.#hasStopped) return
    this.#timer = setTimeout(() => {
      this.#listener.reconnecting()
      this.open()
    }, delay)
  }
}

function referenceOf(packet: Packet | undefined): string | undefined {
  return packet?.type === 'connack' || packet?.type === 'disconnect'
    ? packet.properties.serverReference
    : undefined
}

function asError(error: unknown): MqttError {
  if (error instanceof MqttError) return error
  const words = error instanceof Error ? error.message : String(error)
  return new MqttError('ERR_MQTT_CONNECT', `The server could not be reached: ${words}.`, { cause: error })
}
