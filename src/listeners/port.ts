/**
 * The port that tells protocols apart. The first byte of a connection decides: 0x10 begins an MQTT CONNECT, an ASCII
 * letter an HTTP method (but for a few words of other protocols, which are waited for), 0x16 0x03 a TLS handshake,
 * inside which the same is asked again. All that was read to find out goes on to the protocol that was found.
 *
 * A listener for one protocol is the same port that welcomes less. What comes to the wrong place is told where the
 * right one is, in a way that its sender understands (advice.ts), and the log gets one sentence.
 *
 * `maximumConnections` counts what the acceptor holds and is enforced there; here it bounds sockets that have not
 * found their protocol yet, which also have `connectTimeoutMs` to do so.
 */
import type { Socket } from 'node:net'
import { HttpFront } from '../http/server.js'
import { isForeignText, mayBeForeignText } from '../knowledge/first-bytes.js'
import { knowledgeOf } from '../knowledge/table.js'
import type { ListenerProtocol, ResolvedListener } from '../options.js'
import { endWith } from '../transports/last-words.js'
import { attachTcp, formatPeer } from '../transports/tcp.js'
import type { Acceptor } from '../transports/transport.js'
import { httpMisdirected, misdirection, silentSentence } from './advice.js'
import { TlsFront } from './tls.js'

const CONNECT = 0x10
const TLS_HANDSHAKE = 0x16
const TLS_MAJOR_VERSION = 0x03

/** What a connection turned out to speak. */
export type Spoken = 'mqtt' | 'http' | 'tls' | 'unknown'

/** What is welcome at first, and inside TLS. */
interface Welcome {
  readonly outside: readonly Spoken[]
  readonly inside: readonly Spoken[]
}

function welcomeOf(options: ResolvedListener): Welcome {
  const both: readonly Spoken[] = ['mqtt', 'http']
  const table: Record<ListenerProtocol, Welcome> = {
    auto:
      options.tls === undefined ? { outside: both, inside: [] } : { outside: [...both, 'tls'], inside: both },
    mqtt: { outside: ['mqtt'], inside: [] },
    mqtts: { outside: ['tls'], inside: ['mqtt'] },
    ws: { outside: ['http'], inside: [] },
    wss: { outside: ['tls'], inside: ['http'] },
  }
  return table[options.protocol]
}

/**
 * What the first bytes of a connection begin; undefined while they do not tell.
 */
export function identify(head: Uint8Array): Spoken | undefined {
  const [first, second] = head
  if (first === undefined) return undefined
  if (first === CONNECT) return 'mqtt'
  if (first === TLS_HANDSHAKE) {
    if (second === undefined) return undefined
    return second === TLS_MAJOR_VERSION ? 'tls' : 'unknown'
  }
  const lowerCase = first | 0x20
  if (lowerCase < 0x61 || lowerCase > 0x7a || isForeignText(head)) return 'unknown'
  return mayBeForeignText(head) ? undefined : 'http'
}

/** One listener's way from an accepted socket to a transport. */
export class Port {
  readonly #options: ResolvedListener
  readonly #acceptor: Acceptor
  readonly #welcome: Welcome
  readonly #http: HttpFront | undefined
  readonly #tls: TlsFront | undefined
  /** Sockets whose protocol is not known yet. */
  readonly #pending = new Set<Socket>()
  #closed = false

  /** @throws MqttError ERR_MQTT_TLS when the certificate or key cannot be used. */
  constructor(options: ResolvedListener, acceptor: Acceptor) {
    this.#options = options
    this.#acceptor = acceptor
    this.#welcome = welcomeOf(options)
    const { outside, inside } = this.#welcome
    if (outside.includes('http') || inside.includes('http')) this.#http = new HttpFront(acceptor)
    if (options.tls !== undefined && outside.includes('tls')) {
      this.#tls = new TlsFront(options.tls, acceptor, (socket) => this.#listen(socket, inside, true))
    }
  }

  /** MQTT without encryption is among what this port is for. */
  get welcomesMqtt(): boolean {
    return this.#welcome.outside.includes('mqtt')
  }

  /** Takes a socket that nothing has been read from. */
  accept(socket: Socket): void {
    this.#listen(socket, this.#welcome.outside, false)
  }

  /** Drops what has not found its protocol yet and ends what is not the acceptor's. */
  close(): void {
    this.#closed = true
    for (const socket of this.#pending) socket.destroy()
    this.#http?.close()
    this.#tls?.close()
  }

  #listen(socket: Socket, welcome: readonly Spoken[], encrypted: boolean): void {
    const { limits } = this.#acceptor.options
    if (this.#closed || this.#pending.size >= limits.maximumConnections) {
      socket.destroy()
      return
    }
    let head: Buffer | undefined
    const onData = (chunk: Buffer): void => {
      head = head === undefined ? chunk : Buffer.concat([head, chunk])
      const spoken = identify(head)
      if (spoken === undefined) return
      release()
      this.#route(socket, head, spoken, welcome.includes(spoken), encrypted)
    }
    const onTimeout = (): void => {
      const peer = formatPeer(socket)
      this.#acceptor.logger.debug({ peer }, silentSentence(limits.connectTimeoutMs))
      socket.destroy()
    }
    const onEnd = (): void => void socket.destroy()
    const release = (): void => {
      this.#pending.delete(socket)
      socket.setTimeout(0)
      socket.off('data', onData).off('timeout', onTimeout).off('end', onEnd).off('close', release)
    }
    this.#pending.add(socket)
    socket.setTimeout(limits.connectTimeoutMs)
    socket.on('data', onData).on('timeout', onTimeout).on('end', onEnd).on('close', release)
    // A reset between two owners has nobody else to hear it; each owner listens for itself as well.
    socket.on('error', () => {})
  }

  #route(socket: Socket, head: Buffer, spoken: Spoken, isWelcome: boolean, encrypted: boolean): void {
    if (!isWelcome) {
      this.#turnAway(socket, head, spoken, encrypted)
    } else if (spoken === 'mqtt') {
      if (!encrypted && this.#acceptor.adopt(socket, { head })) return
      attachTcp(this.#acceptor, socket, encrypted ? 'mqtts' : 'mqtt', head)
    } else {
      socket.pause()
      socket.unshift(head)
      if (spoken === 'tls') this.#tls?.accept(socket)
      else this.#http?.accept(socket)
    }
  }

  #turnAway(socket: Socket, head: Buffer, spoken: Spoken, encrypted: boolean): void {
    const peer = formatPeer(socket)
    const place = { protocol: this.#options.protocol, encrypted, addresses: this.#acceptor.addresses }
    const { check, sentence } = misdirection(spoken, head, place)
    const fields = { peer, port: socket.localPort, listener: this.#options.protocol, check }
    this.#acceptor.logger.warn(fields, sentence)
    this.#acceptor.reportProblem?.({
      code: 'wrongProtocol',
      text: sentence,
      remedy: knowledgeOf(check).remedy,
      remoteAddress: peer,
    })
    endWith(socket, spoken === 'http' ? httpMisdirected(place) : '')
  }
}
