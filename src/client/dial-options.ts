/** How connections are opened: the options of MQTT.js, Node and `ws` that matter below MQTT. */
import type { TcpSocketConnectOpts } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import type { ClientOptions, WebSocket } from 'ws'

/** Node's words, which are handed to it as they are. */
const TLS_KEYS = [
  'ALPNProtocols',
  'ca',
  'cert',
  'checkServerIdentity',
  'ciphers',
  'crl',
  'ecdhCurve',
  'key',
  'maxVersion',
  'minVersion',
  'passphrase',
  'pfx',
  'rejectUnauthorized',
  'secureContext',
  'servername',
  'session',
  'sigalgs',
] as const satisfies readonly (keyof ConnectionOptions)[]

const NETWORK_KEYS = [
  'autoSelectFamily',
  'family',
  'localAddress',
  'lookup',
] as const satisfies readonly (keyof TcpSocketConnectOpts)[]

type TlsOptions = Pick<ConnectionOptions, (typeof TLS_KEYS)[number]>
type NetworkOptions = Pick<TcpSocketConnectOpts, (typeof NETWORK_KEYS)[number]>

/** The options of `dial`. */
export interface DialOptions extends Readonly<TlsOptions>, Readonly<NetworkOptions> {
  /** How long opening a connection may take, TLS and WebSocket handshakes included, in milliseconds. Default 30000. */
  readonly connectTimeout?: number
  /** 3 offers the WebSocket subprotocol `mqttv3.1`; anything else offers `mqtt`. */
  readonly protocolVersion?: number
  /** For `ws`: `headers`, `agent`, `origin`, … They go before what is set here for them. */
  readonly wsOptions?: ClientOptions
  /** Has the last word about a WebSocket's URL, to sign it for instance. */
  readonly transformWsUrl?: (url: string) => string
  /** Makes the WebSocket instead of `ws`; one of `ws` all the same. */
  readonly createWebsocket?: (url: string, subprotocols: string[]) => WebSocket
}

/** What of the options is for TLS. */
export function tlsOptions(options: DialOptions): TlsOptions {
  return picked(options, TLS_KEYS)
}

/** What of the options is for TCP. */
export function networkOptions(options: DialOptions): NetworkOptions {
  return picked(options, NETWORK_KEYS)
}

/** Without what is undefined: to Node that is a value. */
function picked<const Key extends keyof DialOptions>(
  options: DialOptions,
  keys: readonly Key[],
): Pick<DialOptions, Key> {
  const entries = keys.filter((key) => options[key] !== undefined).map((key) => [key, options[key]])
  return Object.fromEntries(entries) as Pick<DialOptions, Key>
}
