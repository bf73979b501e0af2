/**
 * Commands and their answers over one WebSocket after the other. A command is sent again with the next connection where
 * that does no harm, and fails where nobody can know whether it was carried out.
 */
import {
  type ConnectOptions,
  type State,
  TopicwireError,
  type WebSocketConstructor,
  type WebSocketLike,
} from './types.js'

/** What the broker sends; which members there are is docs/web-protocol.md's to say. */
export interface Answer {
  readonly type: string
  readonly id?: number
  readonly code?: string
  readonly reasonCode?: number
  readonly text?: string
  readonly clientId?: string
  readonly sessionPresent?: boolean
  readonly topic?: string
  readonly qos?: number
  readonly ack?: number
}

/** Whom a link tells. */
export interface LinkListener {
  onState(state: State, error?: TopicwireError): void
  /** What is to be said first. */
  connectCommand(): object
  onConnected(sessionPresent: boolean): void
  onMessage(answer: Answer): void
  /** An error that no command waits for. */
  onError(error: TopicwireError): void
}

interface Pending {
  readonly command: object
  /** It is sent again with the next connection. */
  readonly isRepeatable: boolean
  isSent: boolean
  /** Called at once, before what follows the answer is dealt with. */
  readonly answered: ((answer: Answer) => void) | undefined
  resolve(answer: Answer): void
  reject(error: TopicwireError): void
}

const FIRST_BACKOFF_MS = 250
/**
 * Reason Codes after which another try would meet the same: Malformed Packet, Protocol Error, Unsupported Protocol
 * Version, Client Identifier not valid, Bad User Name or Password, Not authorized, Banned, Bad authentication method,
 * Session taken over, Packet too large, Administrative action, Use another server, Server moved.
 */
const FINAL = [0x81, 0x82, 0x84, 0x85, 0x86, 0x87, 0x8a, 0x8c, 0x8e, 0x95, 0x98, 0x9c, 0x9d]
const TOO_LARGE_CLOSE_CODE = 1009

/** See the head of this file. */
export class Link {
  state: State = 'connecting'
  /** Counts connections: what belongs to an earlier one is of no use in a later. */
  epoch = 0
  readonly #url: string
  readonly #options: ConnectOptions
  readonly #listener: LinkListener
  readonly #WebSocket: WebSocketConstructor
  readonly #pending = new Map<number, Pending>()
  #socket: WebSocketLike | undefined
  #lastId = 0
  #failures = 0
  #error: TopicwireError | undefined
  #hasHeard = false
  #timer: ReturnType<typeof setTimeout> | undefined
  #pinger: ReturnType<typeof setInterval> | undefined

  constructor(url: string, options: ConnectOptions, listener: LinkListener) {
    this.#url = url
    this.#options = options
    this.#listener = listener
    const found = options.WebSocket ?? (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket
    if (!found) throw new TopicwireError('ERR_MQTT_INVALID_OPTION', 'There is no WebSocket here: pass one.')
    this.#WebSocket = found
    this.#open()
  }

  /** Sends a command, now or with the next connection, and gives its answer. */
  ask(command: object, isRepeatable = true, answered?: (answer: Answer) => void): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.state === 'closed') reject(closedError())
      else if (this.#pending.size >= (this.#options.maximumQueued ?? 1000)) {
        reject(new TopicwireError('ERR_MQTT_QUEUE_FULL', 'Too many commands wait for their answers.'))
      } else {
        this.#lastId += 1
        const pending = { command, isRepeatable, isSent: false, answered, resolve, reject }
        this.#pending.set(this.#lastId, pending)
        if (this.state === 'connected') this.#send(this.#lastId, pending)
      }
    })
  }

  /** Says something that has no answer and belongs to this connection. */
  say(command: object): void {
    if (this.state === 'connected') this.#socket?.send(JSON.stringify(command))
  }

  /** Tries at once, where the next try was still to come. */
  hurry(): void {
    if (this.state !== 'offline') return
    clearTimeout(this.#timer)
    this.#open()
  }

  /** Ends it for good; with `endsSession` the broker keeps nothing of it. */
  close(error?: TopicwireError, endsSession = false): void {
    if (this.state === 'closed') return
    this.say(endsSession ? { type: 'disconnect', sessionExpiryIntervalSecs: 0 } : { type: 'disconnect' })
    this.#drop()
    this.#become('closed', error)
    for (const { reject } of this.#pending.values()) reject(error ?? closedError())
    this.#pending.clear()
  }

  #open(): void {
    this.#become('connecting')
    this.epoch += 1
    this.#error = undefined
    const socket = new this.#WebSocket(this.#url)
    this.#socket = socket
    this.#hasHeard = false
    const { pingIntervalMs = 20_000 } = this.#options
    this.#pinger = setInterval(() => this.#ping(), pingIntervalMs)
    socket.onopen = () =>
      socket.send(JSON.stringify({ ...this.#listener.connectCommand(), type: 'connect', id: 1e15 }))
    socket.onmessage = (event: { data: string }) => this.#onAnswer(JSON.parse(event.data) as Answer)
    socket.onclose = (event: { code: number; reason: string }) => this.#onClose(event.code, event.reason)
    // The close that follows says it again.
    socket.onerror = () => {}
  }

  #ping(): void {
    if (!this.#hasHeard) {
      this.#onClose(0, 'The broker does not answer.')
      return
    }
    this.#hasHeard = false
    this.say({ type: 'ping', id: 1e15 })
  }

  #onAnswer(answer: Answer): void {
    this.#hasHeard = true
    const { type, id = 0 } = answer
    const pending = this.#pending.get(id)
    if (type === 'message') this.#listener.onMessage(answer)
    else if (type === 'connected') {
      this.#failures = 0
      this.#become('connected')
      this.#listener.onConnected(answer.sessionPresent === true)
      for (const [each, waiting] of [...this.#pending]) if (!waiting.isSent) this.#send(each, waiting)
    } else if (pending) {
      this.#pending.delete(id)
      if (type === 'error') pending.reject(errorOf(answer))
      else {
        pending.answered?.(answer)
        pending.resolve(answer)
      }
    } else if (type === 'error') {
      this.#error = errorOf(answer)
      this.#listener.onError(this.#error)
    }
  }

  #onClose(code: number, reason: string): void {
    this.#drop()
    const error =
      this.#error ?? new TopicwireError('ERR_MQTT_CONNECTION_LOST', reason || 'The connection is lost.')
    const reasonCode = this.#error?.reasonCode ?? code - 4000
    if (FINAL.includes(reasonCode) || code === TOO_LARGE_CLOSE_CODE) {
      this.close(error)
      return
    }
    for (const [id, pending] of this.#pending) {
      if (pending.isSent && !pending.isRepeatable) {
        this.#pending.delete(id)
        pending.reject(new TopicwireError('ERR_MQTT_CONNECTION_LOST', error.message))
      }
      pending.isSent = false
    }
    const { maximumBackoffMs = 30_000 } = this.#options
    const most = Math.min(maximumBackoffMs, FIRST_BACKOFF_MS * 2 ** this.#failures)
    this.#failures += 1
    this.#timer = setTimeout(() => this.#open(), most * (0.5 + Math.random() / 2))
    this.#become('offline', error)
  }

  #send(id: number, pending: Pending): void {
    pending.isSent = true
    this.#socket?.send(JSON.stringify({ ...pending.command, id }))
  }

  #drop(): void {
    clearTimeout(this.#timer)
    clearInterval(this.#pinger)
    const socket = this.#socket
    this.#socket = undefined
    if (!socket) return
    socket.onopen = socket.onmessage = socket.onclose = null
    socket.close()
  }

  #become(state: State, error?: TopicwireError): void {
    if (state === this.state) return
    this.state = state
    this.#listener.onState(state, error)
  }
}

function errorOf({ code, text, reasonCode }: Answer): TopicwireError {
  return new TopicwireError(code ?? '', text ?? '', reasonCode)
}

function closedError(): TopicwireError {
  return new TopicwireError('ERR_MQTT_CLIENT_ENDED', 'The client is closed.')
}
