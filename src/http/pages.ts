/**
 * What a plain HTTP request is answered with. The WebSocket side of the same server is upgrade.ts.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { StoreStatus } from '../store-options.js'

/** The paths that speak WebSocket, in one sentence, for everybody who asked for another. */
export const PATHS_SENTENCE =
  'WebSocket paths are /mqtt and / (MQTT), /topics/<topic> (a topic as a URL), /live (JSON) and /echo (sends back what it gets).'

const HTTP_SENTENCE =
  '/, /healthz and /client.js can be read, /events/<filter> sends messages, and /publish/<topic> takes them.'

/** For who lacks a Host header. */
export const HOST_SENTENCE = 'The request has no Host header.'

/** Answers one request. `isClosing` says whether the listener has stopped accepting, `hasPage` whether there is page.ts. */
export function answer(
  request: IncomingMessage,
  response: ServerResponse,
  isClosing: boolean,
  store?: StoreStatus,
  hasPage = false,
): void {
  // Bodies are of no use here, but an unread one would hold the connection.
  request.resume()
  if (isClosing) response.setHeader('Connection', 'close')
  const path = pathOf(request)
  if (lacksHost(request)) {
    response.setHeader('Connection', 'close')
    send(request, response, 400, HOST_SENTENCE)
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD')
    send(
      request,
      response,
      405,
      `${path === '/' ? 'This page' : 'This address'} can only be read (GET, HEAD).`,
    )
  } else if (path === '/') {
    send(request, response, 200, frontPage(request, hasPage))
  } else if (path === '/healthz') {
    const { status, text } = health(isClosing, store)
    send(request, response, status, text)
  } else if (isWebSocketPath(path)) {
    response.setHeader('Upgrade', 'websocket')
    send(
      request,
      response,
      426,
      `This address speaks WebSocket: open it with new WebSocket(...). ${PATHS_SENTENCE}`,
    )
  } else {
    send(request, response, 404, `There is nothing here. ${PATHS_SENTENCE} ${HTTP_SENTENCE}`)
  }
}

/** A broker whose store does not do its work serves what needs none, and cannot keep what it would promise. */
function health(isClosing: boolean, store: StoreStatus | undefined): { status: number; text: string } {
  if (isClosing) return { status: 503, text: 'closing' }
  if (store === undefined) return { status: 200, text: 'ok' }
  const { state, problem } = store
  const line = `store: ${state}${problem === undefined ? '' : `, ${problem}`}`
  return state === 'working' ? { status: 200, text: `ok\n${line}` } : { status: 503, text: line }
}

/** Whether a request does not say to which host, as it has to from HTTP/1.1 on (RFC 9112, 3.2; RFC 6455, 4.2.1). */
export function lacksHost(request: IncomingMessage): boolean {
  return request.headers.host === undefined && request.httpVersion !== '1.0'
}

/** Whether an upgrade to WebSocket may be asked for on this path. */
export function isWebSocketPath(path: string): boolean {
  return (
    path === '/' ||
    path === '/mqtt' ||
    path === '/live' ||
    path === '/echo' ||
    path === '/topics' ||
    path.startsWith('/topics/')
  )
}

/** The request target without scheme and authority, which a proxy may have sent along. */
export function targetOf(request: IncomingMessage): string {
  const target = (request.url ?? '/').replace(/^[a-z]+:\/\/[^/?]*/i, '')
  return target.startsWith('/') ? target : `/${target}`
}

/** The path as it came, not decoded, without the query. */
export function pathOf(request: IncomingMessage): string {
  const target = targetOf(request)
  const mark = target.indexOf('?')
  return mark === -1 ? target : target.slice(0, mark)
}

function frontPage(request: IncomingMessage, hasPage: boolean): string {
  const encrypted = request.socket instanceof TLSSocket
  const host = request.headers.host ?? 'localhost'
  const webSocket = `${encrypted ? 'wss' : 'ws'}://${host}`
  return [
    'This is a topicwire broker.',
    '',
    `MQTT                 ${encrypted ? 'mqtts' : 'mqtt'}://${host}`,
    `MQTT over WebSocket  ${webSocket}/mqtt`,
    `Topics as JSON       ${webSocket}/live`,
    `A topic as a URL     ${webSocket}/topics/chat/room1`,
    `Echo                 ${webSocket}/echo`,
    ...(hasPage ? [`The page             http${encrypted ? 's' : ''}://${host}/ in a browser`] : []),
    '',
    'In a browser:',
    `  const socket = new WebSocket('${webSocket}/topics/chat/room1')`,
    '  socket.onmessage = (event) => console.log(event.data)',
    "  socket.onopen = () => socket.send('hello')",
    ...(hasPage
      ? []
      : [
          '',
          'The page with topics, clients and problems is not served here. It is where clients are asked who they are,',
          'or only this machine can connect, or the option status says so.',
        ]),
  ].join('\n')
}

/** Answers with a sentence. */
export function send(request: IncomingMessage, response: ServerResponse, status: number, text: string): void {
  const body = Buffer.from(`${text}\n`)
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}
