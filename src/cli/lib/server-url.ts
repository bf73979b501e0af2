/** `-L`: log-in, server and topic as one URL, `mqtt://user:password@host:port/topic`. */
import { wrongUsage } from './exit.js'

/** What a URL says. */
export interface ServerUrl {
  readonly scheme: 'mqtt' | 'mqtts' | 'ws' | 'wss'
  readonly host: string
  readonly port?: number
  readonly username?: string
  readonly password?: string
  /** As it stands there: `#` and `+` are wildcards, not parts of a URL. Missing where nothing follows the host. */
  readonly topic?: string
}

const PATTERN =
  /^(?<scheme>\w+):\/\/(?:(?<login>[^@/]*)@)?(?<host>\[[^\]/]*\]|[^:/@]+)(?::(?<port>[^/]*))?(?:\/(?<topic>.*))?$/s
const SCHEMES = ['mqtt', 'mqtts', 'ws', 'wss'] as const

/** @throws Exit for what is no such URL. */
export function parseServerUrl(text: string): ServerUrl {
  const { scheme = '', login, host = '', port, topic } = PATTERN.exec(text)?.groups ?? {}
  const known = SCHEMES.find((one) => one === scheme)
  if (known === undefined) {
    throw wrongUsage(
      `-L takes a URL like mqtt://user:password@host:1883/topic, or one with mqtts, ws or wss.`,
    )
  }
  const portNumber = port === undefined ? undefined : Number(/^\d+$/.test(port) ? port : Number.NaN)
  if (portNumber !== undefined && !(portNumber >= 1 && portNumber <= 65_535)) {
    throw wrongUsage(`-L: a port is a whole number from 1 to 65535, not '${port}'.`)
  }
  const colon = login?.indexOf(':') ?? -1
  const username = login === undefined || colon === -1 ? login : login.slice(0, colon)
  const password = login === undefined || colon === -1 ? undefined : login.slice(colon + 1)
  return {
    scheme: known,
    host: host.replace(/^\[|\]$/g, ''),
    ...(portNumber !== undefined && { port: portNumber }),
    ...(username !== undefined && { username: decoded(username) }),
    ...(password !== undefined && { password: decoded(password) }),
    ...(topic !== undefined && topic !== '' && { topic }),
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw wrongUsage('-L: a % in the user name or the password is written %25.')
  }
}
