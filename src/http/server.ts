/**
 * The HTTP half of a listener: an `http.Server` without a port of its own, which is handed sockets that have said an
 * HTTP method. Pages are pages.ts, WebSockets upgrade.ts.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { endWith } from '../transports/last-words.js'
import { type Acceptor, LINGER_MS } from '../transports/transport.js'

import { WebFront } from '../web/front.js'

import { answerPage } from './page.js'
import { answer, lacksHost, pathOf } from './pages.js'

import { Upgrader } from './upgrade.js'

const KEEP_ALIVE_TIMEOUT_MS = 5_000
const CHECK_INTERVAL_MS = 1_000
const MAXIMUM_HEADER_BYTES = 16_384
const MAXIMUM_HEADERS = 100
const MAXIMUM_REQUESTS_PER_SOCKET = 100

/** Made by a listener, one each. */
export class HttpFront {
  readonly #server: Server
  readonly #upgrader: Upgrader
  readonly #web: WebFront
  readonly #acceptor: Acceptor
  /** Sockets that have had their last answer. What is wrong with the bytes behind it is not said any more. */
  readonly #lastAnswered = new WeakSet<Duplex>()
  #closing = false

  constructor(acceptor: Acceptor) {
    const { connectTimeoutMs } = acceptor.options.limits
    this.#acceptor = acceptor
    this.#upgrader = new Upgrader(acceptor)
    this.#web = new WebFront(acceptor, (request) => this.#upgrader.refusesOrigin(request))
    this.#server = createServer(
      {
        headersTimeout: connectTimeoutMs,
        requestTimeout: connectTimeoutMs,
        keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
        connectionsCheckingInterval: Math.min(CHECK_INTERVAL_MS, connectTimeoutMs),
        maxHeaderSize: MAXIMUM_HEADER_BYTES,
        // Answered with a sentence, here as at an upgrade, which Node lets pass.
        requireHostHeader: false,
      },
      (request, response) => this.#answer(request, response),
    )
    this.#server.maxHeadersCount = MAXIMUM_HEADERS
    this.#server.maxRequestsPerSocket = MAXIMUM_REQUESTS_PER_SOCKET
    this.#server
      .on('upgrade', (request, socket, head) => this.#upgrader.handle(request, socket, head))
      // An expectation that nobody knows changes nothing about a page.
      .on('checkExpectation', (request, response) => this.#answer(request, response))
      .on('clientError', (error: NodeJS.ErrnoException, socket) => {
        if (error.code === 'ECONNRESET') socket.destroy()
        else endWith(socket, this.#lastAnswered.has(socket) ? '' : bareAnswer(error.code))
      })
    // The server begins to watch for slow requests when it starts listening, which this one never does itself.
    this.#server.emit('listening')
  }

  /** Takes a paused socket over. What has been read from it already is put back with `unshift`. */
  accept(socket: Socket): void {
    this.#server.emit('connection', socket)
    socket.resume()
  }

  /** Closes what is idle; a request that is under way is answered, `/healthz` with 503, if it comes to its end soon. */
  close(): void {
    this.#closing = true
    this.#upgrader.close()
    this.#server.close(() => {})
    this.#server.closeIdleConnections()
    setTimeout(() => this.#server.closeAllConnections(), LINGER_MS).unref()
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const isAnswered =
      this.#web.answer(request, response, this.#closing) || this.#answersPage(request, response)
    if (!isAnswered) {
      answer(request, response, this.#closing, this.#acceptor.storeStatus, this.#acceptor.options.status)
    }
    const isLast = !response.shouldKeepAlive || response.getHeader('Connection') === 'close'
    if (isLast) this.#lastAnswered.add(request.socket)
  }

  #answersPage(request: IncomingMessage, response: ServerResponse): boolean {
    if (this.#closing || !this.#acceptor.options.status || lacksHost(request)) return false
    return answerPage(request, response, pathOf(request))
  }
}

function bareAnswer(code: string | undefined): string {
  return `HTTP/1.1 ${statusOf(code)}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`
}

function statusOf(code: string | undefined): string {
  if (code === 'HPE_HEADER_OVERFLOW') return '431 Request Header Fields Too Large'
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return '408 Request Timeout'
  return '400 Bad Request'
}
