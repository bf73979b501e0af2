/**
 * Whether what the broker tells about its clients (`$SYS/topicwire/…`, the page) may be told when nobody has said so:
 * only if nobody can ask for it unasked. Everybody who can connect either is on this machine, or has shown who they are
 * to `authenticate`, to an enhanced method, or with a client certificate.
 */
import { isIP } from 'node:net'
import type { ResolvedListener } from '../options.js'

/** What of the options it depends on. */
export interface Access {
  readonly listeners: readonly ResolvedListener[]
  /** Somebody is asked for each CONNECT. */
  readonly authenticates: boolean
}

/** See the head of this file. A broker without listeners is somebody's own affair, and tells nothing unasked. */
export function isGuarded({ listeners, authenticates }: Access): boolean {
  if (listeners.length === 0) return false
  return (
    authenticates || listeners.every((listener) => isLoopback(listener.host) || demandsCertificate(listener))
  )
}

/** Whether only this machine can reach a host to bind to. A name other than `localhost` counts as reachable. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

/** Whether nobody gets further than the handshake without a valid certificate. `auto` is plain as well. */
export function demandsCertificate({ protocol, tls }: ResolvedListener): boolean {
  const isEncrypted = protocol === 'mqtts' || protocol === 'wss'
  return isEncrypted && tls?.requestCert === true && tls.rejectUnauthorized !== false
}
