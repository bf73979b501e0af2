/** A client of raw bytes, over TCP or over WebSocket: what has come, and whether the other end has closed. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { WebSocket } from 'ws'
import type { Version } from './notation.js'

export const transports = ['TCP', 'WebSocket'] as const
export type TransportName = (typeof transports)[number]

export abstract class Wire {
  /** What has come and was not looked at yet. */
  unread: Buffer = Buffer.alloc(0)
  isClosed = false

  abstract send(bytes: Buffer): void
  /** Cuts the connection without a word. */
  abstract cut(): void

  protected take(bytes: Buffer): void {
    this.unread = Buffer.concat([this.unread, bytes])
  }
}

/** Connects to the one port of a broker on this machine. */
export async function dial(transport: TransportName, port: number, version: Version): Promise<Wire> {
  if (transport === 'TCP') {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    const wire = new TcpWire(socket)
    await once(socket, 'connect')
    return wire
  }
  const subprotocol = version === '3.1' ? 'mqttv3.1' : 'mqtt'
  const socket = new WebSocket(`ws://127.0.0.1:${port}/mqtt`, subprotocol)
  const wire = new WebSocketWire(socket)
  await once(socket, 'open')
  return wire
}

class TcpWire extends Wire {
  readonly #socket: Socket

  constructor(socket: Socket) {
    super()
    this.#socket = socket
    socket.on('data', (bytes) => this.take(bytes))
    // What was sent to a broker that has closed already ends in a reset.
    socket.on('error', () => {})
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        this.isClosed = true
      })
    }
  }

  send(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  cut(): void {
    this.#socket.destroy()
  }
}

class WebSocketWire extends Wire {
  readonly #socket: WebSocket

  constructor(socket: WebSocket) {
    super()
    this.#socket = socket
    socket.on('message', (bytes: Buffer) => this.take(bytes))
    socket.on('error', () => {})
    socket.on('close', () => {
      this.isClosed = true
    })
  }

  send(bytes: Buffer): void {
    this.#socket.send(bytes)
  }

  cut(): void {
    this.#socket.terminate()
  }
}
