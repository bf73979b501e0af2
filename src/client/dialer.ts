/** Where a client's connections come from: servers by address, or streams of the user's own. */
import type { Duplex } from 'node:stream'
import { MqttError } from '../errors.js'
import type { ProtocolVersion } from '../hooks/types.js'
import { type AddressOptions, parseAddresses, type ServerAddress } from './address.js'
import { type DialOptions, dial, overDuplex } from './dial.js'
import { type RedirectOptions, ServerList } from './servers.js'
import type { ClientTransport } from './transport.js'

/** The options about where a server is and how it is reached. */
export interface ConnectionOptions
  extends Omit<AddressOptions, 'cert' | 'key'>,
    DialOptions,
    RedirectOptions {}

/** Log-in that an address has with it. */
export type Login = Pick<ServerAddress, 'username' | 'password' | 'clientId'>

/** See the head of this file. */
export interface Dialer {
  /** What the address that is next says about log-in. */
  readonly login: Login
  dial(version: ProtocolVersion, signal: AbortSignal): Promise<ClientTransport>
  /** The last attempt came to nothing. */
  failed(): void
  /** The server sends the client elsewhere; an error where that is not followed. */
  redirect(reasonCode: number, serverReference: string | undefined, nowMs: number): MqttError | undefined
}

export class ServerDialer implements Dialer {
  readonly #servers: ServerList
  readonly #options: DialOptions

  /** @throws MqttError ERR_MQTT_INVALID_OPTION */
  constructor(url: string | undefined, options: ConnectionOptions) {
    this.#servers = new ServerList(parseAddresses(url, options), options)
    this.#options = options
  }

  get login(): Login {
    return this.#servers.next()
  }

  dial(version: ProtocolVersion, signal: AbortSignal): Promise<ClientTransport> {
    return dial(this.#servers.next(), { ...this.#options, protocolVersion: version }, signal)
  }

  failed(): void {
    this.#servers.failed()
  }

  redirect(reasonCode: number, serverReference: string | undefined, nowMs: number): MqttError | undefined {
    return this.#servers.redirect(reasonCode, serverReference, nowMs)
  }
}

/** A stream for each connection. */
export class StreamDialer implements Dialer {
  readonly login: Login = {}
  readonly #build: () => Duplex | Promise<Duplex>

  constructor(build: () => Duplex | Promise<Duplex>) {
    this.#build = build
  }

  async dial(): Promise<ClientTransport> {
    try {
      return overDuplex(await this.#build())
    } catch (cause) {
      throw cause instanceof MqttError
        ? cause
        : new MqttError(
            'ERR_MQTT_CONNECT',
            `There is no stream: ${String((cause as Error)?.message ?? cause)}`,
            { cause },
          )
    }
  }

  failed(): void {}

  redirect(): undefined {}
}
