/**
 * `GET /events/<filter>`: messages as server-sent events. A message at QoS 1 counts as delivered when the system has
 * taken it; what a peer does not read stops the core as a full socket does.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { PublishPacket } from '../codec/publish.js'
import type { TransportSink } from '../transports/transport.js'
import { errorAnswer, messageMembers, type WebError } from './answers.js'
import { type Caller, HttpExchange } from './exchange.js'
import { isRefusal } from './packets.js'

/** How often a comment is sent. By the next one, the last has to be with the system. */
export const COMMENT_INTERVAL_MS = 25_000
const RECEIVE_MAXIMUM = 64
/** What may wait in the socket before the core has to wait. */
const BACKLOG_BYTES = 65_536

/** What is asked for. */
export interface EventsRequest extends Caller {
  readonly topicFilter: string
  readonly qos: 0 | 1
  readonly retained: boolean
  readonly sessionExpiryIntervalSecs: number
}

/** See the head of this file. */
export class EventsTransport extends HttpExchange {
  readonly protocol = 'events'
  readonly #asked: EventsRequest
  /** Events of one write. */
  #events = ''
  /** Their Packet Identifiers, to be acknowledged. */
  #delivered: { packetId: number; qos: number }[] = []
  #commenter: NodeJS.Timeout | undefined
  #isCommentUnderWay = false

  constructor(request: IncomingMessage, response: ServerResponse, asked: EventsRequest) {
    super(request, response)
    this.#asked = asked
  }

  start(sink: TransportSink): void {
    const { sessionExpiryIntervalSecs } = this.#asked
    this.open(sink, this.#asked, {
      cleanStart: sessionExpiryIntervalSecs === 0,
      properties: { sessionExpiryIntervalSecs, receiveMaximum: RECEIVE_MAXIMUM },
    })
  }

  override write(bytes: Uint8Array): boolean {
    this.packets.take(bytes)
    const events = this.#events
    if (events === '') return true
    this.#events = ''
    const delivered = this.#delivered
    this.#delivered = []
    this.#begin()
    let isFull = false
    this.response.write(events, (error) => {
      if (error || this.isOver) return
      for (const { packetId, qos } of delivered) this.packets.acknowledge(packetId, qos)
      if (isFull) this.sink?.drained()
    })
    isFull = (this.response.socket?.writableLength ?? 0) > BACKLOG_BYTES
    return !isFull
  }

  onMessage(packet: PublishPacket): void {
    const { packetId, qos } = packet
    if (packetId !== undefined) this.#delivered.push({ packetId, qos })
    this.#events += `data: {${messageMembers(packet, qos === 0 ? '' : ',"qos":1')}}\n\n`
  }

  protected connected(): void {
    const { topicFilter, qos, retained, sessionExpiryIntervalSecs } = this.#asked
    // Whoever resumes a session has the retained messages.
    const retainHandling = retained ? (sessionExpiryIntervalSecs === 0 ? 0 : 1) : 2
    this.attempt(() =>
      this.packets.subscribe({ topicFilter, qos, retainHandling }, undefined, (reasonCode, text) => {
        if (!isRefusal(reasonCode)) {
          this.#begin()
          return
        }
        this.refuse(reasonCode, text, 'ERR_MQTT_SUBSCRIBE_REFUSED', 'command')
        this.packets.disconnect()
      }),
    )
  }

  protected finish(): void {
    this.response.end(this.#events)
  }

  /** The last event. What comes after the end is nobody's. */
  protected override tell(error: WebError): void {
    this.response.end(`${this.#events}event: end\ndata: ${errorAnswer(error)}\n\n`)
    this.#events = ''
  }

  protected override end(): void {
    clearInterval(this.#commenter)
    super.end()
  }

  /** The subscription is there, or messages of an earlier one are. */
  #begin(): void {
    const { response } = this
    if (response.headersSent || this.isOver) return
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      // A proxy of the kind that collects responses is asked not to.
      'X-Accel-Buffering': 'no',
      'X-Content-Type-Options': 'nosniff',
    })
    response.flushHeaders()
    this.#commenter = setInterval(() => this.#comment(), COMMENT_INTERVAL_MS)
  }

  #comment(): void {
    if (this.#isCommentUnderWay) {
      this.destroy()
      return
    }
    this.#isCommentUnderWay = true
    this.response.write(':\n\n', (error) => {
      if (error || this.isOver) return
      this.#isCommentUnderWay = false
      // Where the broker caps the keep alive, the core wants to hear of its clients.
      this.packets.ping()
    })
  }
}
