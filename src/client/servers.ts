/**
 * Which server is tried next: those of the options in turn, and where a server of MQTT 5.0 sends the client
 * (4.11, Server redirection), which happens only with the option `followRedirects`.
 *
 * A server that worked is tried first when its connection is lost, since the Session is there; one that did not is
 * followed by the next. No clock here.
 */
import { MqttError } from '../errors.js'
import { formatAddress, parseAddresses, type ServerAddress } from './address.js'

const USE_ANOTHER_SERVER = 0x9c
const SERVER_MOVED = 0x9d
const DEFAULT_MAXIMUM_REDIRECTS = 5
const REDIRECT_WINDOW_MS = 60_000

/** The options that matter for it. */
export interface RedirectOptions {
  /**
   * Whether to go where a server sends the client: true, or a function that is asked about each address. Whoever is
   * there gets the user name and password. A redirection from TLS to a connection without it is never followed.
   * Default false.
   */
  readonly followRedirects?: boolean | ((address: ServerAddress) => boolean)
  /** How many redirections are followed within a minute. Default 5. */
  readonly maximumRedirects?: number
}

/** See the head of this file. */
export class ServerList {
  readonly #addresses: ServerAddress[]
  readonly #allows: (address: ServerAddress) => boolean
  readonly #maximumRedirects: number
  #index = 0
  /** Where the last attempt went, and where a redirection for the time being leads. */
  #current: ServerAddress | undefined
  #detour: ServerAddress | undefined
  #redirectedAt: number[] = []

  /** `addresses` are those of `parseAddresses`: at least one. */
  constructor(addresses: readonly ServerAddress[], options: RedirectOptions = {}) {
    const { followRedirects = false, maximumRedirects = DEFAULT_MAXIMUM_REDIRECTS } = options
    if (addresses.length === 0)
      throw new MqttError('ERR_MQTT_INVALID_OPTION', 'There is no server to connect to.')
    if (!Number.isInteger(maximumRedirects) || maximumRedirects < 0) {
      throw new MqttError('ERR_MQTT_INVALID_OPTION', 'maximumRedirects must be a whole number, 0 or more.')
    }
    this.#addresses = [...addresses]
    this.#allows = typeof followRedirects === 'function' ? followRedirects : () => followRedirects
    this.#maximumRedirects = maximumRedirects
  }

  /** Where the next attempt goes. The same until one of the methods below is called. */
  next(): ServerAddress {
    this.#current = this.#detour ?? (this.#addresses[this.#index] as ServerAddress)
    return this.#current
  }

  /** The last attempt came to nothing: no connection, or no CONNACK that accepts. */
  failed(): void {
    if (this.#detour === undefined) this.#index = (this.#index + 1) % this.#addresses.length
    this.#detour = undefined
  }

  /**
   * A CONNACK or DISCONNECT with that Reason Code and Server Reference came. undefined: `next` leads there now, or the
   * code has nothing to do with it. An error: it is not followed, and the last attempt counts as failed.
   */
  redirect(reasonCode: number, serverReference: string | undefined, nowMs: number): MqttError | undefined {
    if (reasonCode !== USE_ANOTHER_SERVER && reasonCode !== SERVER_MOVED) return undefined
    const from = this.#current ?? this.next()
    const refuse = (why: string): MqttError => {
      this.failed()
      return new MqttError('ERR_MQTT_REDIRECT', `${formatAddress(from)} ${why}`, { reasonCode })
    }
    const references = (serverReference ?? '').split(' ').filter((reference) => reference !== '')
    if (references.length === 0) return refuse('sends the client to another server and does not say which.')
    const known = references.map((reference) => addressOf(reference, from)).filter((one) => one !== undefined)
    if (known.length === 0) {
      return refuse(`sends the client to ${JSON.stringify(serverReference)}, which is no address.`)
    }
    const [first = from] = known
    const safe = known.filter((one) => isEncrypted(one) || !isEncrypted(from))
    if (safe.length === 0) {
      return refuse(
        `sends the client to ${formatAddress(first)}, which is not encrypted. That is not followed.`,
      )
    }
    const allowed = safe.find((one) => this.#allows(one))
    if (allowed === undefined) {
      return refuse(
        `sends the client to ${formatAddress(first)}, which the option followRedirects does not allow.`,
      )
    }
    this.#redirectedAt = this.#redirectedAt.filter((at) => nowMs - at < REDIRECT_WINDOW_MS)
    if (this.#redirectedAt.length >= this.#maximumRedirects) {
      return refuse(
        `sends the client on to ${formatAddress(allowed)}, after ${this.#maximumRedirects} redirections in a minute.`,
      )
    }
    this.#redirectedAt.push(nowMs)
    if (reasonCode === SERVER_MOVED && this.#detour === undefined) this.#addresses[this.#index] = allowed
    else this.#detour = allowed
    return undefined
  }
}

/**
 * `host`, `host:port`, `[IPv6]:port` (4.11 suggests these) or a URL. What it does not say is as at the server that says
 * it: protocol, path and log-in; the port is the protocol's own.
 */
function addressOf(reference: string, from: ServerAddress): ServerAddress | undefined {
  const { username, password, path } = from
  const login = { ...(username !== undefined && { username }), ...(password !== undefined && { password }) }
  const url = reference.includes('://') ? reference : `${from.protocol}://${reference}${path ?? ''}`
  try {
    const [address] = parseAddresses(url)
    return address?.socketPath === undefined && address !== undefined ? { ...login, ...address } : undefined
  } catch {
    return undefined
  }
}

function isEncrypted({ protocol }: ServerAddress): boolean {
  return protocol === 'mqtts' || protocol === 'wss'
}
