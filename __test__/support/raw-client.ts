/** A TCP client that knows no protocol. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { until } from './until.js'

export class RawClient {
  readonly socket: Socket
  readonly #chunks: Buffer[] = []
  ended = false
  closed = false
  error: Error | undefined

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk) => this.#chunks.push(chunk))
    socket.on('end', () => {
      this.ended = true
    })
    socket.on('error', (error) => {
      this.error = error
    })
    socket.on('close', () => {
      this.closed = true
    })
  }

  static async connect(port: number, host = '127.0.0.1'): Promise<RawClient> {
    const socket = connect({ port, host, allowHalfOpen: true })
    await once(socket, 'connect')
    return new RawClient(socket)
  }

  /** Takes a socket that is connected, a TLS one for instance. */
  static over(socket: Socket): RawClient {
    return new RawClient(socket)
  }

  get received(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  send(bytes: Uint8Array | string): this {
    this.socket.write(bytes)
    return this
  }

  /** Sends each byte in a packet of its own. */
  async sendSlowly(bytes: Uint8Array): Promise<void> {
    for (const byte of bytes) {
      this.socket.write(Buffer.of(byte))
      await new Promise((resolve) => setTimeout(resolve, 3))
    }
  }

  /** Waits for the peer's end and ends too. */
  async end(): Promise<Buffer> {
    await until(() => this.ended || this.closed, 'the end of the connection')
    this.socket.end()
    return this.received
  }

  destroy(): void {
    this.socket.destroy()
  }
}
