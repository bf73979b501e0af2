/** What the broker tells about itself under `$SYS`, and how its rates have been lately. */
import type { Payload } from './payload.js'
import { Store } from './store.js'

/** Seconds that are drawn. */
const HISTORY = 300

export interface Client {
  readonly clientId: string
  readonly username?: string
  readonly protocol: string
  readonly version: string
  readonly remoteAddress: string
  readonly connectedSinceMs: number
  readonly subscriptions: number
  readonly queuedMessages: number
  readonly queuedBytes: number
  readonly inflightMessages: number
  readonly outBufferBytes: number
  readonly droppedMessages: number
}

export interface ProblemShown {
  readonly code: string
  readonly text: string
  readonly remedy: string
  readonly remoteAddress?: string
  readonly clientId?: string
  readonly firstAtMs: number
  readonly lastAtMs: number
  readonly count: number
}

export interface RatesNow {
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
  readonly eventLoopDelayP50Ms: number
  readonly eventLoopDelayP99Ms: number
  /** Measured by this page. */
  readonly roundTripMs?: number
}

/** See the head of this file. */
export class Status extends Store {
  clientCount = 0
  clients: readonly Client[] | undefined
  problems: readonly ProblemShown[] | undefined
  /** The last one last. */
  readonly history: RatesNow[] = []
  version = ''
  uptime = ''
  /** Why there is nothing. */
  refusal: string | undefined

  get rates(): RatesNow | undefined {
    return this.history.at(-1)
  }

  /** A message of one of the topics. */
  take(topic: string, payload: Payload, roundTripMs: number | undefined): void {
    if (typeof payload !== 'string') return
    if (topic === '$SYS/broker/version') this.version = payload
    else if (topic === '$SYS/broker/uptime') this.uptime = payload
    else if (topic.startsWith('$SYS/topicwire/')) this.#takeJson(topic, JSON.parse(payload), roundTripMs)
    this.changed()
  }

  #takeJson(topic: string, value: Record<string, unknown>, roundTripMs: number | undefined): void {
    if (topic.endsWith('/clients')) {
      this.clientCount = value.count as number
      this.clients = value.clients as Client[]
    } else if (topic.endsWith('/problems')) {
      this.problems = value.problems as ProblemShown[]
    } else if (topic.endsWith('/rates')) {
      const rates = value as unknown as RatesNow
      this.history.push({ ...rates, ...(roundTripMs !== undefined && { roundTripMs }) })
      if (this.history.length > HISTORY) this.history.shift()
    }
  }
}
