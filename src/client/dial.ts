/**
 * Opens the connection to a server: TCP, TLS, a unix socket, or a WebSocket over any of these. What comes out is a
 * `ClientTransport` that is ready for CONNECT, or an `MqttError` that says what to do.
 *
 * The handshake of a WebSocket is in open-websocket.ts; sentences are in problems.ts. Plain TCP is read through the
 * buffer that all sockets of the thread share (src/transports/shared-read.ts), for which a socket of one's own needs
 * nothing that is not documented.
 */
import { connect as connectTcp, isIP, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type ConnectionOptions, connect as connectTls, TLSSocket } from 'node:tls'
import { MqttError } from '../errors.js'
import { readShared } from '../transports/shared-read.js'
import { StreamTransport } from '../transports/stream.js'
import { TcpTransport } from '../transports/tcp.js'
import type { Protocol } from '../transports/transport.js'
import { formatAddress, type ServerAddress } from './address.js'
import { type DialOptions, networkOptions, tlsOptions } from './dial-options.js'
import { openWebSocket } from './open-websocket.js'
import { type Attempt, badTlsOptions, failedAttempt, timedOut } from './problems.js'
import { type ClientTransport, StreamedTransport } from './transport.js'

export type { DialOptions } from './dial-options.js'

const DEFAULT_TIMEOUT_MS = 30_000
/** What a timer of Node can wait. */
const LONGEST_TIMER_MS = 2_147_483_647
const EMPTY = Buffer.alloc(0)

/** A connection that is being opened. */
export interface Opening {
  /** Whether the network has answered, and only what goes on top is missing; undefined where that is not known. */
  readonly hasConnected: boolean | undefined
  /** Gives up. Nothing is reported any more. */
  cancel(): void
}

/** What becomes of an `Opening`: one of them, once. */
export interface Outcome {
  opened(transport: ClientTransport): void
  failed(error: MqttError): void
}

/**
 * Opens a connection. It resolves in the turn in which the connection is there; what comes before the transport's
 * handlers are set is kept for them.
 *
 * @throws MqttError ERR_MQTT_CONNECT, ERR_MQTT_CONNECT_TIMEOUT, ERR_MQTT_TLS or ERR_MQTT_INVALID_OPTION; the signal's
 * reason when it is aborted.
 */
export async function dial(
  address: ServerAddress,
  options: DialOptions = {},
  signal?: AbortSignal,
): Promise<ClientTransport> {
  signal?.throwIfAborted()
  const timeoutMs = timeoutOf(options)
  const attempt: Attempt = { address, place: formatAddress(address), family: options.family }
  let cleanUp = (): void => {}
  const opened = new Promise<ClientTransport>((resolve, reject) => {
    const opening = open(attempt, options, { opened: resolve, failed: reject })
    const giveUp = (reason: unknown): void => {
      opening.cancel()
      reject(reason)
    }
    const onAbort = (): void => giveUp(signal?.reason)
    const timer = setTimeout(() => giveUp(timedOut(attempt, timeoutMs, opening.hasConnected)), timeoutMs)
    signal?.addEventListener('abort', onAbort, { once: true })
    cleanUp = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
  })
  return opened.finally(cleanUp)
}

/** A stream of the user's own as a connection: a socket, a pipe, a WebSocket stream, `broker.connect()`. */
export function overDuplex(duplex: Duplex): ClientTransport {
  const isSocket = duplex instanceof Socket
  const encrypted = duplex instanceof TLSSocket
  if (isSocket) return overSocket(duplex.setNoDelay(true), 'the stream', encrypted)
  const inner = new StreamTransport(duplex)
  const transport = new StreamedTransport(inner, 'the stream', encrypted)
  inner.open(transport)
  // A stream that has ended already says nothing more.
  if (duplex.destroyed) setImmediate(() => transport.closed(duplex.errored ?? undefined))
  return transport
}

function open(attempt: Attempt, options: DialOptions, outcome: Outcome): Opening {
  switch (attempt.address.protocol) {
    case 'mqtt':
      return openTcp(attempt, options, outcome)
    case 'mqtts':
      return openTls(attempt, options, outcome)
    case 'ws':
    case 'wss':
      return openWebSocket(attempt, options, outcome)
  }
}

function openTcp(attempt: Attempt, options: DialOptions, outcome: Outcome): Opening {
  const { address, place } = attempt
  let transport: StreamedTransport | undefined
  const onread = readShared((chunk, length) => transport?.take(chunk, length))
  const socket = connectTcp({
    ...targetOf(address),
    ...networkOptions(options),
    allowHalfOpen: true,
    noDelay: true,
    ...(onread !== undefined && { onread }),
  })
  return opening(socket, 'connect', attempt, outcome, () => {
    transport = overSocket(socket, place, false)
    return transport
  })
}

function openTls(attempt: Attempt, options: DialOptions, outcome: Outcome): Opening {
  const { address, place } = attempt
  const settings: ConnectionOptions & { allowHalfOpen: boolean } = {
    ...targetOf(address),
    ...networkOptions(options),
    // SNI is for names only, and Node sends none by itself.
    ...(isIP(address.host) === 0 && { servername: address.host }),
    ...tlsOptions(options),
    allowHalfOpen: true,
  }
  let socket: TLSSocket
  try {
    socket = connectTls(settings)
  } catch (error) {
    throw badTlsOptions(error)
  }
  socket.setNoDelay(true)
  return opening(socket, 'secureConnect', attempt, outcome, () => overSocket(socket, place, true))
}

/** `made` is called when the socket says `event`. Errors before it are the outcome; later ones are the transport's. */
function opening(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  attempt: Attempt,
  outcome: Outcome,
  made: () => ClientTransport,
): Opening {
  let hasConnected = false
  const onError = (error: Error): void => outcome.failed(failedAttempt(error, attempt))
  // A socket that is cancelled may still report an error, which is nobody's.
  socket.on('error', onError)
  socket.once('connect', () => {
    hasConnected = true
  })
  socket.once(event, () => {
    const transport = made()
    socket.off('error', onError)
    outcome.opened(transport)
  })
  return {
    get hasConnected() {
      return hasConnected
    },
    cancel: () => socket.destroy(),
  }
}

function overSocket(socket: Socket, place: string, encrypted: boolean): StreamedTransport {
  const protocol: Protocol = encrypted ? 'mqtts' : 'mqtt'
  const inner = new TcpTransport(socket, protocol, 'theirs')
  const transport = new StreamedTransport(inner, place, encrypted)
  inner.open(transport, EMPTY)
  if (socket.destroyed) setImmediate(() => transport.closed(socket.errored ?? undefined))
  return transport
}

function timeoutOf({ connectTimeout = DEFAULT_TIMEOUT_MS }: DialOptions): number {
  if (Number.isInteger(connectTimeout) && connectTimeout >= 1 && connectTimeout <= LONGEST_TIMER_MS)
    return connectTimeout
  const sentence = `connectTimeout must be a whole number of milliseconds from 1 to ${LONGEST_TIMER_MS}.`
  throw new MqttError('ERR_MQTT_INVALID_OPTION', sentence)
}

function targetOf({
  host,
  port,
  socketPath,
}: ServerAddress): { host: string; port: number } | { path: string } {
  return socketPath === undefined ? { host, port } : { path: socketPath }
}
