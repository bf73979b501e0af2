/**
 * A TLS handshake that trusts everybody, to see the certificate of a server that is not trusted. Nothing secret is sent
 * over it: who logs in is connected with the checks that the user has asked for.
 */
import { isIP } from 'node:net'
import { checkServerIdentity, connect, type PeerCertificate, type TLSSocket } from 'node:tls'
import type { ConnectOptions } from '../../lib/client-types.js'
import { codeOf } from './tcp.js'

/** Where, and with what of the user's. */
export interface TlsTarget {
  readonly address: string
  readonly port: number
  /** The name in the URL. */
  readonly host: string
  readonly options: ConnectOptions
}

/** What a handshake has shown. */
export type Handshake =
  | {
      readonly kind: 'done'
      readonly socket: TLSSocket
      readonly certificate: PeerCertificate
      /** What OpenSSL has against the chain; undefined where it has nothing. */
      readonly chainProblem: string | undefined
      /** Whether a name in the certificate fits the host. */
      readonly nameFits: boolean
    }
  /** The server has ended it with an alert, or with words of OpenSSL's about one. */
  | { readonly kind: 'alert'; readonly code: string }
  /** What answered was no TLS. */
  | { readonly kind: 'not-tls'; readonly code: string }
  | { readonly kind: 'silent' | 'closed' | 'unreachable' }
  /** This client's own certificate or key cannot be used. */
  | { readonly kind: 'own-options'; readonly message: string }

const NOT_TLS = ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG', 'ERR_SSL_HTTP_REQUEST']

/** Shakes hands. The socket of the answer is the caller's. */
export function shakeHands(target: TlsTarget, timeoutMs: number): Promise<Handshake> {
  return new Promise((resolve) => {
    const { ca, cert, key, ciphers, ALPNProtocols, minVersion, maxVersion } = target.options
    const given = { ca, cert, key, ciphers, ALPNProtocols, minVersion, maxVersion }
    const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
    let socket: TLSSocket
    try {
      socket = connect({
        host: target.address,
        port: target.port,
        rejectUnauthorized: false,
        servername: isIP(target.host) === 0 ? target.host : '',
        ...present,
      })
    } catch (error) {
      resolve({ kind: 'own-options', message: (error as Error).message })
      return
    }
    let isOver = false
    const end = (handshake: Handshake): void => {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      if (handshake.kind !== 'done') socket.destroy()
      resolve(handshake)
    }
    const timer = setTimeout(() => end({ kind: 'silent' }), timeoutMs)
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerCertificate(true)
      const { authorizationError } = socket as { authorizationError: unknown }
      end({
        kind: 'done',
        socket,
        certificate,
        chainProblem: authorizationError ? codeOf(authorizationError as NodeJS.ErrnoException) : undefined,
        nameFits: checkServerIdentity(target.host, certificate) === undefined,
      })
    })
    socket.on('error', (error: NodeJS.ErrnoException) => end(failure(codeOf(error))))
    socket.on('close', () => end({ kind: 'closed' }))
  })
}

function failure(code: string): Handshake {
  if (NOT_TLS.includes(code)) return { kind: 'not-tls', code }
  if (code === 'ECONNRESET' || code === 'EPIPE') return { kind: 'closed' }
  if (['ECONNREFUSED', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'].includes(code))
    return { kind: 'unreachable' }
  return { kind: 'alert', code }
}
