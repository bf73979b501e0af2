/**
 * The connection to the broker: one WebSocket on /live (docs/web-protocol.md), opened again when it is lost, with what
 * was subscribed to before.
 */
import type { Payload } from './payload.js'
import { Store } from './store.js'

/** Where the connection stands. */
export type LinkState =
  | { readonly at: 'connecting' }
  | { readonly at: 'connected' }
  /** Lost, and tried again by itself. */
  | { readonly at: 'waiting'; readonly why: string; readonly untilMs: number }
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

/** One subscription of the broker, for all here who want its filter. */
interface Wanted {
  readonly filter: string
  qos: 0 | 1
  readonly subscription: number
  readonly handlers: Set<Handler>
  /** The broker's answer in this connection. */
  granted: Promise<unknown> | undefined
}

export interface Publication {
  readonly topic: string
  readonly payload: string
  readonly qos: 0 | 1
  readonly retain: boolean
}

/** The broker has answered with an `error`. */
export class LinkError extends Error {
  readonly reasonCode: number

  constructor(text: string, reasonCode = 0) {
    super(text)
    this.reasonCode = reasonCode
  }
}

interface Answer {
  readonly type: string
  readonly id?: number
  readonly text?: string
  readonly reasonCode?: number
  readonly qos?: number
  readonly matching?: boolean
}

interface Waiting {
  resolve(answer: Answer): void
  reject(error: Error): void
}

const FIRST_WAIT_MS = 300
const LONGEST_WAIT_MS = 5_000
const PING_INTERVAL_MS = 2_000
const PING_PATIENCE_MS = 10_000
const BAD_CREDENTIALS = 0x86
const NOT_AUTHORIZED = 0x87

/** See the head of this file. */
export class Link extends Store {
  state: LinkState = { at: 'connecting' }
  login: Login | undefined
  /** How long the broker took to answer the last ping. */
  roundTripMs: number | undefined
  readonly clientId = `page-${Math.random().toString(36).slice(2, 8)}`
  readonly #wanted = new Map<string, Wanted>()
  readonly #bySubscription = new Map<number, Wanted>()
  readonly #waiting = new Map<number, Waiting>()
  #socket: WebSocket | undefined
  #lastId = 0
  #lastSubscription = 0
  #failures = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor() {
    super()
    setInterval(() => void this.#ping(), PING_INTERVAL_MS)
    addEventListener('online', () => this.#retryNow())
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.#retryNow()
    })
  }

  open(login?: Login): void {
    this.login = login ?? this.login
    clearTimeout(this.#timer)
    this.#socket?.close()
    this.#setState(login === undefined ? { at: 'connecting' } : { at: 'login', why: '', isTrying: true })
    const url = new URL('/live', location.href)
    url.protocol = url.protocol.replace('http', 'ws')
    const socket = new WebSocket(url, 'topicwire.v1')
    this.#socket = socket
    let refusal: LinkError | undefined
    socket.onopen = () => {
      socket.send(JSON.stringify({ type: 'connect', clientId: this.clientId, ...this.login }))
    }
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data as string)
      if (frame.type === 'message') this.#received(frame)
      else if (frame.type === 'connected') this.#connected()
      else if (frame.type === 'error' && frame.id === undefined) {
        refusal = new LinkError(frame.text, frame.reasonCode)
      } else this.#answered(frame)
    }
    socket.onclose = ({ code, reason }) => {
      if (socket !== this.#socket) return
      this.#lost(refusal ?? new LinkError(reason, code >= 4_000 && code < 4_256 ? code - 4_000 : 0))
    }
  }

  /** Subscribes now, and again with each connection. @throws LinkError where the broker does not allow it */
  async subscribe(filter: string, qos: 0 | 1, handler: Handler): Promise<void> {
    let wanted = this.#wanted.get(filter)
    if (wanted === undefined) {
      this.#lastSubscription += 1
      wanted = { filter, qos, subscription: this.#lastSubscription, handlers: new Set(), granted: undefined }
      this.#wanted.set(filter, wanted)
      this.#bySubscription.set(wanted.subscription, wanted)
    }
    const isKnown = wanted.handlers.has(handler) && qos <= wanted.qos
    wanted.handlers.add(handler)
    if (qos > wanted.qos) wanted.qos = qos
    if (this.state.at !== 'connected') return
    try {
      // Asked for again where somebody else has it: the retained messages are for the new one.
      if (!isKnown || wanted.granted === undefined) wanted.granted = this.#command(subscribeTo(wanted))
      await wanted.granted
    } catch (error) {
      if (this.state.at === 'connected') this.#forget(wanted, handler)
      throw error
    }
  }

  async unsubscribe(filter: string, handler: Handler): Promise<void> {
    const wanted = this.#wanted.get(filter)
    if (wanted === undefined || !this.#forget(wanted, handler) || this.state.at !== 'connected') return
    await this.#command({ type: 'unsubscribe', filter })
  }

  /** Says whether somebody was subscribed, where the broker says it. @throws LinkError */
  async publish(publication: Publication): Promise<{ readonly matching: boolean }> {
    const { matching = true } = await this.#command({ type: 'publish', ...publication })
    return { matching }
  }

  #connected(): void {
    this.#failures = 0
    this.#setState({ at: 'connected' })
    for (const wanted of this.#wanted.values()) {
      // What is not allowed any more is missed, and asked for again with the next connection.
      wanted.granted = this.#command(subscribeTo(wanted))
      wanted.granted.catch(() => {})
    }
  }

  #received(frame: Record<string, unknown>): void {
    const message = messageOf(frame)
    const handlers = new Set<Handler>()
    for (const subscription of (frame.subscriptions ?? []) as number[]) {
      for (const handler of this.#bySubscription.get(subscription)?.handlers ?? []) handlers.add(handler)
    }
    for (const handler of handlers) handler(message)
    if (typeof frame.ack === 'number') this.#socket?.send(JSON.stringify({ type: 'ack', ack: frame.ack }))
  }

  /** Says whether nobody wants it any more. */
  #forget(wanted: Wanted, handler: Handler): boolean {
    wanted.handlers.delete(handler)
    if (wanted.handlers.size > 0) return false
    this.#wanted.delete(wanted.filter)
    this.#bySubscription.delete(wanted.subscription)
    return true
  }

  #command(command: Record<string, unknown>): Promise<Answer> {
    const socket = this.#socket
    if (socket?.readyState !== WebSocket.OPEN) return Promise.reject(new LinkError('There is no connection.'))
    this.#lastId += 1
    const id = this.#lastId
    socket.send(JSON.stringify({ ...command, id }))
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
  }

  #answered(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id ?? 0)
    this.#waiting.delete(answer.id ?? 0)
    if (answer.type === 'error') waiting?.reject(new LinkError(answer.text ?? '', answer.reasonCode))
    else waiting?.resolve(answer)
  }

  async #ping(): Promise<void> {
    if (this.state.at !== 'connected' || document.visibilityState === 'hidden') return
    const socket = this.#socket
    const patience = setTimeout(() => socket?.close(), PING_PATIENCE_MS)
    const sentMs = performance.now()
    try {
      await this.#command({ type: 'ping' })
      this.roundTripMs = performance.now() - sentMs
    } catch {
      // The connection is gone, which onclose tells.
    }
    clearTimeout(patience)
  }

  #lost(error: LinkError): void {
    this.#socket = undefined
    this.roundTripMs = undefined
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { reject } of waiting) reject(new LinkError('The connection was lost.'))
    if (error.reasonCode === BAD_CREDENTIALS || error.reasonCode === NOT_AUTHORIZED) {
      const why = this.login === undefined ? '' : error.message
      this.login = undefined
      this.#setState({ at: 'login', why, isTrying: false })
      return
    }
    this.#failures += 1
    const waitMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.#failures - 1))
    this.#setState({ at: 'waiting', why: error.message, untilMs: Date.now() + waitMs })
    this.#timer = setTimeout(() => this.open(), waitMs)
  }

  #retryNow(): void {
    if (this.state.at === 'waiting') this.open()
  }

  #setState(state: LinkState): void {
    this.state = state
    this.changedByHand()
  }
}

function subscribeTo({ filter, qos, subscription }: Wanted): Record<string, unknown> {
  return { type: 'subscribe', filter, qos, subscription }
}

function messageOf(frame: Record<string, unknown>): LinkMessage {
  const { topic, payload, payloadBase64, qos = 0, retain = false } = frame
  return {
    topic: topic as string,
    payload: (payload as string | undefined) ?? bytesOf((payloadBase64 as string | undefined) ?? ''),
    qos: qos as number,
    retain: retain as boolean,
  }
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))
}
