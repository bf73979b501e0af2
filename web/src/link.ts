/**
 * The page's connection to the broker: the browser module (src/browser/), with what it leaves to its user. A login when
 * the broker wants one, another client where one has ended for good, and how long the way to the broker is.
 */
import {
  type Client,
  connect,
  type Message,
  type Subscription,
  type TopicwireError,
} from '../../src/browser/client.js'
import type { Payload } from './payload.js'
import { Store } from './store.js'

/** Where the connection stands. */
export type LinkState =
  | { readonly at: 'connecting' }
  | { readonly at: 'connected' }
  /** Lost, and tried again by itself. */
  | { readonly at: 'waiting'; readonly why: string }
  /** The broker wants to know who this is. */
  | { readonly at: 'login'; readonly why: string; readonly isTrying: boolean }

export interface LinkMessage {
  readonly topic: string
  readonly payload: Payload
  readonly qos: number
  readonly retain: boolean
}

export type Handler = (message: LinkMessage) => void

export interface Login {
  readonly username: string
  readonly password: string
}

export interface Publication {
  readonly topic: string
  readonly payload: string
  readonly qos: 0 | 1
  readonly retain: boolean
}

/** A subscription that outlives clients. */
interface Wanted {
  readonly filter: string
  readonly qos: 0 | 1
  readonly handler: Handler
  subscription: Promise<Subscription>
}

const LONGEST_WAIT_MS = 5_000
const PING_INTERVAL_MS = 2_000
/** By the second one without an answer the broker is taken to be gone. */
const ALIVE_INTERVAL_MS = 5_000
const BAD_CREDENTIALS = 0x86
const NOT_AUTHORIZED = 0x87

/** See the head of this file. */
export class Link extends Store {
  state: LinkState = { at: 'connecting' }
  /** How long the broker took to answer the last ping. */
  roundTripMs: number | undefined
  readonly #clientId = `page-${Math.random().toString(36).slice(2, 8)}`
  readonly #wanted = new Set<Wanted>()
  #client: Client | undefined
  #login: Login | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor() {
    super()
    setInterval(() => void this.#ping(), PING_INTERVAL_MS)
  }

  open(login?: Login): void {
    clearTimeout(this.#timer)
    this.#login = login ?? this.#login
    this.#setState(login === undefined ? { at: 'connecting' } : { at: 'login', why: '', isTrying: true })
    const client = connect(new URL('/live', location.href), {
      clientId: this.#clientId,
      cleanStart: true,
      sessionExpiryIntervalSecs: 0,
      pingIntervalMs: ALIVE_INTERVAL_MS,
      maximumBackoffMs: LONGEST_WAIT_MS,
      ...this.#login,
    })
    this.#client = client
    client.onstate = (state, error) => {
      if (client === this.#client) this.#changed(state, error)
    }
    for (const wanted of this.#wanted) this.#subscribe(client, wanted)
  }

  /** Subscribes, with this client and those that come after it. @throws TopicwireError where it is not allowed */
  async subscribe(filter: string, qos: 0 | 1, handler: Handler): Promise<void> {
    const client = this.#client
    if (client === undefined) return
    let wanted = this.#find(filter, handler)
    if (wanted === undefined) {
      wanted = this.#subscribe(client, { filter, qos, handler })
      this.#wanted.add(wanted)
    }
    const { subscription } = wanted
    try {
      await subscription
    } catch (error) {
      // Unless another client has taken it over.
      if (wanted.subscription === subscription) this.#wanted.delete(wanted)
      throw error
    }
  }

  async unsubscribe(filter: string, handler: Handler): Promise<void> {
    const wanted = this.#find(filter, handler)
    if (wanted === undefined) return
    this.#wanted.delete(wanted)
    await (await wanted.subscription).unsubscribe()
  }

  /** Says whether somebody was subscribed, where the broker says it. @throws TopicwireError */
  async publish({ topic, payload, ...options }: Publication): Promise<{ readonly matching: boolean }> {
    if (this.#client === undefined) throw new Error('There is no connection.')
    return this.#client.publish(topic, payload, options)
  }

  #find(filter: string, handler: Handler): Wanted | undefined {
    return [...this.#wanted].find((wanted) => wanted.filter === filter && wanted.handler === handler)
  }

  #subscribe(client: Client, wanted: Omit<Wanted, 'subscription'>): Wanted {
    const { filter, qos, handler } = wanted
    const subscription = client.subscribe(filter, (message) => handler(messageOf(message)), { qos })
    // Whoever waits for it hears of it as well.
    subscription.catch(() => {})
    return Object.assign(wanted, { subscription })
  }

  #changed(state: Client['state'], error: TopicwireError | undefined): void {
    this.roundTripMs = undefined
    const why = error?.message ?? ''
    if (state === 'connected') this.#setState({ at: 'connected' })
    else if (state === 'offline') this.#setState({ at: 'waiting', why })
    else if (state === 'closed') this.#ended(error)
  }

  /** The client does not try again. */
  #ended(error: TopicwireError | undefined): void {
    if (error?.reasonCode === BAD_CREDENTIALS || error?.reasonCode === NOT_AUTHORIZED) {
      const why = this.#login === undefined ? '' : error.message
      this.#login = undefined
      this.#setState({ at: 'login', why, isTrying: false })
      return
    }
    this.#setState({ at: 'waiting', why: error?.message ?? '' })
    this.#timer = setTimeout(() => this.open(), LONGEST_WAIT_MS)
  }

  async #ping(): Promise<void> {
    if (this.state.at !== 'connected' || document.visibilityState === 'hidden') return
    try {
      this.roundTripMs = await this.#client?.ping()
    } catch {
      // The connection is gone, which the client tells.
    }
  }

  #setState(state: LinkState): void {
    this.state = state
    this.changedByHand()
  }
}

/** Text where it is UTF-8, bytes otherwise. */
function messageOf(message: Message): LinkMessage {
  const { topic, qos, retain } = message
  const text = message.text()
  // What is not UTF-8 has become U+FFFD, which may also have been sent as such.
  const isText = !text.includes('\uFFFD') || isSame(new TextEncoder().encode(text), message.bytes)
  return { topic, payload: isText ? text : message.bytes, qos, retain }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at])
}
