/** A listener with a recording acceptor, and WebSockets to it. */
import { once } from 'node:events'
import { type ClientOptions, WebSocket } from 'ws'
import { type Listener, listen } from '../../src/listeners/listener.js'
import type { BrokerOptions, TlsOptions } from '../../src/options.js'
import { RecordingAcceptor } from './acceptor.js'

/** One frame as it came. */
export interface Frame {
  readonly data: Buffer
  readonly isBinary: boolean
}

/** A client's WebSocket that keeps what comes. */
export interface Recorded {
  readonly webSocket: WebSocket
  readonly frames: Frame[]
  /** The close code and reason, when they have come. */
  readonly closed: Promise<{ code: number; reason: string }>
}

export class HttpListener {
  readonly acceptor: RecordingAcceptor
  readonly listener: Listener
  readonly port: number
  readonly #encrypted: boolean
  readonly #webSockets: WebSocket[] = []

  private constructor(acceptor: RecordingAcceptor, listener: Listener, encrypted: boolean) {
    this.acceptor = acceptor
    this.listener = listener
    this.port = listener.addresses[0]?.port ?? 0
    this.#encrypted = encrypted
  }

  static async start(options: BrokerOptions = {}, tls?: TlsOptions): Promise<HttpListener> {
    const acceptor = new RecordingAcceptor(options)
    const listener = await listen({ protocol: 'auto', port: 0, host: '127.0.0.1', tls }, acceptor)
    acceptor.addresses.push(...listener.addresses)
    return new HttpListener(acceptor, listener, tls !== undefined)
  }

  url(path: string): string {
    return `${this.#encrypted ? 'wss' : 'ws'}://127.0.0.1:${this.port}${path}`
  }

  dial(path: string, protocols: string[] = [], options: ClientOptions = {}): Recorded {
    const webSocket = new WebSocket(this.url(path), protocols, { rejectUnauthorized: false, ...options })
    this.#webSockets.push(webSocket)
    const frames: Frame[] = []
    webSocket.on('message', (data, isBinary) => frames.push({ data: data as Buffer, isBinary }))
    webSocket.on('error', () => {})
    const closed = new Promise<{ code: number; reason: string }>((resolve) => {
      webSocket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }))
    })
    return { webSocket, frames, closed }
  }

  async open(path: string, protocols?: string[], options?: ClientOptions): Promise<Recorded> {
    const recorded = this.dial(path, protocols, options)
    await once(recorded.webSocket, 'open')
    return recorded
  }

  /** The status and body of an upgrade that was refused. */
  async refused(path: string, protocols?: string[], options?: ClientOptions): Promise<[number, string]> {
    const { webSocket } = this.dial(path, protocols, options)
    const [, response] = await once(webSocket, 'unexpected-response')
    let body = ''
    for await (const chunk of response) body += chunk
    return [response.statusCode, body]
  }

  async stop(): Promise<void> {
    for (const webSocket of this.#webSockets) webSocket.terminate()
    for (const sink of this.acceptor.sinks) sink.transport.destroy()
    await this.listener.close()
  }
}
