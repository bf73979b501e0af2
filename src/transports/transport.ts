/**
 * What lies between a listener and a connection: bytes in, bytes out, and one end. Each is an ordered, lossless stream
 * both ways [MQTT-4.2-1].
 *
 * A listener (src/listeners/) accepts a peer, wraps it in a `Transport` and gives it to the `Acceptor` (the Broker),
 * which answers with the `TransportSink` that the transport reports to. Nothing here knows MQTT; src/connection.ts is
 * the next file on the path of a packet.
 *
 * The order of calls a sink can rely on: any number of `receive` and `drained`, then `closed` once, then nothing. A
 * sink is never called from within `attach`, so a connection has finished its constructor before the first byte
 * comes. It may be called from within `write`, `close` or `destroy` of its own transport only with `closed`.
 */
import type { Server, Socket } from 'node:net'
import type { ListenerAddress } from '../listeners/listener.js'
import type { Logger } from '../logger.js'
import type { ResolvedOptions } from '../options.js'
import type { ProblemReport } from '../problems/problem.js'
import type { StoreStatus } from '../store-options.js'
import type { Payload } from './frame.js'
import type { Adoption } from './native-socket.js'
import type { Protocol } from './protocol.js'

export type { Protocol } from './protocol.js'

/** Why a connection ends. What a peer sees of it depends on the transport: a WebSocket close frame carries both. */
export interface CloseReason {
  /** An MQTT 5.0 Reason Code, 0 to 255. */
  readonly reasonCode: number
  /** One sentence for a person. */
  readonly text: string
}

/** One Network Connection: an ordered, lossless stream of bytes in both directions. */
export interface Transport {
  readonly protocol: Protocol
  /** Where the peer is, for logs and hooks: `127.0.0.1:53312`, `[::1]:4000`, `memory`. */
  readonly remoteAddress: string

  /**
   * Hands bytes over. `true`: they have been taken and their memory may be reused at once. `false`: the transport
   * keeps using that memory until it calls `sink.drained()`; until then nothing more may be written.
   *
   * After the end of the connection it does nothing and returns `true`. Cost: one system call.
   */
  write(bytes: Uint8Array): boolean

  /**
   * Ends the connection in order: what was written goes out first, then the end. The wait for a peer that does not
   * read is bounded (`LINGER_MS`). Nothing more is received. A second call does nothing.
   */
  close(reason?: CloseReason): void

  /** Ends the connection at once; what has not been sent is lost. */
  destroy(): void

  /** Stops reading. Up to one chunk that has been read already may still arrive. */
  pause(): void

  /** Reads again. */
  resume(): void
}

/** A connection whose unit is a payload, not a byte: each is a frame, and so is each `receive`. */
export interface PayloadTransport extends Omit<Transport, 'write'> {
  /** Sends a frame for each payload, in one system call; the memory rule is that of `Transport.write`. */
  write(payloads: readonly Payload[]): boolean
}

/** What a transport reports to. */
export interface TransportSink {
  /** Bytes have arrived. They are only valid during the call. For a `PayloadTransport`: exactly one frame. */
  receive(bytes: Uint8Array): void
  /** Follows a `write` that returned false: its memory is free and the next write may come. */
  drained(): void
  /** The connection has ended. Exactly once, and the last call. With an error when it did not end in order. */
  closed(error?: Error): void
}

/** A WebSocket opened on `/topics/<topic>`, parsed by src/http/topic-request.ts. */
export interface TopicUrlRequest {
  /** Percent-decoded; valid as a Topic Filter. Without `+` and `#` it is a Topic Name as well. */
  readonly topicFilter: string
  /** The QoS of the subscription and of what is published. */
  readonly qos: 0 | 1 | 2
  /** Whether the retained message is sent when the socket opens. */
  readonly retained: boolean
  readonly username?: string
  readonly password?: Uint8Array
  readonly clientId?: string
}

/** What listeners are given: the Broker, or a stand-in for a test. */
export interface Acceptor {
  readonly options: ResolvedOptions
  readonly logger: Logger
  /** All that the broker listens on by now, so that a client at the wrong port can be told the right one. */
  readonly addresses: readonly ListenerAddress[]
  /** How the store is; undefined without one. */
  readonly storeStatus?: StoreStatus | undefined
  /** Something has gone wrong before there was a connection. */
  reportProblem?(report: ProblemReport): void
  /**
   * Takes an MQTT Network Connection. `maximumConnections` is the acceptor's to enforce: it knows all listeners and
   * can say 0x97 to a client that understands it.
   */
  attach(transport: Transport): TransportSink
  /**
   * Takes a plain TCP connection that speaks MQTT, or a WebSocket that does, away from Node. False, and nothing done,
   * where the acceptor cannot drive it itself: then it is to be attached.
   */
  adopt(socket: Socket, adoption: Adoption): boolean
  /**
   * Takes what comes to a server over from Node, which closes it; `onStranger` gets what does not begin as MQTT. Returns
   * what stops that. undefined, and nothing done, where the acceptor cannot do it.
   */
  listen(server: Server, onStranger: (socket: Socket) => void): (() => void) | undefined
  /** Takes a topic URL. */
  attachTopicUrl(transport: PayloadTransport, request: TopicUrlRequest): TransportSink
}

/** How long an orderly close waits for a peer that does not read, in milliseconds. */
export const LINGER_MS = 2_000
