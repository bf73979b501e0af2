/**
 * One HTTP request as an MQTT 5.0 client: what `/events` (events.ts) and `/publish` (publish.ts) have in common. It is
 * refused with a status and an `error` of docs/web-protocol.md as its body.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ConnackPacket, DisconnectPacket, EncodableConnect } from '../codec/packets.js'
import type { PublishPacket } from '../codec/publish.js'
import { type ErrorCode, MqttError } from '../errors.js'
import { reasonCodeName } from '../native.js'
import { formatPeer } from '../transports/tcp.js'
import { type CloseReason, LINGER_MS, type Transport, type TransportSink } from '../transports/transport.js'
import { codeOf, errorAnswer, type WebError } from './answers.js'
import { isRefusal, PacketHalf, type PacketListener } from './packets.js'

/** Who it is, as the request says. */
export interface Caller {
  readonly clientId?: string
  readonly username?: string
  readonly password?: Uint8Array
}

const UNSPECIFIED = 0x80

/** See the head of this file. */
export abstract class HttpExchange implements Transport, PacketListener {
  abstract readonly protocol: 'events' | 'publish'
  readonly remoteAddress: string
  protected readonly packets = new PacketHalf(this)
  protected readonly request: IncomingMessage
  protected readonly response: ServerResponse
  protected sink: TransportSink | undefined
  protected isOver = false
  #linger: NodeJS.Timeout | undefined

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.request = request
    this.response = response
    this.remoteAddress = formatPeer(request.socket)
    response.on('close', () => {
      clearTimeout(this.#linger)
      this.end()
      const error = response.writableFinished ? undefined : new Error('The peer has closed the connection.')
      this.sink?.closed(error)
    })
    response.on('error', () => {})
  }

  /** Connects. To be called in the turn that made the transport. */
  open(sink: TransportSink, caller: Caller, connect: Omit<EncodableConnect, 'type' | 'clientId'> = {}): void {
    this.sink = sink
    this.packets.open(sink)
    const { clientId = '', username, password } = caller
    this.attempt(() => this.packets.connect({ ...connect, clientId, username, password }))
  }

  write(bytes: Uint8Array): boolean {
    this.packets.take(bytes)
    return true
  }

  /** The core ends it: because all is said, or for a reason that nobody has been told yet. */
  close(reason?: CloseReason): void {
    if (this.isOver) return
    const reasonCode = reason?.reasonCode ?? 0
    this.end()
    if (isRefusal(reasonCode)) this.refuse(reasonCode, reason?.text, 'ERR_MQTT_CONNECTION_LOST')
    else if (!this.response.writableEnded) this.finish()
    this.#linger = setTimeout(() => this.response.destroy(), LINGER_MS)
  }

  destroy(): void {
    this.end()
    this.response.destroy()
  }

  /** What is read is read before it is asked for. */
  pause(): void {}

  resume(): void {}

  onConnack({ reasonCode, properties }: ConnackPacket): void {
    if (!isRefusal(reasonCode)) this.connected(properties.maximumPacketSize)
    else this.refuse(reasonCode, properties.reasonString, 'ERR_MQTT_CONNECTION_REFUSED')
  }

  abstract onMessage(packet: PublishPacket): void

  onDisconnect({ reasonCode, properties }: DisconnectPacket): void {
    this.refuse(reasonCode, properties.reasonString, 'ERR_MQTT_CONNECTION_LOST')
  }

  protected abstract connected(maximumPacketSize: number | undefined): void

  /** Ends the response in order where it has not been. */
  protected abstract finish(): void

  /** Answers with an error where the response has not begun. */
  protected refuse(reasonCode: number, text: string | undefined, otherwise: ErrorCode, at?: 'command'): void {
    const { response } = this
    if (response.writableEnded) return
    const error: WebError = {
      code: codeOf(reasonCode, otherwise),
      reasonCode,
      text: text ?? `${reasonCodeName(reasonCode)}.`,
    }
    if (response.headersSent) this.tell(error)
    else refuseRequest(response, statusOf(reasonCode, at === undefined), error)
  }

  /** An error after the response has begun. */
  protected tell(_error: WebError): void {}

  /** What the codec does not encode cannot be meant. */
  protected attempt(body: () => void): void {
    try {
      body()
    } catch (error) {
      if (!(error instanceof MqttError)) throw error
      const { code, message: text } = error
      const isSize = code === 'ERR_MQTT_PACKET_TOO_LARGE'
      const reasonCode = error.reasonCode ?? (isSize ? 0x95 : UNSPECIFIED)
      refuseRequest(this.response, isSize ? 413 : 400, { code, reasonCode, text })
    }
  }

  /** Nothing more is said to the core. */
  protected end(): void {
    if (this.isOver) return
    this.isOver = true
    this.packets.close()
  }
}

/** A refusal: a status, and the `error` as its body. */
export function refuseRequest(response: ServerResponse, status: number, error: WebError): void {
  if (response.headersSent) return
  const body = Buffer.from(`${errorAnswer(error)}\n`)
  if (status === 401) response.setHeader('WWW-Authenticate', 'Basic realm="topicwire", charset="UTF-8"')
  // What still comes of a body is read and thrown away, for as long as a request may take: a connection that is closed
  // upon unread bytes is reset, and the answer lost with it.
  response.req.resume()
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  })
  response.end(body)
}

/** What HTTP has for a Reason Code. */
function statusOf(reasonCode: number, isConnect: boolean): number {
  switch (reasonCode) {
    case 0x86:
      return 401
    case 0x87:
      return isConnect ? 401 : 403
    case 0x8a:
      return 403
    case 0x95:
      return 413
    case 0x93:
    case 0x96:
    case 0x97:
    case 0x9f:
      return 429
    case 0x81:
    case 0x82:
    case 0x85:
    case 0x8f:
    case 0x90:
    case 0x99:
    case 0x9a:
    case 0x9b:
    case 0x9e:
    case 0xa2:
      return 400
    default:
      return 503
  }
}
