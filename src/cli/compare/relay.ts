/**
 * A TCP relay that counts: the bytes of TCP payload in both directions, TLS and all, as they are on the wire without the
 * headers of TCP and IP. It holds nothing back and changes nothing.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export class CountingRelay {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** From the client to the server, of all connections. */
  upBytes = 0
  /** From the server to the client. */
  downBytes = 0

  private constructor(host: string, port: number) {
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
      const server = connect({ host, port, noDelay: true, allowHalfOpen: true })
      this.#pass(client, server, (count) => {
        this.upBytes += count
      })
      this.#pass(server, client, (count) => {
        this.downBytes += count
      })
    })
  }

  static async listen(host: string, port: number): Promise<CountingRelay> {
    const relay = new CountingRelay(host, port)
    relay.#server.listen(0, '127.0.0.1')
    await once(relay.#server, 'listening')
    return relay
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** From here on from 0. */
  reset(): void {
    this.upBytes = 0
    this.downBytes = 0
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #pass(from: Socket, to: Socket, add: (count: number) => void): void {
    this.#sockets.add(from)
    from.on('data', (bytes) => {
      add(bytes.length)
      to.write(bytes)
    })
    from.on('end', () => to.end())
    from.on('error', () => to.destroy())
    from.on('close', (isError) => {
      this.#sockets.delete(from)
      // One side may have ended while the other one still talks.
      if (isError || !from.readableEnded) to.destroy()
    })
  }
}
