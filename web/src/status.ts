/** What the broker tells about itself under `$SYS`, and how its rates have been lately. */
import type { Problem } from '../../src/problems/problem.js'
import type {
  ClientStatus,
  ClientsMessage,
  ProblemsMessage,
  RatesMessage,
} from '../../src/status/messages.js'
import type { Payload } from './payload.js'
import { Store } from './store.js'

/** Seconds that are drawn. */
const HISTORY = 300

/** The rates of one moment, and what this page has measured. */
export interface RatesNow extends RatesMessage {
  readonly roundTripMs?: number
}

/** See the head of this file. */
export class Status extends Store {
  clientCount = 0
  clients: readonly ClientStatus[] | undefined
  problems: readonly Problem[] | undefined
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

  #takeJson(topic: string, value: unknown, roundTripMs: number | undefined): void {
    if (topic.endsWith('/clients')) {
      const { count, clients } = value as ClientsMessage
      this.clientCount = count
      this.clients = clients
    } else if (topic.endsWith('/problems')) {
      this.problems = (value as ProblemsMessage).problems
    } else if (topic.endsWith('/rates')) {
      this.history.push({ ...(value as RatesMessage), ...(roundTripMs !== undefined && { roundTripMs }) })
      if (this.history.length > HISTORY) this.history.shift()
    }
  }
}
