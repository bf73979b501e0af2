/**
 * What lies below a client's protocol: one Network Connection to a server, bytes in, bytes out, and one end.
 *
 * dial.ts opens one; engine.ts is the next file on the path of a packet. `StreamedTransport` puts what the listeners'
 * transports (src/transports/) do already behind this interface; WebSockets have a file of their own, since a client
 * masks its frames.
 */
import { MqttError } from '../errors.js'
import type { Transport, TransportSink } from '../transports/transport.js'
import { beginning, lostConnection, unexpectedAnswer } from './problems.js'

/** One Network Connection to a server. The three handlers are set by whoever uses it; what came before waits for them. */
export interface ClientTransport {
  /**
   * Hands bytes over. `true`: they have been taken and their memory may be reused at once. `false`: the transport keeps
   * using that memory until it calls `onDrain`; until then nothing more may be written. After the end it does nothing
   * and returns `true`.
   */
  write(bytes: Uint8Array): boolean
  /** Ends in order: what was written goes out first, then the end. The wait for a peer that does not read is bounded. */
  end(): void
  /** Ends at once; what has not been sent is lost. `onClose` follows, without an error. */
  destroy(): void
  /** Stops reading. Up to one chunk that has been read already may still arrive. */
  pause(): void
  /** Reads again. */
  resume(): void
  /** Bytes have arrived: the first `length` of `chunk`, which are valid during the call only. */
  onChunk: (chunk: Uint8Array, length: number) => void
  /** Follows a `write` that returned false. */
  onDrain: () => void
  /** The connection has ended; once, and the last call. With an error when neither side has ended it in order. */
  onClose: (error?: MqttError) => void
}

const nothing = (): void => {}

/** The handlers of a transport, and what waits until they are set. */
export abstract class HandlerSlots {
  onDrain: () => void = nothing
  #onChunk: ((chunk: Uint8Array, length: number) => void) | undefined
  #onClose: ((error?: MqttError) => void) | undefined
  /** Chunks from before there was somebody to read them: a server that speaks first. Copies. */
  #early: Buffer[] = []
  #end: { error: MqttError | undefined } | undefined

  get onChunk(): (chunk: Uint8Array, length: number) => void {
    return this.#onChunk ?? nothing
  }

  set onChunk(handler: (chunk: Uint8Array, length: number) => void) {
    this.#onChunk = handler
    queueMicrotask(() => this.#catchUp())
  }

  get onClose(): (error?: MqttError) => void {
    return this.#onClose ?? nothing
  }

  set onClose(handler: (error?: MqttError) => void) {
    this.#onClose = handler
    queueMicrotask(() => this.#catchUp())
  }

  protected emitChunk(chunk: Uint8Array, length: number): void {
    if (this.#onChunk !== undefined && this.#early.length === 0) this.#onChunk(chunk, length)
    else this.#early.push(Buffer.from(chunk.subarray(0, length)))
  }

  protected emitClose(error: MqttError | undefined): void {
    this.#end ??= { error }
    this.#catchUp()
  }

  #catchUp(): void {
    if (this.#onChunk !== undefined) {
      for (const chunk of this.#early.splice(0)) this.#onChunk(chunk, chunk.length)
    }
    if (this.#end === undefined || this.#onClose === undefined) return
    const handler = this.#onClose
    const { error } = this.#end
    this.#onClose = nothing
    if (error === undefined) handler()
    else handler(error)
  }
}

/** A TCP, TLS or other stream: a `Transport` of the listeners', read by a client. */
export class StreamedTransport extends HandlerSlots implements ClientTransport, TransportSink {
  readonly #transport: Transport
  readonly #place: string
  readonly #encrypted: boolean
  /** Whether the server has said anything, and whether we have ended it. */
  #heard = false
  #leaving = false
  #problem: MqttError | undefined

  /** `place` is the address as a person would write it. The transport is to be opened with this as its sink. */
  constructor(transport: Transport, place: string, encrypted: boolean) {
    super()
    this.#transport = transport
    this.#place = place
    this.#encrypted = encrypted
  }

  write(bytes: Uint8Array): boolean {
    return this.#transport.write(bytes)
  }

  end(): void {
    this.#leaving = true
    this.#transport.close()
  }

  destroy(): void {
    this.#leaving = true
    this.#transport.destroy()
  }

  pause(): void {
    this.#transport.pause()
  }

  resume(): void {
    this.#transport.resume()
  }

  /** For a socket that reads into a shared buffer. */
  readonly take = (chunk: Uint8Array, length: number): void => {
    if (this.#leaving || length === 0) return
    if (!this.#heard) {
      this.#heard = true
      this.#problem = unexpectedAnswer(chunk, length, this.#place, this.#encrypted)
      if (this.#problem !== undefined) {
        this.#leaving = true
        this.#transport.destroy()
        return
      }
    }
    this.emitChunk(chunk, length)
  }

  receive(bytes: Uint8Array): void {
    this.take(bytes, bytes.length)
  }

  drained(): void {
    if (!this.#leaving) this.onDrain()
  }

  closed(error?: Error): void {
    if (this.#problem !== undefined) this.emitClose(this.#problem)
    else if (this.#leaving) this.emitClose(undefined)
    else if (error !== undefined) this.emitClose(lostConnection(error, this.#place))
    else if (!this.#heard) this.emitClose(silentEnd(this.#place))
    else this.emitClose(undefined)
  }
}

function silentEnd(place: string): MqttError {
  return new MqttError(
    'ERR_MQTT_CONNECTION_LOST',
    `${beginning(place)} ended the connection without a word: the port may be for something else (TLS, HTTP), or the server has no room.`,
  )
}
