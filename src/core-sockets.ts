/**
 * The sockets and ports that the native core drives itself, as far as JavaScript has a part in them: giving them to it,
 * and hearing who came and who is gone. What they carry is none of its business (crates/napi/src/sockets).
 */
import type { Server, Socket } from 'node:net'
import { ARRIVED, ENDED, type NativeBroker } from './native.js'
import type { SocketDriver } from './options.js'
import {
  type Adoption,
  adoptServer,
  adoptSocket,
  type Listening,
  NativeSocketTransport,
  socketOf,
} from './transports/native-socket.js'

/** A connection whose socket the core drives. */
export interface NativeConnection {
  readonly id: number
  readonly transport: NativeSocketTransport
}

/** Who has come to the ports. */
export interface Arrivals {
  readonly connections: readonly NativeConnection[]
  /** Peers that said nothing and were dropped. */
  readonly silent: readonly string[]
  /** Why somebody could not be let in. */
  readonly problem: string | undefined
}

/** See the head of this file. */
export class CoreSockets {
  readonly #native: NativeBroker
  readonly #isDriven: boolean
  /** By their numbers. */
  readonly #ports = new Map<number, Listening>()

  /** `onTurn` is called at the end of a turn of the event loop that has left something to do. */
  constructor(native: NativeBroker, driver: SocketDriver, onTurn: () => void) {
    this.#native = native
    this.#isDriven = driver === 'core' && native.driveSockets(onTurn)
  }

  /**
   * Lets the core accept what comes to `server`. Returns what stops that; undefined, and nothing done, where Node keeps
   * the server.
   */
  listen(server: Server, listening: Listening): (() => void) | undefined {
    const id = this.#isDriven ? adoptServer(this.#native, server, listening) : undefined
    if (id === undefined) return undefined
    this.#ports.set(id, listening)
    return () => {
      this.#ports.delete(id)
      this.#native.stopListening(id)
    }
  }

  /** Gives a socket to the core. undefined, and nothing done, where Node keeps it. */
  adopt(socket: Socket, adoption: Adoption, now: number): NativeConnection | undefined {
    return this.#isDriven ? adoptSocket(this.#native, socket, adoption, now) : undefined
  }

  /** Who has come since the last call; strangers have been handed on. undefined for nobody. */
  takeArrivals(): Arrivals | undefined {
    if (!this.#has(ARRIVED)) return undefined
    const { connections, strangers, silent, problem } = this.#native.takeArrivals()
    for (const stranger of strangers) {
      const socket = socketOf(stranger)
      const port = this.#ports.get(stranger.listener)
      if (port === undefined) socket.destroy()
      else port.onStranger(socket)
    }
    return {
      connections: connections.map(({ connection: id, remoteAddress }) => ({
        id,
        transport: new NativeSocketTransport(this.#native, id, 'mqtt', remoteAddress),
      })),
      silent,
      problem,
    }
  }

  /** The connections whose sockets are gone since the last call. */
  takeEnded(): readonly number[] {
    return this.#isDriven ? this.#native.endedSockets() : []
  }

  /** Writes what the core has. Returns the WebSockets that are to be closed, with their Reason Codes. */
  flush(): readonly (readonly [id: number, reasonCode: number])[] {
    if (!this.#isDriven) return []
    this.#native.flushSockets()
    if (!this.#has(ENDED)) return []
    const pairs = this.#native.closingWebSockets()
    return Array.from({ length: pairs.length / 2 }, (_, at) => [
      pairs[2 * at] as number,
      pairs[2 * at + 1] as number,
    ])
  }

  #has(bit: number): boolean {
    return this.#isDriven && (this.#native.status() & bit) !== 0
  }
}
