/**
 * SUBSCRIBE and UNSUBSCRIBE: who waits for their answers, and which subscriptions there are, so that they are made again
 * in a session that has lost them. A request that its connection took with it is made again on the next one.
 */

import { encode } from '../codec/encode.js'
import type { Packet, SubackPacket, SubscribeFilter } from '../codec/packets.js'
import type { MqttError } from '../errors.js'
import { command, type Waiter } from './commands.js'
import type { Engine } from './engine.js'
import { abandonment, byServer, refusal } from './failures.js'
import { CONNECTION_LOST, NOT_CONNECTED, OUT_BUFFER_FULL } from './native-clients.js'
import { type GivenUserProperties, ownProperties } from './words.js'

/** How the messages of a subscription are sent, in the words of MQTT.js. */
export interface ClientSubscribeOptions {
  /** The highest QoS. Default 0. */
  readonly qos?: 0 | 1 | 2 | undefined
  /** No Local. */
  readonly nl?: boolean | undefined
  /** Retain As Published. */
  readonly rap?: boolean | undefined
  /** Retain Handling. */
  readonly rh?: 0 | 1 | 2 | undefined
  readonly properties?:
    | {
        readonly subscriptionIdentifier?: number | undefined
        readonly userProperties?: GivenUserProperties | undefined
      }
    | undefined
  /** Gives up waiting. The subscription may be made all the same. */
  readonly signal?: AbortSignal | undefined
}

/** A subscription that was asked for, with the QoS that was granted, or 128 and above where it was refused. */
export interface SubscriptionGrant {
  topic: string
  qos: number
  nl?: boolean
  rap?: boolean
  rh?: number
}

/** What a subscription is made of. */
export interface SubscriptionLine {
  readonly topic: string
  readonly options: ClientSubscribeOptions
}

export type RequestDone = (error?: MqttError, packet?: Packet) => void

/** Filters in one SUBSCRIBE of a resubscription. */
const LINES_AT_ONCE = 200

interface Request {
  readonly lines: readonly SubscriptionLine[] | undefined
  readonly packet: Buffer
  readonly done: RequestDone
}

/** See the head of this file. */
export class Subscriptions {
  readonly #engine: Engine
  readonly #report: (error: MqttError) => void
  /** These two are made with the first, and `#requests` goes with the last: an idle client has no empty Map. */
  #active: Map<string, ClientSubscribeOptions> | undefined
  #requests: Map<number, Request> | undefined
  #waiting: Request[] = []
  isConnected = false

  constructor(
    engine: Engine,
    report: (error: MqttError) => void,
    active?: Map<string, ClientSubscribeOptions>,
  ) {
    this.#engine = engine
    this.#report = report
    this.#active = active
  }

  /** The same subscriptions, to be made by another engine. */
  successor(engine: Engine, report: (error: MqttError) => void): Subscriptions {
    return new Subscriptions(engine, report, this.#active)
  }

  get isEmpty(): boolean {
    return this.#requests === undefined
  }

  /** @throws MqttError for what no packet can carry. */
  subscribe(lines: readonly SubscriptionLine[], done: RequestDone): void {
    this.#request({ lines, packet: encodeSubscribe(lines), done })
  }

  /** @throws MqttError for what no packet can carry. */
  unsubscribe(topicFilters: readonly string[], properties: object | undefined, done: RequestDone): void {
    const own = ownProperties(properties)
    const packet = encode(
      { type: 'unsubscribe', packetId: 1, topicFilters, properties: own as never },
      { protocolVersion: 5 },
    )
    for (const topicFilter of topicFilters) this.#active?.delete(topicFilter)
    this.#request({ lines: undefined, packet, done })
  }

  /** Nobody waits for them any more. */
  failAll(error: MqttError): void {
    const all = [...(this.#requests?.values() ?? []), ...this.#waiting]
    this.#requests = undefined
    this.#waiting = []
    for (const request of all) process.nextTick(request.done, error)
  }

  onConnected(mustSubscribe: boolean): void {
    this.isConnected = true
    if (mustSubscribe) this.#subscribeAgain()
    const waiting = this.#waiting
    this.#waiting = []
    for (const request of waiting) this.#request(request)
  }

  onAnswered(ticket: number, packet: Packet): void {
    const request = this.#take(ticket)
    if (request === undefined) return
    const { lines, done } = request
    const codes = 'reasonCodes' in packet ? (packet as SubackPacket).reasonCodes : []
    let refused: number | undefined
    codes.forEach((code, index) => {
      if (code >= 0x80) refused ??= index
      const line = lines?.[index]
      if (line === undefined) return
      if (code < 0x80) {
        this.#active ??= new Map()
        this.#active.set(line.topic, line.options)
      } else this.#active?.delete(line.topic)
    })
    if (refused === undefined) {
      done(undefined, packet)
      return
    }
    const what =
      lines === undefined
        ? 'The server does not end the subscription'
        : `The server does not allow the subscription to ${lines[refused]?.topic}`
    done(byServer('ERR_MQTT_SUBSCRIBE_REFUSED', what, codes[refused] ?? 0x80, packet), packet)
  }

  /** True where it was a request. */
  onAbandoned(ticket: number, cause: number, words: string): boolean {
    const request = this.#take(ticket)
    if (request === undefined) return false
    if (cause === CONNECTION_LOST) this.#waiting.push(request)
    else request.done(abandonment(cause, words))
    return true
  }

  /** The request of this ticket, which is over. */
  #take(ticket: number): Request | undefined {
    const request = this.#requests?.get(ticket)
    if (request === undefined) return undefined
    this.#requests?.delete(ticket)
    if (this.#requests?.size === 0) this.#requests = undefined
    return request
  }

  #request(request: Request): void {
    if (!this.isConnected) {
      this.#waiting.push(request)
      return
    }
    const waiter: Waiter = {
      accepted: (ticket) => {
        this.#requests ??= new Map()
        this.#requests.set(ticket, request)
      },
      refused: (code, words) => {
        if (code === NOT_CONNECTED) this.#waiting.push(request)
        else if (code === OUT_BUFFER_FULL) setTimeout(() => this.#request(request), 50)
        else process.nextTick(request.done, refusal(code, words, 'ERR_MQTT_INVALID_TOPIC_FILTER'))
      },
    }
    command(this.#engine, request.packet, waiter)
  }

  #subscribeAgain(): void {
    if (this.#active === undefined) return
    const asked = new Set(this.#waiting.flatMap(({ lines }) => lines?.map(({ topic }) => topic) ?? []))
    // The properties are those of a whole SUBSCRIBE.
    const groups = new Map<object | undefined, SubscriptionLine[]>()
    for (const [topic, options] of this.#active) {
      if (asked.has(topic)) continue
      const group = groups.get(options.properties)
      if (group === undefined) groups.set(options.properties, [{ topic, options }])
      else group.push({ topic, options })
    }
    for (const lines of groups.values()) {
      for (let start = 0; start < lines.length; start += LINES_AT_ONCE) {
        this.subscribe(lines.slice(start, start + LINES_AT_ONCE), (error) => {
          if (error !== undefined) this.#report(error)
        })
      }
    }
  }
}

function encodeSubscribe(lines: readonly SubscriptionLine[]): Buffer {
  const filters = lines.map(({ topic, options }): Partial<SubscribeFilter> & { topicFilter: string } => ({
    topicFilter: topic,
    qos: options.qos ?? 0,
    noLocal: options.nl ?? false,
    retainAsPublished: options.rap ?? false,
    retainHandling: options.rh ?? 0,
  }))
  const properties = ownProperties(lines[0]?.options.properties)
  return encode({ type: 'subscribe', packetId: 1, filters, properties }, { protocolVersion: 5 })
}
