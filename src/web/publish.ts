/**
 * `POST /publish/<topic>`: one message for one request. Its body is read once the client has been let in, so that
 * nobody else can make it be kept.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { PublishPacket } from '../codec/publish.js'
import type { TransportSink } from '../transports/transport.js'
import { type Caller, HttpExchange } from './exchange.js'
import { isRefusal } from './packets.js'

const PACKET_TOO_LARGE = 0x95

/** What is asked for. */
export interface PublishRequest extends Caller {
  readonly topicName: string
  readonly qos: 0 | 1
  readonly retain: boolean
  readonly messageExpiryIntervalSecs: number | undefined
  readonly contentType: string | undefined
}

/** See the head of this file. */
export class PublishTransport extends HttpExchange {
  readonly protocol = 'publish'
  readonly #asked: PublishRequest
  readonly #maximumBytes: number

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    asked: PublishRequest,
    maximumBytes: number,
  ) {
    super(request, response)
    this.#asked = asked
    this.#maximumBytes = maximumBytes
  }

  start(sink: TransportSink): void {
    this.open(sink, this.#asked)
  }

  /** It subscribes to nothing, and an earlier session is ended. */
  onMessage(_packet: PublishPacket): void {}

  protected connected(): void {
    const { request } = this
    if (Number(request.headers['content-length'] ?? 0) > this.#maximumBytes) {
      this.#refuseSize()
      return
    }
    const chunks: Buffer[] = []
    let length = 0
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= this.#maximumBytes) chunks.push(chunk)
      else if (!this.response.headersSent) {
        chunks.length = 0
        this.#refuseSize()
      }
    })
    request.on('end', () => {
      if (!this.isOver && length <= this.#maximumBytes) this.#publish(Buffer.concat(chunks))
    })
  }

  protected finish(): void {
    if (!this.response.headersSent) this.response.writeHead(204, { 'Cache-Control': 'no-store' })
    this.response.end()
  }

  #publish(payload: Buffer): void {
    const { topicName, qos, retain, messageExpiryIntervalSecs, contentType } = this.#asked
    const properties = { messageExpiryIntervalSecs, contentType }
    const packet = { topicName, payload, qos, retain, properties }
    this.attempt(() => {
      if (qos === 0) {
        // Answered when the core has come to the end of what was said.
        this.packets.publish(packet)
        this.packets.disconnect()
        return
      }
      this.packets.publish(packet, (reasonCode, text) => {
        if (isRefusal(reasonCode)) this.refuse(reasonCode, text, 'ERR_MQTT_PUBLISH_REFUSED', 'command')
        else this.finish()
        this.packets.disconnect()
      })
    })
  }

  #refuseSize(): void {
    const text = `The payload is larger than the ${this.#maximumBytes} bytes that a packet may have here.`
    this.refuse(PACKET_TOO_LARGE, text, 'ERR_MQTT_PACKET_TOO_LARGE')
    this.packets.disconnect()
  }
}
