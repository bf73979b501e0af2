/**
 * HTTP Upgrade: from a request to a WebSocket that speaks MQTT, carries a topic, or echoes. What MQTT makes of it is
 * the acceptor's; the frames are src/transports/websocket.ts and topic-url.ts.
 *
 * A refusal that a page should be able to show comes as a close code and reason after an accepted handshake, because a
 * browser tells its page nothing about a handshake that failed. The exceptions are what no honest page meets: a
 * foreign origin, a path that does not exist, a handshake that is none.
 */
import { type IncomingMessage, STATUS_CODES } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { type Server, type ServerOptions, WebSocket, WebSocketServer } from 'ws'
import { webSocketClose } from '../transports/close-code.js'
import { endWith } from '../transports/last-words.js'
import { formatPeer } from '../transports/tcp.js'
import { TopicUrlTransport } from '../transports/topic-url.js'
import { type Acceptor, type CloseReason, LINGER_MS } from '../transports/transport.js'
import { type WebSocketOrigin, WebSocketTransport } from '../transports/websocket.js'
import { LiveTransport } from '../web/live.js'
import { echo } from './echo.js'
import { isOriginAllowed } from './origin.js'
import { HOST_SENTENCE, isWebSocketPath, lacksHost, PATHS_SENTENCE, pathOf, targetOf } from './pages.js'
import { parseAuthorization, parseTopicRequest, TOPICS_PATH } from './topic-request.js'

/** The names under which MQTT is offered, the better one first [MQTT-6.0.0-4], v3.1.1 [MQTT-6.0.0-4]. */
const MQTT_SUBPROTOCOLS = ['mqtt', 'mqttv3.1']
const LIVE_PATH = '/live'
const LIVE_SUBPROTOCOL = 'topicwire.v1'
/** A frame may hold several packets, or the end of one and the beginning of the next. */
const FRAME_ROOM_BYTES = 65_536

type SetSocket = (socket: Duplex, head: Buffer, options: object) => void

/**
 * A WebSocket that waits with its first frame until it is known who reads it. `ws` gives it the socket when it has
 * answered the handshake, by a method that it does not document; were it to do that otherwise one day, there would be
 * nothing to wait for.
 */
class AcceptedWebSocket extends WebSocket {
  /** What `ws` would begin with. */
  accepted: { socket: Duplex; head: Buffer; options: object } | undefined

  setSocket(socket: Duplex, head: Buffer, options: object): void {
    this.accepted = { socket, head, options }
  }

  /** `ws` reads it. */
  begin(): void {
    const { accepted } = this
    if (accepted === undefined) return
    this.accepted = undefined
    const { setSocket } = WebSocket.prototype as unknown as { setSocket: SetSocket }
    setSocket.call(this, accepted.socket, accepted.head, accepted.options)
  }
}

/** An HTTP server hands its 'upgrade' events over to this. */
export class Upgrader {
  readonly #acceptor: Acceptor
  readonly #server: Server<typeof AcceptedWebSocket>
  /** For `/live`, whose frames are longer. */
  readonly #liveServer: Server<typeof AcceptedWebSocket>
  readonly #maximumMessageBytes: number
  /** WebSockets that are ours to close: echoes, and those being refused. */
  readonly #own = new Set<WebSocket>()

  constructor(acceptor: Acceptor) {
    this.#acceptor = acceptor
    this.#maximumMessageBytes = acceptor.options.limits.maximumPacketSizeBytes + FRAME_ROOM_BYTES
    const { maximumPacketSizeBytes } = acceptor.options.limits
    this.#server = webSocketServer(this.#maximumMessageBytes)
    this.#liveServer = webSocketServer(liveFrameBytes(maximumPacketSizeBytes))
  }

  /** The listener of `http.Server`'s 'upgrade'. */
  handle(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Until a transport has it, the socket has nobody else to listen for this.
    socket.on('error', () => {})
    const path = pathOf(request)
    if (lacksHost(request)) {
      refuse(socket, 400, HOST_SENTENCE)
    } else if (request.headers.upgrade?.toLowerCase() !== 'websocket') {
      refuse(socket, 426, `The only upgrade is to websocket. ${PATHS_SENTENCE}`)
    } else if (!isWebSocketPath(path)) {
      refuse(socket, 404, `There is nothing at this path. ${PATHS_SENTENCE}`)
    } else if (this.refusesOrigin(request)) {
      refuse(
        socket,
        403,
        'Pages of this origin may not connect. The option allowedOrigins of the broker lists those that may.',
      )
    } else {
      const server = path === LIVE_PATH ? this.#liveServer : this.#server
      server.handleUpgrade(request, socket, head, (webSocket) => {
        if (isMqttPath(path) && this.#adopts(webSocket)) return
        webSocket.begin()
        const origin: WebSocketOrigin = {
          webSocket,
          socket,
          encrypted: request.socket instanceof TLSSocket,
          remoteAddress: formatPeer(request.socket),
        }
        if (isMqttPath(path)) this.#attachMqtt(origin)
        else if (path === LIVE_PATH) this.#attachLive(origin, request)
        else if (path === '/echo') this.#echo(webSocket)
        else this.#attachTopic(origin, request)
      })
    }
  }

  /** Ends the echoes. What belongs to the acceptor is the acceptor's to close. */
  close(): void {
    for (const webSocket of this.#own) webSocket.close(1001, 'The broker is shutting down.')
    this.#server.close()
    this.#liveServer.close()
  }

  /** Hands what `ws` has only shaken hands with to the acceptor, where that drives such sockets itself. */
  #adopts({ accepted }: AcceptedWebSocket): boolean {
    if (accepted === undefined || !(accepted.socket instanceof Socket)) return false
    const { socket, head } = accepted
    return this.#acceptor.adopt(socket, { head, maximumMessageBytes: this.#maximumMessageBytes })
  }

  #attachMqtt(origin: WebSocketOrigin): void {
    const transport = new WebSocketTransport(origin)
    transport.open(this.#acceptor.attach(transport))
  }

  #attachLive(origin: WebSocketOrigin, request: IncomingMessage): void {
    const result = parseAuthorization(request.headers.authorization)
    if ('refusal' in result) {
      this.#refuseWithLog(origin, result.refusal)
      return
    }
    const { maximumPacketSizeBytes, maximumConnectPacketBytes } = this.#acceptor.options.limits
    const transport = new LiveTransport(origin, {
      ...result.credentials,
      maximumPacketSizeBytes,
      maximumFirstBytes: liveFrameBytes(maximumConnectPacketBytes),
    })
    transport.open(this.#acceptor.attach(transport))
  }

  #attachTopic(origin: WebSocketOrigin, request: IncomingMessage): void {
    const target = targetOf(request).replace(/^\/topics(?=$|\?)/, TOPICS_PATH)
    const result = parseTopicRequest(target, request.headers.authorization)
    if ('refusal' in result) {
      this.#refuseWithLog(origin, result.refusal)
      return
    }
    const transport = new TopicUrlTransport(origin)
    transport.open(this.#acceptor.attachTopicUrl(transport, result.request))
  }

  #echo(webSocket: WebSocket): void {
    // Echoes are not known to the acceptor, which counts all other connections.
    if (this.#own.size >= this.#acceptor.options.limits.maximumConnections) {
      webSocket.on('error', () => {})
      webSocket.close(1013, 'Too many connections; try again later.')
      return
    }
    this.#hold(webSocket)
    echo(webSocket)
  }

  #refuseWithLog({ remoteAddress, webSocket }: WebSocketOrigin, refusal: CloseReason): void {
    this.#acceptor.logger.info({ remoteAddress, reasonCode: refusal.reasonCode }, refusal.text)
    this.#refuse(webSocket, refusal)
  }

  #refuse(webSocket: WebSocket, refusal: CloseReason): void {
    this.#hold(webSocket)
    webSocket.on('error', () => {})
    const { code, reason } = webSocketClose(refusal)
    webSocket.close(code, reason)
  }

  #hold(webSocket: WebSocket): void {
    this.#own.add(webSocket)
    webSocket.on('close', () => this.#own.delete(webSocket))
  }

  /** Whether it comes from a page that may not connect; then the log says so. */
  refusesOrigin(request: IncomingMessage): boolean {
    const { origin, host } = request.headers
    const { remoteAddress, localAddress } = request.socket
    const { options, logger } = this.#acceptor
    if (isOriginAllowed({ origin, host, remoteAddress, localAddress }, options.allowedOrigins)) return false
    const advice =
      origin === 'null'
        ? 'A page that was opened as a file, or in a sandbox, sends the origin null: serve it over HTTP.'
        : `If it is yours, add ${JSON.stringify(origin)} to the option allowedOrigins.`
    const fields = { remoteAddress: formatPeer(request.socket), origin, host }
    logger.warn(fields, `A web page was refused because of its origin. ${advice}`)
    this.#acceptor.reportProblem?.({
      code: 'originRefused',
      text: `A web page of the origin ${JSON.stringify((origin ?? '').slice(0, 100))} was refused.`,
      remedy: advice,
      remoteAddress: fields.remoteAddress,
    })
    return true
  }
}

/** What a packet of that size may take in JSON, where a payload may be in base64. */
function liveFrameBytes(packetBytes: number): number {
  return Math.ceil((packetBytes * 4) / 3) + FRAME_ROOM_BYTES
}

function webSocketServer(maxPayload: number): Server<typeof AcceptedWebSocket> {
  // `closeTimeout` is younger than the type declarations.
  const options: ServerOptions<typeof AcceptedWebSocket> & { closeTimeout: number } = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload,
    closeTimeout: LINGER_MS,
    WebSocket: AcceptedWebSocket,
    // Called only when the client offers some.
    handleProtocols: (offered, request) =>
      subprotocolsOf(pathOf(request)).find((name) => offered.has(name)) ?? false,
  }
  const server = new WebSocketServer(options)
  // Without this listener `ws` answers a bad handshake with a bare status line.
  server.on('wsClientError', (error, socket) => refuse(socket, 400, `${error.message}.`))
  return server
}

/** What a path may be asked to speak. A topic, and the echo, have no name to choose. */
function subprotocolsOf(path: string): readonly string[] {
  if (isMqttPath(path)) return MQTT_SUBPROTOCOLS
  return path === LIVE_PATH ? [LIVE_SUBPROTOCOL] : []
}

/** Answers an upgrade with a plain HTTP response and ends the connection. */
function refuse(socket: Duplex, status: number, text: string): void {
  const body = Buffer.from(`${text}\n`)
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${body.length}`,
    ...(status === 426 ? ['Upgrade: websocket'] : []),
  ].join('\r\n')
  endWith(socket, `${head}\r\n\r\n${body}`)
}

function isMqttPath(path: string): boolean {
  return path === '/' || path === '/mqtt'
}
