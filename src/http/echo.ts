/**
 * `/echo`: sends back each frame as it came, text as text and binary as binary. It is the first thing that a browser
 * program is tried against, and it shows whether a proxy lets WebSockets through.
 */
import type { WebSocket } from 'ws'

/** What may wait to be sent before reading stops. */
const BACKLOG_BYTES = 65_536

/**
 * Echoes until the peer goes. Memory is bounded by one frame (`maxPayload`), one chunk as read, and the backlog: a
 * peer that does not read its answers is not read from either.
 */
export function echo(webSocket: WebSocket): void {
  const resumeWhenSent = (): void => {
    if (webSocket.isPaused && webSocket.bufferedAmount <= BACKLOG_BYTES) webSocket.resume()
  }
  webSocket.on('message', (data, isBinary) => {
    if (webSocket.readyState !== webSocket.OPEN) return
    webSocket.send(data as Buffer, { binary: isBinary }, resumeWhenSent)
    if (webSocket.bufferedAmount > BACKLOG_BYTES) webSocket.pause()
  })
  // The WebSocket layer has answered with the right close code already; there is nobody else to tell.
  webSocket.on('error', () => {})
}
