/** Where another broker is: `--broker mqtt://…` and `--ws ws://…`. */
import { wrongUsage } from '../lib/exit.js'
import type { Place } from './ways.js'

/** The default ports of the schemes. */
const PORTS: ReadonlyMap<string, number> = new Map([
  ['mqtt:', 1883],
  ['mqtts:', 8883],
  ['ws:', 80],
  ['wss:', 443],
])

/** An address as it was given, and what it means. */
export interface Address {
  readonly text: string
  readonly place: Place
}

/** @throws Exit with 2 for what is no such address. */
export function addressOf(flag: '--broker' | '--ws', text: string): Address {
  const schemes = flag === '--ws' ? ['ws:', 'wss:'] : ['mqtt:', 'mqtts:']
  const example = flag === '--ws' ? 'ws://localhost:8080/mqtt' : 'mqtt://localhost:1883'
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !schemes.includes(url.protocol) || url.hostname === '') {
    throw wrongUsage(`${flag} takes an address like ${example}, not '${text}'.`)
  }
  const { protocol, hostname, port, pathname, search, username, password } = url
  return {
    // Without the log-in: it goes into reports.
    text: `${protocol}//${url.host}${flag === '--ws' ? pathname + search : ''}`,
    place: {
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? (PORTS.get(protocol) ?? 0) : Number(port),
      tls: protocol === 'mqtts:' || protocol === 'wss:',
      path:
        pathname === '/' && search === '' && flag === '--ws' ? '/mqtt' : `${pathname || '/mqtt'}${search}`,
      ...(username !== '' && { username: decodeURIComponent(username) }),
      ...(password !== '' && { password: decodeURIComponent(password) }),
    },
  }
}
