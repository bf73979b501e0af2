/**
 * Hears the broker's events and reports those that are problems. What happens before there is a connection
 * (listeners), and what hooks refuse, is reported where it happens.
 */
import type { BrokerEvents, DisconnectEvent, DropEvent, RefuseEvent } from '../broker-events.js'
import type { StoreStatus } from '../store-options.js'
import type { ProblemCode } from './problem.js'
import type { ProblemRegistry } from './registry.js'

/** So many take-overs of one client identifier in so much time are a loop. */
const LOOP_TAKE_OVERS = 4
const LOOP_SPAN_MS = 30_000
/** Client identifiers whose take-overs are remembered. */
const MOST_REMEMBERED = 1_000

const KEEP_ALIVE_TIMEOUT = 0x8d
const SESSION_TAKEN_OVER = 0x8e

const refusals: ReadonlyMap<number, ProblemCode> = new Map([
  [0x84, 'versionNotSupported'],
  [0x85, 'clientIdRefused'],
  [0x86, 'badCredentials'],
  [0x87, 'connectNotAuthorized'],
  [0x89, 'tooManyConnections'],
  [0x97, 'quotaExceeded'],
  [0x9f, 'tooManyConnections'],
])

const errors: ReadonlyMap<number, ProblemCode> = new Map([
  [0x89, 'tooManyConnections'],
  [0x93, 'receiveMaximumExceeded'],
  [0x97, 'quotaExceeded'],
])

const drops: ReadonlyMap<string, ProblemCode> = new Map([
  ['outBufferFull', 'outBufferFull'],
  ['queueFull', 'queueFull'],
  ['tooLarge', 'messageTooLarge'],
])

/** See the head of this file. */
export class ProblemWatch {
  readonly #registry: ProblemRegistry
  readonly #now: () => number
  /** Times of take-overs, by client identifier; whoever was taken over last stands last. */
  readonly #takeOvers = new Map<string, number[]>()

  constructor(registry: ProblemRegistry, now: () => number = Date.now) {
    this.#registry = registry
    this.#now = now
  }

  /** An event of the broker. */
  hear<Name extends keyof BrokerEvents>(name: Name, event: BrokerEvents[Name][0]): void {
    if (name === 'refuse') this.#refused(event as RefuseEvent)
    else if (name === 'protocolError') this.#brokeProtocol(event as RefuseEvent)
    else if (name === 'disconnect') this.#disconnected(event as DisconnectEvent)
    else if (name === 'drop') this.#dropped(event as DropEvent)
  }

  /** The store has begun to fail. */
  hearOfStore(status: StoreStatus): void {
    if (status.state === 'working') return
    const because = status.problem === undefined ? '' : `: ${status.problem}`
    this.#registry.report({ code: 'storeTrouble', text: `The store is ${status.state}${because}.` })
  }

  #refused({ reasonCode, reason, detail, clientId, remoteAddress }: RefuseEvent): void {
    const code = refusals.get(reasonCode) ?? 'connectRefused'
    this.#registry.report({
      code,
      text: sentence('A CONNECT was refused', reason, detail),
      clientId,
      remoteAddress,
    })
  }

  #brokeProtocol({ reasonCode, reason, detail, clientId, remoteAddress }: RefuseEvent): void {
    const code = errors.get(reasonCode) ?? 'protocolError'
    this.#registry.report({
      code,
      text: sentence('A peer was disconnected', reason, detail),
      clientId,
      remoteAddress,
    })
  }

  #disconnected({ reasonCode, clientId, remoteAddress }: DisconnectEvent): void {
    if (reasonCode === KEEP_ALIVE_TIMEOUT) {
      const text = 'A client has said nothing for one and a half times its keep alive.'
      this.#registry.report({ code: 'keepAliveTimeout', text, clientId, remoteAddress })
    } else if (reasonCode === SESSION_TAKEN_OVER) {
      this.#takenOver(clientId, remoteAddress)
    }
  }

  #takenOver(clientId: string, remoteAddress: string): void {
    const now = this.#now()
    const times = (this.#takeOvers.get(clientId) ?? []).filter((time) => now - time < LOOP_SPAN_MS)
    times.push(now)
    this.#takeOvers.delete(clientId)
    this.#takeOvers.set(clientId, times.slice(-LOOP_TAKE_OVERS))
    const [oldest] = this.#takeOvers.size > MOST_REMEMBERED ? this.#takeOvers.keys() : []
    if (oldest !== undefined) this.#takeOvers.delete(oldest)
    if (times.length < LOOP_TAKE_OVERS) return
    const text = `A client identifier was taken over ${LOOP_TAKE_OVERS} times in ${LOOP_SPAN_MS / 1000} seconds: it is used twice.`
    this.#registry.report({ code: 'takeOverLoop', text, clientId, remoteAddress })
  }

  #dropped({ clientId, count, reason }: DropEvent): void {
    const code = drops.get(reason)
    if (code === undefined) return
    const messages = count === 1 ? '1 message was' : `${count} messages were`
    const text = {
      outBufferFull: `${messages} dropped: the connection of the subscriber is full.`,
      queueFull: `${messages} dropped: the queue of the session is full.`,
      messageTooLarge: `${messages} dropped: larger than the subscriber takes.`,
    }[code as 'outBufferFull' | 'queueFull' | 'messageTooLarge']
    this.#registry.report({ code, text, clientId })
  }
}

function sentence(what: string, reason: string, detail: string): string {
  const words = detail === '' || detail === reason ? reason : `${reason}, ${detail}`
  return `${what}: ${words.replace(/\.$/, '')}.`
}
