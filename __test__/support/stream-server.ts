/** Servers that know no protocol, one of each kind that a client can dial, and what a client's transport reports. */
import { once } from 'node:events'
import { createServer as createHttp, type Server as HttpServer } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { createServer as createTls, type TlsOptions } from 'node:tls'
import { onTestFinished } from 'vitest'
import { createWebSocketStream, WebSocketServer } from 'ws'
import { parseAddresses, type ServerAddress } from '../../src/client/address.js'
import type { ClientTransport } from '../../src/client/transport.js'
import type { MqttError } from '../../src/errors.js'
import { temporaryDirectory } from './temporary.js'
import { until } from './until.js'

export type Kind = 'mqtt' | 'mqtts' | 'ws' | 'wss' | 'unix' | 'ws+unix'
export const kinds: readonly Kind[] = ['mqtt', 'mqtts', 'ws', 'wss', 'unix', 'ws+unix']

/** The other end of a connection. */
export interface Peer {
  readonly stream: Duplex
  readonly received: Buffer[]
  ended: boolean
  /** Ends it as a broken network does. */
  cut(): void
}

export interface StreamServer {
  readonly url: string
  readonly address: ServerAddress
  readonly peers: Peer[]
  peer(): Promise<Peer>
}

/** Listens until the test is over. */
export async function serve(kind: Kind, tls: TlsOptions = {}): Promise<StreamServer> {
  const sockets = new Set<Socket>()
  const peers: Peer[] = []
  const add = (stream: Duplex, socket: Socket): void => {
    // A TLS socket cannot be reset, but what is beneath it can; a unix socket is when something is unread.
    const beneath = [...sockets].find(
      ({ remotePort }) => remotePort !== undefined && remotePort === socket.remotePort,
    )
    const cut = (): void => {
      if (beneath === undefined) socket.destroy()
      else beneath.resetAndDestroy()
    }
    const peer: Peer = { stream, received: [], ended: false, cut }
    stream
      .on('data', (chunk: Buffer) => peer.received.push(chunk))
      .on('end', () => {
        peer.ended = true
        stream.end()
      })
      .on('error', () => {})
    peers.push(peer)
  }
  const server = open(kind, tls, add)
  // Before the listeners of TLS and HTTP.
  server.prependListener('connection', (socket: Socket) => sockets.add(socket.on('error', () => {})))
  const url = await listenAt(server, kind)
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const [address] = parseAddresses(url)
  if (address === undefined) throw new Error('no address')
  return { url, address, peers, peer: () => until(() => peers[0], 'a connection') }
}

function open(
  kind: Kind,
  tls: TlsOptions,
  add: (stream: Duplex, socket: Socket) => void,
): Server | HttpServer {
  switch (kind) {
    case 'mqtt':
    case 'unix':
      return createTcp({ allowHalfOpen: true }, (socket) => add(socket, socket))
    case 'mqtts':
      return createTls({ ...tls, allowHalfOpen: true } as TlsOptions, (socket) => add(socket, socket))
    default: {
      const server = kind === 'wss' ? createHttps(tls) : createHttp()
      new WebSocketServer({ server, path: '/mqtt', handleProtocols: ([first]) => first ?? false }).on(
        'connection',
        (webSocket, request) => add(createWebSocketStream(webSocket), request.socket),
      )
      return server
    }
  }
}

async function listenAt(server: Server, kind: Kind): Promise<string> {
  if (kind.endsWith('unix')) {
    const path = join(temporaryDirectory(), 's.sock')
    server.listen(path)
    await once(server, 'listening')
    return kind === 'unix' ? `unix://${path}` : `ws+unix://${path}:/mqtt`
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return `${kind}://localhost:${port}${kind.startsWith('ws') ? '/mqtt' : ''}`
}

/** What a transport has reported, in order. */
export class Reports {
  readonly chunks: Buffer[] = []
  drainedCount = 0
  ends: (MqttError | undefined)[] = []

  constructor(transport: ClientTransport) {
    transport.onChunk = (chunk, length) => {
      if (this.ends.length > 0) throw new Error('a chunk after the end')
      this.chunks.push(Buffer.from(chunk.subarray(0, length)))
    }
    transport.onDrain = () => {
      this.drainedCount += 1
    }
    transport.onClose = (error) => {
      this.ends.push(error)
    }
  }

  get received(): Buffer {
    return Buffer.concat(this.chunks)
  }

  /** How it ended, when it has, and that it does so once. */
  async end(): Promise<MqttError | undefined> {
    await until(() => this.ends.length > 0, 'the end')
    await new Promise((resolve) => setTimeout(resolve, 20))
    if (this.ends.length > 1) throw new Error('it ended twice')
    return this.ends[0]
  }
}
