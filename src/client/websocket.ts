/**
 * A WebSocket that a client has opened, as a `ClientTransport`. Control packets may share a frame and span frames
 * [MQTT-6.0.0-2], v3.1.1 [MQTT-6.0.0-2], so frames are chunks here and nothing more. `ws` writes them: a client masks
 * its frames, so what is sent is copied anyway.
 */
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { MqttError } from '../errors.js'
import { LINGER_MS } from '../transports/transport.js'
import { lostConnection } from './problems.js'
import { type ClientTransport, HandlerSlots } from './transport.js'

const EMPTY = Buffer.alloc(0)
const BINARY = { binary: true }
/** What may wait inside an encrypted socket before `write` says false. */
const TLS_BACKLOG_BYTES = 65_536
const NORMAL = 1000
const UNACCEPTABLE_DATA = 1003
/** What `ws` says where there was no close frame, or one without a code. */
const NO_STATUS = 1005
const ABNORMAL = 1006

/** See the head of this file. Made by dial.ts, in the turn in which the WebSocket has opened. */
export class WebSocketClientTransport extends HandlerSlots implements ClientTransport {
  readonly #webSocket: WebSocket
  readonly #socket: Duplex
  readonly #place: string
  readonly #backlog: number
  #leaving = false
  #problem: MqttError | undefined
  #linger: NodeJS.Timeout | undefined

  /** `socket` is what is beneath the WebSocket: its queue tells what the kernel has not taken yet. */
  constructor(webSocket: WebSocket, socket: Duplex, place: string, encrypted: boolean) {
    super()
    this.#webSocket = webSocket
    this.#socket = socket
    this.#place = place
    this.#backlog = encrypted ? TLS_BACKLOG_BYTES : 0
    webSocket.binaryType = 'nodebuffer'
    webSocket
      .on('message', (data, isBinary) => this.#onMessage(data as Buffer, isBinary))
      .on('error', (error) => {
        this.#problem ??= this.#leaving ? undefined : lostConnection(error, place)
      })
      .on('close', (code, reason) => this.#onEnd(code, reason.toString()))
  }

  write(bytes: Uint8Array): boolean {
    const webSocket = this.#webSocket
    if (this.#leaving || webSocket.readyState !== webSocket.OPEN) return true
    webSocket.send(bytes, BINARY)
    if (webSocket.bufferedAmount <= this.#backlog) return true
    // No bytes, so no frame; called back when all before it has gone.
    this.#socket.write(EMPTY, this.#onHandedOver)
    return false
  }

  end(): void {
    this.#leave(NORMAL, '')
  }

  destroy(): void {
    this.#leaving = true
    this.#webSocket.terminate()
  }

  pause(): void {
    this.#webSocket.pause()
  }

  resume(): void {
    this.#webSocket.resume()
  }

  #leave(code: number, reason: string): void {
    if (this.#leaving) return
    this.#leaving = true
    this.#webSocket.close(code, reason)
    // The peer's close frame has to be read.
    this.#webSocket.resume()
    this.#linger = setTimeout(() => this.#webSocket.terminate(), LINGER_MS)
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    if (this.#leaving) return
    if (isBinary) {
      this.emitChunk(data, data.length)
      return
    }
    // [MQTT-6.0.0-1], v3.1.1 [MQTT-6.0.0-1]
    const sentence = `${this.#place} sent a text frame, and MQTT travels in binary ones: what answers there is no MQTT server.`
    this.#problem = new MqttError('ERR_MQTT_PROTOCOL_ERROR', sentence)
    this.#leave(UNACCEPTABLE_DATA, 'MQTT packets travel in binary frames; this was a text frame.')
  }

  #onEnd(code: number, reason: string): void {
    clearTimeout(this.#linger)
    if (this.#problem === undefined && !this.#leaving && code !== NORMAL && code !== NO_STATUS) {
      const said = reason === '' ? '' : `: ${reason.replace(/\.$/, '')}`
      const sentence =
        code === ABNORMAL
          ? `The connection to ${this.#place} was cut without a close frame.`
          : `${this.#place} closed the WebSocket with ${code}${said}.`
      this.#problem = new MqttError('ERR_MQTT_CONNECTION_LOST', sentence)
    }
    this.#leaving = true
    this.emitClose(this.#problem)
  }

  readonly #onHandedOver = (error?: Error | null): void => {
    if (!error && !this.#leaving) this.onDrain()
  }
}
