/**
 * A TCP or TLS connection as a `Transport`.
 *
 * Plain TCP is read through the buffer that all sockets share where that works (shared-read.ts), else by 'data', and
 * written without a copy: `socket.write` tries the system call at once, so `writableLength === 0` after it means that
 * the kernel has all the bytes. TLS goes through 'data' and copies, because its bytes are encrypted later.
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { moveToSharedBuffer } from './shared-read.js'
import type { Transport, TransportSink } from './transport.js'
import { type Acceptor, type CloseReason, LINGER_MS, type Protocol } from './transport.js'

const EMPTY = Buffer.alloc(0)
/** What may wait inside a TLS socket before `write` says false. */
const TLS_BACKLOG_BYTES = 65_536

/** Who owns the Socket object, and so whether its connection may be moved to another. */
export type Ownership = 'ours' | 'theirs'

/**
 * Gives a connection to the acceptor. `head` is what has been read from it already. With ownership 'theirs' the
 * Socket object keeps its connection, so that whoever made it can go on watching it.
 */
export function attachTcp(
  acceptor: Acceptor,
  socket: Socket,
  protocol: Protocol,
  head: Uint8Array = EMPTY,
  ownership: Ownership = 'ours',
): TcpTransport {
  const transport = new TcpTransport(socket, protocol, ownership)
  transport.open(acceptor.attach(transport), head)
  return transport
}

/** `127.0.0.1:53312`, `[::1]:4000`, or `unknown` for a peer that has gone already. */
export function formatPeer(socket: Socket): string {
  const { remoteAddress, remotePort } = socket
  if (remoteAddress === undefined) return 'unknown'
  // An IPv4 peer on a socket that serves both families.
  if (remoteAddress.startsWith('::ffff:')) return `${remoteAddress.slice(7)}:${remotePort}`
  return remoteAddress.includes(':') ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`
}

/** See `Transport`. Made by `attachTcp`. */
export class TcpTransport implements Transport {
  readonly protocol: Protocol
  readonly remoteAddress: string
  readonly #socket: Socket
  readonly #encrypted: boolean
  #sink: TransportSink | undefined
  #closing = false
  #error: Error | undefined
  #linger: NodeJS.Timeout | undefined

  constructor(socket: Socket, protocol: Protocol, ownership: Ownership) {
    this.protocol = protocol
    this.remoteAddress = formatPeer(socket)
    this.#encrypted = socket instanceof TLSSocket
    const receive = (bytes: Uint8Array): void => {
      if (!this.#closing) this.#sink?.receive(bytes)
    }
    const moved = ownership === 'ours' ? moveToSharedBuffer(socket, receive) : undefined
    this.#socket = moved ?? socket.on('data', receive)
    this.#socket
      .on('end', this.#onEnd)
      .on('error', (error) => {
        if (!this.#closing) this.#error = error
      })
      .on('close', () => {
        clearTimeout(this.#linger)
        this.#closing = true
        this.#sink?.closed(this.#error)
      })
  }

  /** Starts reporting, with `head` as the first bytes. To be called in the turn that made the transport. */
  open(sink: TransportSink, head: Uint8Array): void {
    this.#sink = sink
    if (head.length > 0 && !this.#closing) sink.receive(head)
  }

  write(bytes: Uint8Array): boolean {
    const socket = this.#socket
    if (this.#closing || !socket.writable) return true
    if (this.#encrypted) {
      socket.write(Buffer.from(bytes))
      if (socket.writableLength <= TLS_BACKLOG_BYTES) return true
    } else {
      socket.write(bytes)
      if (socket.writableLength === 0) return true
    }
    // Node says 'drain' only past its high-water mark. An empty write is called back when all before it has gone.
    socket.write(EMPTY, this.#onHandedOver)
    return false
  }

  close(_reason?: CloseReason): void {
    if (this.#closing) return
    this.#closing = true
    this.#socket.end()
    // Closing a socket with unread bytes makes the kernel send RST, which can overtake our last packet at the peer.
    this.#socket.resume()
    this.#linger = setTimeout(() => this.#socket.destroy(), LINGER_MS)
  }

  destroy(): void {
    this.#closing = true
    this.#socket.destroy()
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  readonly #onHandedOver = (error?: Error | null): void => {
    if (!error && !this.#closing) this.#sink?.drained()
  }

  /** The peer has said all it had to say. What this turn still wants to answer goes out first. */
  readonly #onEnd = (): void => {
    setImmediate(() => this.close())
  }
}
