/**
 * `$SYS/topicwire/…`: what the page at `/` shows beside the messages, as JSON. Published only while somebody is there
 * who has subscribed to it, so that a broker at which nobody looks does nothing for it. `$SYS/broker/…` is the core's.
 */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import type { BrokerEvents, ConnectEvent, SubscribeEvent } from '../broker-events.js'
import type { Problem } from '../problems/problem.js'
import { MOST_CLIENTS } from './clients.js'
import type { ClientsMessage, StatusMessages } from './messages.js'
import { Rates } from './rates.js'

/** The topics. */
export const STATUS_TOPICS = {
  clients: '$SYS/topicwire/clients',
  problems: '$SYS/topicwire/problems',
  rates: '$SYS/topicwire/rates',
} as const satisfies Record<StatusTopic, string>

type StatusTopic = keyof StatusMessages

/** What is asked of the broker. */
export interface StatusHost {
  /** Whether somebody who is there has subscribed to it. */
  hasListener(topicName: string): boolean
  /** False where a limit is in the way. */
  publish(topicName: string, json: string): boolean
  metrics(): Readonly<Record<string, number>>
  /** Clients that are connected, and the first so many of them. */
  clients(most: number): ClientsMessage
  readonly problems: readonly Problem[]
  readonly problemsRevision: number
}

const INTERVAL_MS = 1_000
/** Soon, but not once for each of the subscriptions that come together. */
const FIRST_MS = 50
/** The list of clients is the one that costs something. */
const CLIENTS_EVERY = 2
const EVENT_LOOP_RESOLUTION_MS = 20

/** See the head of this file. */
export class StatusTopics {
  readonly #host: StatusHost
  readonly #due = new Set<StatusTopic>()
  #timer: NodeJS.Timeout | undefined
  #delays: IntervalHistogram | undefined
  #rates: Rates | undefined
  #round = 0
  #toldRevision = -1

  constructor(host: StatusHost) {
    this.#host = host
  }

  /** Whether it is at work. */
  get isActive(): boolean {
    return this.#timer !== undefined
  }

  /** An event of the broker, of which some may mean that somebody wants to know. */
  hear<Name extends keyof BrokerEvents>(name: Name, event: BrokerEvents[Name][0]): void {
    if (name === 'subscribe') this.subscribed((event as SubscribeEvent).topicFilter)
    // A session that is resumed has its subscriptions already.
    else if (name === 'connect' && (event as ConnectEvent).sessionPresent) this.#wake()
  }

  /** Somebody has subscribed. A wildcard in the first level does not match what begins with `$` [MQTT-4.7.2-1]. */
  subscribed(topicFilter: string): void {
    if (/^(\$share\/[^/]+\/)?\$SYS\//.test(topicFilter)) this.#wake()
  }

  /** Nothing is published after this. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#delays?.disable()
    this.#delays = undefined
    this.#rates = undefined
  }

  #wake(): void {
    for (const topic of ['clients', 'problems', 'rates'] as const) this.#due.add(topic)
    if (this.#timer !== undefined) return
    this.#timer = setTimeout(() => this.#work(), FIRST_MS).unref()
  }

  #work(): void {
    const wanted = new Set<StatusTopic>()
    for (const topic of ['clients', 'problems', 'rates'] as const) {
      if (this.#host.hasListener(STATUS_TOPICS[topic])) wanted.add(topic)
    }
    if (wanted.size === 0) {
      this.#due.clear()
      this.stop()
      return
    }
    this.#timer = setTimeout(() => this.#work(), INTERVAL_MS).unref()
    this.#round += 1
    if (wanted.has('rates')) this.#publishRates()
    if (wanted.has('problems')) this.#publishProblems()
    if (wanted.has('clients') && (this.#due.has('clients') || this.#round % CLIENTS_EVERY === 0)) {
      this.#publishClients()
    }
    this.#due.clear()
  }

  /** As many as fit into a packet. */
  #publishClients(): void {
    for (let most = MOST_CLIENTS; most > 0; most >>= 1) {
      if (this.#publish('clients', this.#host.clients(most))) return
    }
  }

  #publishProblems(): void {
    const { problemsRevision, problems } = this.#host
    if (!this.#due.has('problems') && problemsRevision === this.#toldRevision) return
    this.#toldRevision = problemsRevision
    this.#publish('problems', { problems })
  }

  #publishRates(): void {
    const first = this.#delays === undefined
    this.#delays ??= monitorEventLoopDelay({ resolution: EVENT_LOOP_RESOLUTION_MS })
    if (first) this.#delays.enable()
    this.#rates ??= new Rates()
    const figures = this.#rates.next(this.#host.metrics(), Date.now(), performance.now())
    this.#publish('rates', {
      ...figures,
      eventLoopDelayP50Ms: this.#delay(50),
      eventLoopDelayP99Ms: this.#delay(99),
    })
    this.#delays.reset()
  }

  /** What the histogram measures is the time between two looks, of which the interval is not a delay. */
  #delay(percentile: number): number {
    if (this.#delays === undefined || this.#delays.count === 0) return 0
    const ms = this.#delays.percentile(percentile) / 1e6 - EVENT_LOOP_RESOLUTION_MS
    return Math.max(0, Math.round(ms * 100) / 100)
  }

  #publish<Topic extends StatusTopic>(topic: Topic, value: StatusMessages[Topic]): boolean {
    const isPublished = this.#host.publish(STATUS_TOPICS[topic], JSON.stringify(value))
    if (isPublished) this.#rates?.noteOwn()
    return isPublished
  }
}
