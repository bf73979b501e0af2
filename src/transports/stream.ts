/**
 * Any Duplex as a `Transport`: what `broker.handle(stream)` takes, as Aedes's does. A `net.Socket` is given to tcp.ts,
 * which knows more about it; anything else (a WebSocket stream, a pipe, one end of a memory pair) is treated here with
 * no assumption but Node's stream contract. So bytes are copied before they are written: a stream may keep a chunk
 * long after its callback.
 */
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { attachTcp, formatPeer } from './tcp.js'
import type { Transport, TransportSink } from './transport.js'
import { type Acceptor, type CloseReason, LINGER_MS, type Protocol } from './transport.js'

/** What is known about a stream from elsewhere. */
export interface StreamInfo {
  readonly protocol?: Protocol
  readonly remoteAddress?: string
}

/** Gives a stream to the acceptor as an MQTT Network Connection. */
export function attachStream(acceptor: Acceptor, stream: Duplex, info: StreamInfo = {}): Transport {
  if (stream instanceof Socket && info.remoteAddress === undefined) {
    const protocol = info.protocol ?? (stream instanceof TLSSocket ? 'mqtts' : 'mqtt')
    return attachTcp(acceptor, stream.setNoDelay(true), protocol, undefined, 'theirs')
  }
  const transport = new StreamTransport(stream, info)
  transport.open(acceptor.attach(transport))
  return transport
}

/** See `Transport`. Made by `attachStream`. */
export class StreamTransport implements Transport {
  readonly protocol: Protocol
  readonly remoteAddress: string
  readonly #stream: Duplex
  /** Chunks that came while the sink was being read from; see `#onData`. */
  readonly #held: Uint8Array[] = []
  #sink: TransportSink | undefined
  #writing = false
  #closing = false
  #error: Error | undefined
  #linger: NodeJS.Timeout | undefined

  constructor(stream: Duplex, info: StreamInfo = {}) {
    this.protocol = info.protocol ?? 'stream'
    this.remoteAddress = info.remoteAddress ?? (stream instanceof Socket ? formatPeer(stream) : this.protocol)
    this.#stream = stream
    stream
      .on('data', this.#onData)
      .on('drain', () => {
        if (!this.#closing) this.#sink?.drained()
      })
      .on('end', () => setImmediate(() => this.close()))
      .on('error', (error) => {
        if (!this.#closing) this.#error = error
      })
      .on('close', () => {
        clearTimeout(this.#linger)
        this.#closing = true
        this.#sink?.closed(this.#error)
      })
  }

  /** Starts reporting. To be called in the turn that made the transport. */
  open(sink: TransportSink): void {
    this.#sink = sink
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closing || !this.#stream.writable) return true
    this.#writing = true
    const room = this.#stream.write(Buffer.from(bytes))
    this.#writing = false
    return room
  }

  close(_reason?: CloseReason): void {
    if (this.#closing) return
    this.#closing = true
    this.#stream.end()
    this.#stream.resume()
    this.#linger = setTimeout(() => this.#stream.destroy(), LINGER_MS)
  }

  destroy(): void {
    this.#closing = true
    this.#stream.destroy()
  }

  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }

  /** A stream in memory may answer from within our `write`, where a sink is not to be called: that waits a tick. */
  readonly #onData = (chunk: unknown): void => {
    if (this.#closing) return
    if (!(chunk instanceof Uint8Array)) {
      this.#error = new TypeError('A stream for MQTT carries bytes: no encoding, no object mode.')
      this.destroy()
    } else if (!this.#writing && this.#held.length === 0) {
      this.#sink?.receive(chunk)
    } else {
      if (this.#held.length === 0) process.nextTick(this.#receiveHeld)
      this.#held.push(chunk)
    }
  }

  readonly #receiveHeld = (): void => {
    for (const chunk of this.#held.splice(0)) {
      if (!this.#closing) this.#sink?.receive(chunk)
    }
  }
}
