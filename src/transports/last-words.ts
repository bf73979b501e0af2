/**
 * The end of a socket that never became a transport.
 */
import type { Duplex } from 'node:stream'
import { LINGER_MS } from './transport.js'

/** Sends `text`, reads on so that no RST overtakes it, and goes when the peer does, or after `LINGER_MS`. */
export function endWith(socket: Duplex, text: string): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const linger = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once('close', () => clearTimeout(linger))
  socket.end(text)
  socket.resume()
}
