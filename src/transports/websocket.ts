/**
 * A WebSocket as a `Transport`: MQTT over WebSocket. Control packets may share a frame and span frames [MQTT-6.0.0-2],
 * v3.1.1 [MQTT-6.0.0-2], so frames are chunks here and nothing more. `WebSocketPipe`, the half that deals with the
 * socket, also carries topic URLs (topic-url.ts, next).
 */
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { webSocketClose } from './close-code.js'
import { frameOf, framesOf, type Payload } from './frame.js'
import type { CloseReason, Protocol, Transport, TransportSink } from './transport.js'

const EMPTY = Buffer.alloc(0)
const BINARY = { binary: true }
const TEXT = { binary: false }
/** What may wait inside an encrypted socket before `write` says false. */
const TLS_BACKLOG_BYTES = 65_536
/** What is copied into one buffer with its header, rather than written as two. */
const COPIED_BYTES = 2_048

/** What a WebSocket was accepted with. */
export interface WebSocketOrigin {
  readonly webSocket: WebSocket
  /** The socket beneath it, whose queue tells what the kernel has not taken yet. */
  readonly socket: Duplex
  readonly encrypted: boolean
  readonly remoteAddress: string
}

/** Frames out with back-pressure, an orderly end, and one `closed`. */
export abstract class WebSocketPipe {
  abstract readonly protocol: Protocol
  readonly remoteAddress: string
  readonly #webSocket: WebSocket
  readonly #socket: Duplex
  readonly #encrypted: boolean
  #sink: TransportSink | undefined
  #closing = false
  #error: Error | undefined

  constructor(origin: WebSocketOrigin) {
    this.remoteAddress = origin.remoteAddress
    this.#webSocket = origin.webSocket
    this.#socket = origin.socket
    this.#encrypted = origin.encrypted
    this.#webSocket
      .on('message', (data, isBinary) => {
        // `binaryType` is left at 'nodebuffer': a message is always one Buffer.
        if (!this.#closing && this.#sink !== undefined) this.receive(this.#sink, data as Buffer, isBinary)
      })
      .on('error', (error) => {
        if (!this.#closing) this.#error = error
      })
      .on('close', () => {
        this.#closing = true
        this.#sink?.closed(this.#error)
      })
  }

  /** Starts reporting. To be called in the turn that made the transport. */
  open(sink: TransportSink): void {
    this.#sink = sink
  }

  close(reason?: CloseReason): void {
    const { code, reason: text } = webSocketClose(reason)
    this.closeWith(code, text)
  }

  destroy(): void {
    this.#closing = true
    this.#webSocket.terminate()
  }

  pause(): void {
    this.#webSocket.pause()
  }

  resume(): void {
    this.#webSocket.resume()
  }

  protected abstract receive(sink: TransportSink, data: Buffer, isBinary: boolean): void

  protected closeWith(code: number, reason: string): void {
    if (this.#closing) return
    this.#closing = true
    this.#webSocket.close(code, reason)
    // The peer's close frame has to be read. The wait for it is bounded by the server's `closeTimeout`, LINGER_MS.
    this.#webSocket.resume()
  }

  /** One frame. See `Transport.write` for what the answer means. */
  protected send(bytes: Uint8Array, isBinary: boolean): boolean {
    if (!this.#isOpen) return true
    // To write beside `ws` is safe: with nothing to compress, it hands over all that it sends at once and in order.
    if (this.#encrypted || bytes.length <= COPIED_BYTES) this.#socket.write(frameOf(bytes, isBinary))
    else this.#webSocket.send(bytes, isBinary ? BINARY : TEXT)
    return this.#hasRoom()
  }

  /** A frame for each payload, in one write. */
  protected sendAll(payloads: readonly Payload[]): boolean {
    const [first] = payloads
    if (first === undefined || !this.#isOpen) return true
    if (payloads.length === 1) return this.send(first.bytes, !first.isText)
    this.#socket.write(framesOf(payloads))
    return this.#hasRoom()
  }

  get #isOpen(): boolean {
    return !this.#closing && this.#webSocket.readyState === this.#webSocket.OPEN
  }

  /** Whether all has been taken; if not, `drained` will follow. */
  #hasRoom(): boolean {
    if (this.#socket.writableLength <= (this.#encrypted ? TLS_BACKLOG_BYTES : 0)) return true
    // No bytes, so no frame; called back when all before it has gone.
    this.#socket.write(EMPTY, this.#onHandedOver)
    return false
  }

  readonly #onHandedOver = (error?: Error | null): void => {
    if (!error && !this.#closing) this.#sink?.drained()
  }
}

/** MQTT over WebSocket. */
export class WebSocketTransport extends WebSocketPipe implements Transport {
  readonly protocol: Protocol

  constructor(origin: WebSocketOrigin) {
    super(origin)
    this.protocol = origin.encrypted ? 'wss' : 'ws'
  }

  write(bytes: Uint8Array): boolean {
    return this.send(bytes, true)
  }

  protected receive(sink: TransportSink, data: Buffer, isBinary: boolean): void {
    // [MQTT-6.0.0-1], v3.1.1 [MQTT-6.0.0-1]
    if (isBinary) sink.receive(data)
    else this.closeWith(1003, 'MQTT packets travel in binary frames; this was a text frame.')
  }
}
