/**
 * Aedes as its guide sets it up, on plain TCP or, where `websocket` is said, over WebSocket; with `hook` it is asked
 * about every message: `node bench/aedes.mjs <port> [websocket] [hook]`.
 */
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import { Aedes } from 'aedes'
import { createWebSocketStream, WebSocketServer } from 'ws'

const [port, ...words] = process.argv.slice(2)
const aedes = await Aedes.createBroker()

if (words.includes('hook')) {
  aedes.authorizePublish = (_client, packet, callback) => {
    callback(packet.topic === 'load/forbidden' ? new Error('not authorized') : null)
  }
}

const server = words.includes('websocket')
  ? createHttpServer({ noDelay: true })
  : createServer({ noDelay: true }, aedes.handle)
if (words.includes('websocket')) {
  new WebSocketServer({ server }).on('connection', (webSocket, request) => {
    aedes.handle(createWebSocketStream(webSocket), request)
  })
}
server.listen(Number(port), '127.0.0.1')
