/**
 * A plain TCP connection, with or without a WebSocket around it, that the native core reads and writes itself. No JavaScript runs for what it carries: libuv calls
 * the core when the socket is ready, and the core writes once a turn (crates/napi/src/sockets). What is left here is a
 * `Transport` by name, so that the connection has one like any other.
 *
 * A connection is taken over with its descriptor, of which the core keeps a duplicate; Node's socket is destroyed without
 * touching the connection. `_handle.fd` is not documented. Where it is no descriptor (on Windows, for a pipe), where this
 * process does not show libuv's functions, or where the option `sockets` says so, sockets stay with Node: tcp.ts.
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { NativeBroker } from '../native.js'
import { webSocketClose } from './close-code.js'
import { formatPeer } from './tcp.js'
import type { CloseReason, Transport } from './transport.js'

/** See `Transport`. The core pauses and resumes it, writes to it and, but for the words of a WebSocket, ends it. */
export class NativeSocketTransport implements Transport {
  readonly protocol: 'mqtt' | 'ws'
  readonly remoteAddress: string
  readonly #native: NativeBroker
  readonly #id: number

  constructor(native: NativeBroker, id: number, protocol: 'mqtt' | 'ws', remoteAddress: string) {
    this.#native = native
    this.#id = id
    this.protocol = protocol
    this.remoteAddress = remoteAddress
  }

  write(): boolean {
    return true
  }

  /** Called where the core cannot do it: a close frame has words. */
  close(reason?: CloseReason): void {
    const { code, reason: text } = webSocketClose(reason)
    this.#native.closeWebSocket(this.#id, code, text)
  }

  destroy(): void {
    this.#native.destroySocket(this.#id)
  }

  pause(): void {}

  resume(): void {}
}

/** What a socket that is handed to the core carries. */
export interface Adoption {
  /** What has been read from it already. */
  readonly head: Uint8Array
  /** It is a WebSocket whose handshake is done, and whose messages have at most so many bytes. */
  readonly maximumMessageBytes?: number
}

/**
 * Takes the connection of `socket` over from Node. Everything that Node has read must be in the head, and everything
 * that was written must have gone to the kernel. undefined, and nothing done, where that is not possible.
 */
export function adoptSocket(
  native: NativeBroker,
  socket: Socket,
  { head, maximumMessageBytes }: Adoption,
  now: number,
): { id: number; transport: NativeSocketTransport } | undefined {
  const descriptor = descriptorOf(socket)
  if (descriptor === undefined || socket.writableLength > 0 || socket.readableLength > 0) return undefined
  const remoteAddress = formatPeer(socket)
  const id = native.adoptSocket(descriptor, head, maximumMessageBytes, now)
  if (id < 0) return undefined
  socket.destroy()
  const protocol = maximumMessageBytes === undefined ? 'mqtt' : 'ws'
  return { id, transport: new NativeSocketTransport(native, id, protocol, remoteAddress) }
}

function descriptorOf(socket: Socket): number | undefined {
  if (socket instanceof TLSSocket || socket.destroyed) return undefined
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: unknown } | null }
  const descriptor = handle?.fd
  return typeof descriptor === 'number' && descriptor >= 0 ? descriptor : undefined
}
