/** What a broker tells its owner, by event name. */
import type { MqttError } from './errors.js'
import type { ProtocolVersion } from './hooks/types.js'
import type { Problem } from './problems/problem.js'
import type { StoreStatus } from './store-options.js'
import type { Protocol } from './transports/transport.js'

/** Who an event is about. */
export interface ClientInfo {
  readonly clientId: string
  readonly username?: string
  readonly remoteAddress: string
  readonly protocol: Protocol
}

/** A CONNECT was accepted. */
export interface ConnectEvent extends ClientInfo {
  readonly version: ProtocolVersion
  readonly cleanStart: boolean
  readonly sessionPresent: boolean
  /** In force, in seconds; 0 is none. */
  readonly keepAliveSecs: number
}

/** A client has authenticated once more, or has failed to: then its connection is being closed. */
export interface ReauthenticateEvent extends ClientInfo {
  /** 0, or why not. */
  readonly reasonCode: number
  /** Its name in the standard. */
  readonly reason: string
  /** What was wrong, in words; absent where nothing was. */
  readonly detail?: string
}

/** A client is gone. */
export interface DisconnectEvent extends ClientInfo {
  /** The Reason Code that was received or sent; undefined where the connection was simply lost. */
  readonly reasonCode?: number
  /** Its name in the standard, or 'Connection lost'. */
  readonly reason: string
  /** Why, in words, where the broker has ended the connection: what a 5.0 client is told as the Reason String. */
  readonly detail?: string
}

/** A CONNECT was refused, or a peer broke the protocol. */
export interface RefuseEvent extends ClientInfo {
  readonly reasonCode: number
  /** The name of the Reason Code. */
  readonly reason: string
  /** What was wrong, in words. */
  readonly detail: string
}

/** A subscription was made. */
export interface SubscribeEvent {
  readonly clientId: string
  /** As sent, with `$share/…`. */
  readonly topicFilter: string
  /** Granted. */
  readonly qos: 0 | 1 | 2
}

/** A subscription was removed. */
export interface UnsubscribeEvent {
  readonly clientId: string
  readonly topicFilter: string
}

/** Messages for a client were dropped. Told at most once a second for each client. */
export interface DropEvent {
  readonly clientId: string
  /** How many since the last such event about this client. */
  readonly count: number
  /** Why the last of them: `outBufferFull`, `queueFull`, `expired`, `tooLarge`. */
  readonly reason: string
}

/** Event names and what their listeners are given. */
export interface BrokerEvents {
  connect: [event: ConnectEvent]
  disconnect: [event: DisconnectEvent]
  /** A client whose CONNECT named an authentication method has used it again. */
  reauthenticate: [event: ReauthenticateEvent]
  /** A CONNECT was refused. */
  refuse: [event: RefuseEvent]
  /** A peer broke the protocol; its connection is being closed. */
  protocolError: [event: RefuseEvent]
  subscribe: [event: SubscribeEvent]
  unsubscribe: [event: UnsubscribeEvent]
  drop: [event: DropEvent]
  /** Something has gone wrong with a peer or in the broker; one that goes on is told again every ten seconds at most. */
  problem: [problem: Problem]
  /** The store has begun to fail, or has ceased to. */
  store: [status: StoreStatus]
  /** The native core met a bug and is gone. Without a listener it is logged; it never ends the process by itself. */
  error: [error: MqttError]
  /** After `close`. */
  close: []
}
