/**
 * TLS on sockets that somebody else has accepted: a `tls.Server` without a port of its own.
 */
import type { Socket } from 'node:net'
import { createServer, type TlsOptions as NodeTlsOptions, type Server, type TLSSocket } from 'node:tls'
import { MqttError } from '../errors.js'
import type { TlsOptions } from '../options.js'
import { formatPeer } from '../transports/tcp.js'
import type { Acceptor } from '../transports/transport.js'
import { tlsFailure } from './advice.js'

/** Made by a port that has a certificate. */
export class TlsFront {
  readonly #server: Server
  /** Sockets in their handshake, by peer; the TLS socket that comes out of it has the same one. */
  readonly #shaking = new Map<string, Socket>()

  /**
   * `onSecure` gets each socket whose handshake is done.
   *
   * @throws MqttError ERR_MQTT_TLS when the certificate or key cannot be used.
   */
  constructor(options: TlsOptions, acceptor: Acceptor, onSecure: (socket: TLSSocket) => void) {
    try {
      this.#server = createServer({
        ...(options as NodeTlsOptions),
        minVersion: options.minVersion ?? 'TLSv1.2',
        handshakeTimeout: acceptor.options.limits.connectTimeoutMs,
        allowHalfOpen: true,
      } as NodeTlsOptions)
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error)
      throw new MqttError('ERR_MQTT_TLS', `The certificate or key cannot be used: ${problem}.`, {
        cause: error,
      })
    }
    this.#server
      .on('secureConnection', (socket) => {
        this.#shaking.delete(formatPeer(socket))
        onSecure(socket)
      })
      .on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
        this.#shaking.delete(formatPeer(socket))
        const { check, sentence } = tlsFailure(error, options.requestCert)
        const fields = { peer: formatPeer(socket), code: error.code, check }
        acceptor.logger.warn(fields, sentence)
        acceptor.reportProblem?.({ code: 'tlsHandshake', text: sentence, remoteAddress: fields.peer })
        socket.destroy()
      })
  }

  /** Takes a paused socket over. What has been read from it already is put back with `unshift`. */
  accept(socket: Socket): void {
    const peer = formatPeer(socket)
    this.#shaking.set(peer, socket)
    socket.on('close', () => {
      if (this.#shaking.get(peer) === socket) this.#shaking.delete(peer)
    })
    this.#server.emit('connection', socket)
  }

  /** Drops what is still in its handshake. */
  close(): void {
    for (const socket of this.#shaking.values()) socket.destroy()
    this.#shaking.clear()
  }
}
