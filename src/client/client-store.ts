/**
 * A client's store, as far as JavaScript has a part in it: opening it, giving it work in time, waiting for it, and closing
 * it. What it holds is `crates/session/src/client/journal.rs`'s to say; its thread works beside the event loop.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { MqttError } from '../errors.js'
import { fromNative, type NativeClientOptions } from '../native.js'
import { type NativeSide, now } from './native-clients.js'

/** Where a client keeps its session. */
export interface ClientStoreOptions {
  /** A directory of this client's alone; made where there is none. */
  readonly path: string
  /** `process` (the default): what is stored survives the process being killed; `power`: a power loss, too. */
  readonly durability?: 'process' | 'power' | undefined
}

/** How often it is asked whether all is stored. */
const POLL_MS = 5
/** How long `end` waits for a store that fails. */
const LONGEST_CLOSE_MS = 2_000

interface Waiter {
  readonly sequence: number
  readonly resolve: () => void
  readonly reject: (error: MqttError) => void
}

/** What the store tells its client. */
export interface ClientStoreListener {
  /** The native client has been told what was stored; these are its status bits. */
  storeNews(status: number): void
  /** It does not do its work. It is tried again, unless it is damaged. */
  storeTrouble(error: MqttError): void
}

/** See the head of this file. */
export class ClientStore {
  /** The native client that was made from it. */
  readonly id: number
  /** Tickets up to this one are of messages that an earlier process published. */
  readonly restoredTickets: number
  readonly #side: NativeSide
  readonly #listener: ClientStoreListener
  #timer: NodeJS.Timeout | undefined
  #waiters: Waiter[] = []
  #problem: string | undefined
  #isClosed = false

  /** @throws MqttError ERR_MQTT_STORE_IN_USE, ERR_MQTT_STORE_VERSION, ERR_MQTT_STORE_DAMAGED or ERR_MQTT_STORE_FAILED. */
  constructor(
    side: NativeSide,
    options: NativeClientOptions,
    { path, durability = 'process' }: ClientStoreOptions,
    clientId: string,
    listener: ClientStoreListener,
  ) {
    this.#side = side
    this.#listener = listener
    try {
      this.id = side.clients.openStored(options, { path, durability }, clientId, () => this.#onNews())
    } catch (error) {
      throw fromNative(error)
    }
    this.restoredTickets = side.clients.restoredTickets(this.id)
  }

  /** Gives it what the client has for it, now or when it is time. */
  give(): void {
    if (this.#isClosed) return
    let at: number
    try {
      at = this.#side.clients.giveChanges(this.id, now())
    } catch {
      // The native client met a bug; the next chunk or command says so.
      return
    }
    if (at < 0 || this.#timer !== undefined) return
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        this.give()
      },
      Math.max(Math.ceil(at - now()), 1),
    )
  }

  /** Resolves when everything so far is stored. */
  flush(): Promise<void> {
    if (this.#isClosed) return Promise.reject(new MqttError('ERR_MQTT_CLIENT_ENDED'))
    return new Promise((resolve, reject) => {
      const sequence = this.#side.clients.awaitChanges(this.id)
      this.#waiters.push({ sequence, resolve, reject })
      this.give()
      this.#settle()
    })
  }

  /** Waits for what is still to be stored, then lets go of the directory. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    clearTimeout(this.#timer)
    const { clients } = this.#side
    const deadline = performance.now() + LONGEST_CLOSE_MS
    try {
      clients.awaitChanges(this.id)
      for (;;) {
        clients.takeClientStoreNews(this.id, now())
        clients.giveChanges(this.id, now())
        const { state, isDone } = clients.clientStoreStatus(this.id)
        if (isDone || state === 'damaged') break
        if (state === 'failing' && performance.now() >= deadline) break
        await sleep(POLL_MS)
      }
      this.#settle()
    } catch {
      // The native client met a bug, and has said so.
    }
    await clients.forgetStored(this.id)?.close()
    this.#reject(new MqttError('ERR_MQTT_STORE_FAILED', 'The client was ended before this was stored.'))
  }

  #onNews(): void {
    if (this.#isClosed) return
    let status: number
    try {
      status = this.#side.clients.takeClientStoreNews(this.id, now())
    } catch {
      // The native client met a bug; the next chunk or command says so.
      return
    }
    this.#settle()
    this.#listener.storeNews(status)
    this.give()
    this.#look()
  }

  #look(): void {
    if (this.#isClosed) return
    const { state, problem } = this.#side.clients.clientStoreStatus(this.id)
    if (problem === this.#problem) return
    this.#problem = problem
    if (problem === undefined) return
    const code = state === 'damaged' ? 'ERR_MQTT_STORE_DAMAGED' : 'ERR_MQTT_STORE_FAILED'
    const error = new MqttError(code, `${problem.charAt(0).toUpperCase()}${problem.slice(1)}.`)
    if (state === 'damaged') this.#reject(error)
    this.#listener.storeTrouble(error)
  }

  #settle(): void {
    if (this.#waiters.length === 0) return
    const { stored } = this.#side.clients.clientStoreStatus(this.id)
    const isStored = ({ sequence }: Waiter): boolean => sequence <= stored
    for (const { resolve } of this.#waiters.filter(isStored)) resolve()
    this.#waiters = this.#waiters.filter((waiter) => !isStored(waiter))
  }

  #reject(error: MqttError): void {
    for (const { reject } of this.#waiters.splice(0)) reject(error)
  }
}
