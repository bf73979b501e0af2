/**
 * What `$SYS/topicwire/…` says, as JSON. Types only, and nothing of Node's behind them: topics.ts writes these, and the
 * page (web/) reads them.
 */
import type { Problem } from '../problems/problem.js'
import type { Protocol } from '../transports/protocol.js'

/** One client. */
export interface ClientStatus {
  readonly clientId: string
  readonly username?: string
  readonly protocol: Protocol
  /** '5.0', '3.1.1' or '3.1'. */
  readonly version: string
  readonly remoteAddress: string
  /** Milliseconds since 1970. */
  readonly connectedSinceMs: number
  readonly subscriptions: number
  readonly queuedMessages: number
  readonly queuedBytes: number
  readonly inflightMessages: number
  readonly outBufferBytes: number
  readonly droppedMessages: number
}

/** `$SYS/topicwire/clients`: clients that are connected, and the first of them. */
export interface ClientsMessage {
  readonly count: number
  readonly clients: readonly ClientStatus[]
}

/** `$SYS/topicwire/problems`. */
export interface ProblemsMessage {
  readonly problems: readonly Problem[]
}

/** What `$SYS/topicwire/rates` says, without the delays of the event loop. */
export interface RateFigures {
  /** Milliseconds since 1970. */
  readonly timeMs: number
  readonly messagesInPerSecond: number
  readonly messagesOutPerSecond: number
  readonly bytesInPerSecond: number
  readonly bytesOutPerSecond: number
  readonly droppedPerSecond: number
  readonly connections: number
  readonly clients: number
  readonly subscriptions: number
  readonly retainedMessages: number
  readonly queuedMessages: number
  readonly queuedBytes: number
}

/** `$SYS/topicwire/rates`. */
export interface RatesMessage extends RateFigures {
  readonly eventLoopDelayP50Ms: number
  readonly eventLoopDelayP99Ms: number
}

/** Which message is on which topic. */
export interface StatusMessages {
  readonly clients: ClientsMessage
  readonly problems: ProblemsMessage
  readonly rates: RatesMessage
}
