/**
 * Where servers are: URLs and options, in MQTT.js's words, become `ServerAddress`es. A mistake is one sentence.
 *
 * Nothing is added to what a URL says: `ws://host` is the path `/`, and only a port that is not there gets the default
 * of its protocol.
 */
import { MqttError } from '../errors.js'
import { nearest, show } from '../validate.js'

/** How a server is spoken to. */
export type ClientProtocol = 'mqtt' | 'mqtts' | 'ws' | 'wss'

/** One place where a server may be found. */
export interface ServerAddress {
  readonly protocol: ClientProtocol
  /** A name or an IP address, without brackets; `localhost` for a unix socket. */
  readonly host: string
  /** 0 for a unix socket. */
  readonly port: number
  /** The unix socket that is connected to instead of host and port. */
  readonly socketPath?: string
  /** Path and query of a WebSocket URL. */
  readonly path?: string
  /** What the URL says about log-in; it goes before the options of the same names. */
  readonly username?: string
  readonly password?: string
  readonly clientId?: string
}

/** One of `AddressOptions.servers`. */
export interface ServerOption {
  readonly host?: string
  readonly port?: number | string
  readonly protocol?: string
  readonly path?: string
}

/** The options that say where a server is. */
export interface AddressOptions extends ServerOption {
  /** MQTT.js's other name of `host`, which it goes before. */
  readonly hostname?: string
  /** `path` is a unix socket. */
  readonly unixSocket?: boolean
  /** Several servers: URLs, or objects whose `protocol` is that of the URL by default. Tried in turn. */
  readonly servers?: readonly (string | ServerOption)[]
  /** `user:password`, as in a URL. */
  readonly auth?: string
  /** Both together mean TLS, whatever the protocol says. */
  readonly cert?: unknown
  readonly key?: unknown
}

const PROTOCOLS: ReadonlyMap<string, ClientProtocol> = new Map<string, ClientProtocol>([
  ['mqtt', 'mqtt'],
  ['tcp', 'mqtt'],
  ['mqtts', 'mqtts'],
  ['ssl', 'mqtts'],
  ['tls', 'mqtts'],
  ['ws', 'ws'],
  ['wss', 'wss'],
])

const DEFAULT_PORTS: Readonly<Record<ClientProtocol, number>> = { mqtt: 1883, mqtts: 8883, ws: 80, wss: 443 }
const ENCRYPTED: Readonly<Record<ClientProtocol, ClientProtocol>> = {
  mqtt: 'mqtts',
  mqtts: 'mqtts',
  ws: 'wss',
  wss: 'wss',
}
const LARGEST_PORT = 65_535

/**
 * All servers that a URL and options name, at least one. Without any it is `mqtt://localhost:1883`.
 *
 * @throws MqttError ERR_MQTT_INVALID_OPTION.
 */
export function parseAddresses(url: string | undefined, options: AddressOptions = {}): ServerAddress[] {
  const login = options.auth === undefined ? {} : splitLogin(options.auth)
  const { servers, unixSocket, ...rest } = options
  const secure = options.cert !== undefined && options.key !== undefined
  const base = url === undefined || url === '' ? {} : fromUrl(url)
  if (servers !== undefined) {
    if (servers.length === 0) throw invalid('servers has no server in it.')
    const protocol = rest.protocol ?? base.protocol
    return servers.map((server) => {
      const parts =
        typeof server === 'string'
          ? fromUrl(server)
          : { ...(protocol !== undefined && { protocol }), ...given(server) }
      const inherited = { ...login, ...loginOf(base) }
      return complete({ ...inherited, ...parts }, secure, false)
    })
  }
  const { protocol, port, path } = given(rest)
  const host = rest.hostname ?? rest.host
  const parts: Parts = {
    ...login,
    ...base,
    ...(protocol !== undefined && { protocol }),
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port }),
    ...(path !== undefined && { path }),
  }
  return [complete(parts, secure, unixSocket === true)]
}

/** As a person would write it, without log-in and query. */
export function formatAddress({ protocol, host, port, socketPath, path = '/' }: ServerAddress): string {
  const isWebSocket = protocol === 'ws' || protocol === 'wss'
  const [pathname = '/'] = path.split('?')
  if (socketPath !== undefined) {
    const scheme = protocol === 'mqtt' ? 'unix' : `${protocol}+unix`
    return `${scheme}://${socketPath}${isWebSocket ? `:${pathname}` : ''}`
  }
  return `${protocol}://${bracketed(host)}:${port}${isWebSocket ? pathname : ''}`
}

/** A host as it stands in a URL. */
export function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

/** What a URL or options say, before defaults. */
interface Parts {
  readonly protocol?: string
  readonly host?: string
  readonly port?: number | string
  readonly path?: string
  readonly socketPath?: string
  readonly username?: string
  readonly password?: string
  readonly clientId?: string
}

function complete(parts: Parts, secure: boolean, unixSocket: boolean): ServerAddress {
  const word = (parts.protocol ?? 'mqtt').replace(/:(\/\/)?$/, '')
  const isUnix = unixSocket || word === 'unix' || word.endsWith('+unix')
  const protocol = protocolOf(word === 'unix' ? 'mqtt' : word.replace(/\+unix$/, ''), secure)
  const { host = 'localhost', username, password, clientId } = parts
  const login = {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(clientId !== undefined && { clientId }),
  }
  const isWebSocket = protocol === 'ws' || protocol === 'wss'
  if (isUnix) {
    const { socketPath, path } = socketOf(parts, isWebSocket)
    return { protocol, host: 'localhost', port: 0, socketPath, ...(isWebSocket && { path }), ...login }
  }
  if (host === '') throw invalid('The host is missing: mqtt://localhost is this machine.')
  if (/[\s/?#@]/.test(host) || host.includes('://')) {
    throw invalid(
      `${show(host)} is not a host: give its name or IP address, or a whole URL as the first argument.`,
    )
  }
  const address = {
    protocol,
    host: host.replace(/^\[(.*)\]$/, '$1'),
    port: portOf(parts.port, protocol),
    ...login,
  }
  return isWebSocket ? { ...address, path: withSlash(parts.path ?? '/') } : address
}

function protocolOf(word: string, secure: boolean): ClientProtocol {
  const protocol = PROTOCOLS.get(word)
  if (protocol !== undefined) return secure ? ENCRYPTED[protocol] : protocol
  if (word === 'http' || word === 'https') {
    const instead = word === 'http' ? 'ws' : 'wss'
    throw invalid(`MQTT is not spoken over ${word}://: use ${instead}:// for a WebSocket.`)
  }
  if (/^(wx|ali)s?$/.test(word)) {
    throw invalid(`${word}:// is for programs inside an app of its vendor; here use ws:// or wss://.`)
  }
  const known = [...PROTOCOLS.keys(), 'unix', 'mqtt+unix', 'ws+unix']
  const meant = nearest(word, known)
  const advice = meant === undefined ? `use one of ${known.join(', ')}.` : `did you mean ${meant}://?`
  throw invalid(`${word}:// is not a protocol of MQTT: ${advice}`)
}

function portOf(port: number | string | undefined, protocol: ClientProtocol): number {
  if (port === undefined) return DEFAULT_PORTS[protocol]
  const value = typeof port === 'string' && /^\d+$/.test(port) ? Number(port) : port
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= LARGEST_PORT)
    return value
  throw invalid(`port must be a whole number from 1 to ${LARGEST_PORT}, not ${show(value)}.`)
}

/** `/run/mqtt.sock`, and for a WebSocket `/run/mqtt.sock:/mqtt`, as `ws` has it. */
function socketOf({ socketPath, path }: Parts, isWebSocket: boolean): { socketPath: string; path: string } {
  const whole = socketPath ?? path ?? ''
  const at = isWebSocket ? whole.indexOf(':') : -1
  const socket = at === -1 ? whole : whole.slice(0, at)
  if (socket === '' || socket === '/') {
    throw invalid('The path of the unix socket is missing: unix:///run/mosquitto.sock, with three slashes.')
  }
  return { socketPath: socket, path: at === -1 ? '/' : withSlash(whole.slice(at + 1)) }
}

function fromUrl(url: string): Parts {
  const [, word] = /^([a-z][a-z0-9.+-]*):/i.exec(url) ?? []
  if (word === undefined || !/^[^:]+:\/\//.test(url)) {
    if (word?.toLowerCase() === 'unix') return unixUrl('unix', url.slice('unix:'.length))
    const host = url.replace(/^\/+/, '')
    throw invalid(
      `${show(withoutLogin(url))} has no protocol: write mqtt://${show(withoutLogin(host)).slice(1, -1)}.`,
    )
  }
  const protocol = word.toLowerCase()
  const rest = url.slice(word.length + '://'.length)
  if (protocol === 'unix' || protocol.endsWith('+unix')) return unixUrl(protocol, rest)
  protocolOf(protocol, false)
  const [authority = ''] = rest.split(/[/?#]/)
  const [, host = '', port = ''] = /^(\[[^\]]*\]|[^:]*):?(.*)$/s.exec(afterLogin(authority)) ?? []
  if (host === '') {
    throw invalid(`${show(withoutLogin(url))} has no host: ${protocol}://localhost is this machine.`)
  }
  if (port !== '') portOf(port, 'mqtt')
  let parsed: URL
  try {
    parsed = new URL(`${protocol}://${rest}`)
  } catch (error) {
    const advice =
      'In a user name or password / ? # @ and % are written as %2F %3F %23 %40 and %25, or use the options username and password.'
    throw invalid(`${show(withoutLogin(url))} is not a URL. ${advice}`, error)
  }
  const { searchParams, username, password } = parsed
  const clientId = searchParams.get('clientId')
  return {
    protocol,
    host: unescaped(parsed.hostname, url),
    ...(parsed.port !== '' && { port: Number(parsed.port) }),
    path: `${parsed.pathname === '' ? '/' : parsed.pathname}${parsed.search}`,
    ...(username !== '' && { username: unescaped(username, url) }),
    ...(password !== '' && { password: unescaped(password, url) }),
    ...(clientId !== null && { clientId }),
  }
}

function unixUrl(protocol: string, rest: string): Parts {
  const [, login, path = rest] = /^([^/@]*)@(.*)$/s.exec(rest) ?? []
  if (!path.startsWith('/') && !path.startsWith('./')) {
    throw invalid(
      `${protocol}://${path} has no path: a unix socket has three slashes, ${protocol}:///run/mosquitto.sock.`,
    )
  }
  return {
    protocol,
    socketPath: unescaped(path, path),
    ...(login !== undefined && splitLogin(unescaped(login, path))),
  }
}

/** As MQTT.js reads it: without a colon, or with nothing on one side of it, all of it is the user name. */
function splitLogin(auth: string): { username: string; password?: string } {
  const [, username, password] = /^(.+?):(.+)$/s.exec(auth) ?? []
  return username === undefined || password === undefined ? { username: auth } : { username, password }
}

function loginOf({ username, password }: Parts): Parts {
  return { ...(username !== undefined && { username }), ...(password !== undefined && { password }) }
}

/** Without what is undefined, so that it does not hide what a URL says. */
function given({ protocol, host, port, path }: ServerOption): Parts {
  return {
    ...(protocol !== undefined && { protocol }),
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port }),
    ...(path !== undefined && { path }),
  }
}

function unescaped(text: string, url: string): string {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    throw invalid(
      `${show(withoutLogin(url))} has a % that begins no escape: a percent sign itself is written as %25.`,
      error,
    )
  }
}

function withSlash(path: string): string {
  return path.startsWith('/') ? path : `/${path}`
}

/** Messages go to logs, where a password has no place. */
function withoutLogin(url: string): string {
  const from = url.includes('://') ? url.indexOf('://') + '://'.length : 0
  return url.slice(0, from) + afterLogin(url.slice(from))
}

function afterLogin(text: string): string {
  return text.slice(text.lastIndexOf('@') + 1)
}

function invalid(sentence: string, cause?: unknown): MqttError {
  return new MqttError('ERR_MQTT_INVALID_OPTION', sentence, cause === undefined ? {} : { cause })
}
