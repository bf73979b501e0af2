/**
 * What a WebSocket costs on its own: a server on `ws` and nothing else, as short as such servers are. Each path is a
 * room, and a frame goes to everybody else in it; below `/echo/` it comes back. It knows no topics, keeps nothing, and
 * what is sent while somebody is away is gone.
 */
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Certificate } from './certificate.js'

/** What is sent to a topic that begins so comes back. */
export const ECHO_TOPICS = 'echo/'

/** Listens on two ports, the second one with TLS. */
export async function startBareServer(certificate: Certificate): Promise<{ plain: number; tls: number }> {
  const rooms = new Map<string, Set<WebSocket>>()
  const servers = [createHttpServer(), createHttpsServer({ ...certificate })]
  const ports = await Promise.all(
    servers.map((server) => {
      new WebSocketServer({ server, perMessageDeflate: false }).on('connection', (socket, request) =>
        welcome(rooms, socket, request.url ?? '/'),
      )
      return new Promise<number>((resolve) => {
        server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
      })
    }),
  )
  return { plain: ports[0] ?? 0, tls: ports[1] ?? 0 }
}

function welcome(rooms: Map<string, Set<WebSocket>>, socket: WebSocket, path: string): void {
  socket.on('error', () => socket.terminate())
  if (path.startsWith(`/${ECHO_TOPICS}`)) {
    socket.on('message', (data: Buffer, isBinary) => socket.send(data, { binary: isBinary }))
    return
  }
  const room = rooms.get(path) ?? new Set()
  rooms.set(path, room.add(socket))
  socket.on('message', (data: Buffer, isBinary) => {
    for (const other of room) if (other !== socket) other.send(data, { binary: isBinary })
  })
  socket.on('close', () => {
    room.delete(socket)
    if (room.size === 0 && rooms.get(path) === room) rooms.delete(path)
  })
}
