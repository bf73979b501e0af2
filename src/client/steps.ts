/**
 * The steps of an enhanced authentication, between `options.authentication` and the engine: an exchange with each CONNECT,
 * and one with each `reauthenticate`. What a method has to say may take it a while; by then the connection that it is for
 * may be gone, and nothing of it may reach the next one.
 */
import { encode } from '../codec/encode.js'
import type { Packet } from '../codec/packets.js'
import { MqttError } from '../errors.js'
import type { Authentication } from './authentication.js'
import { command } from './commands.js'
import type { Engine } from './engine.js'
import type { Closing } from './engine-listener.js'
import { byServer, refusal } from './failures.js'

const CONTINUE = 0x18
const RE_AUTHENTICATE = 0x19
const ENDED = 'The server ends the connection instead of agreeing'

interface Waiting {
  resolve(): void
  reject(error: MqttError): void
}

/** See the head of this file. */
export class AuthenticationSteps {
  readonly #authentication: Authentication | undefined
  readonly #fail: (error: MqttError) => void
  /** Which connection it is: steps of one that is over are dropped. */
  #connection = 0
  #again: Waiting | undefined

  /** `fail` ends the connection: the method has thrown, or there is none. */
  constructor(authentication: Authentication | undefined, fail: (error: MqttError) => void) {
    this.#authentication = authentication
    this.#fail = fail
  }

  /** A new authentication is under way on an open connection. */
  get isUnderWay(): boolean {
    return this.#again !== undefined
  }

  /** Answers an AUTH of the server's. */
  async answer(engine: Engine, packet: Packet): Promise<void> {
    const connection = this.#connection
    try {
      const authentication = this.#authentication
      if (authentication === undefined) {
        throw new MqttError(
          'ERR_MQTT_AUTHENTICATION',
          'The server asks for the next step of an authentication, and the option `authentication` is not there.',
        )
      }
      const data = await authentication.next(dataOf(packet) ?? Buffer.alloc(0))
      if (connection !== this.#connection) return
      this.#send(engine, authentication.method, CONTINUE, data, (error) => {
        if (connection === this.#connection) this.#fail(error)
      })
    } catch (cause) {
      if (connection === this.#connection) this.#fail(asError(cause))
    }
  }

  /** The server has agreed, in a CONNACK or AUTH. False where the method does not: the connection is being ended. */
  accepted(packet: Packet): boolean {
    try {
      this.#authentication?.finish?.(dataOf(packet))
    } catch (cause) {
      this.#fail(asError(cause))
      return false
    }
    if (packet.type === 'auth') this.#settle((waiting) => waiting.resolve())
    return true
  }

  /** Begins a new authentication on an open connection. Resolves when the server has agreed, and the method with it. */
  async again(engine: Engine): Promise<void> {
    const authentication = this.#authentication
    if (authentication === undefined) {
      throw new MqttError('ERR_MQTT_AUTHENTICATION', 'There is no option `authentication`.')
    }
    if (this.#again !== undefined) {
      throw new MqttError('ERR_MQTT_AUTHENTICATION', 'A new authentication is under way already.')
    }
    const connection = this.#connection
    await new Promise<void>((resolve, reject) => {
      const waiting = { resolve, reject }
      this.#again = waiting
      const refuse = (error: MqttError): void => {
        if (this.#again === waiting) this.#again = undefined
        reject(error)
      }
      const begin = async (): Promise<void> => {
        const data = await authentication.start()
        if (connection === this.#connection) {
          this.#send(engine, authentication.method, RE_AUTHENTICATE, data, refuse)
        }
      }
      begin().catch((cause: unknown) => refuse(asError(cause)))
    })
  }

  /** The server ends the connection, and may say why. */
  closing({ kind, reasonCode, packet }: Closing): void {
    if (kind !== 'byServer') return
    this.#settle((waiting) =>
      waiting.reject(byServer('ERR_MQTT_CONNECTION_REFUSED', ENDED, reasonCode, packet)),
    )
  }

  /** The connection is over, or an attempt at one. */
  over(error: MqttError | undefined): void {
    this.#connection += 1
    this.#settle((waiting) => waiting.reject(error ?? new MqttError('ERR_MQTT_CONNECTION_LOST')))
  }

  #settle(how: (waiting: Waiting) => void): void {
    const waiting = this.#again
    this.#again = undefined
    if (waiting !== undefined) how(waiting)
  }

  #send(
    engine: Engine,
    authenticationMethod: string,
    reasonCode: number,
    authenticationData: Uint8Array | undefined,
    refused: (error: MqttError) => void,
  ): void {
    const properties = { authenticationMethod, authenticationData }
    command(engine, encode({ type: 'auth', reasonCode, properties }, { protocolVersion: 5 }), {
      accepted: () => {},
      refused: (code, words) => {
        process.nextTick(refused, refusal(code, words, 'ERR_MQTT_INVALID_TOPIC_NAME'))
      },
    })
  }
}

function dataOf(packet: Packet): Buffer | undefined {
  return packet.type === 'auth' || packet.type === 'connack'
    ? packet.properties.authenticationData
    : undefined
}

function asError(cause: unknown): MqttError {
  return cause instanceof MqttError ? cause : new MqttError('ERR_MQTT_AUTHENTICATION', undefined, { cause })
}
