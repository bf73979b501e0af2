/**
 * The core's store, as far as JavaScript has a part in it: opening it, waiting for it, and closing it. Its thread works
 * beside the event loop, and what it is given and when is decided in crates/napi/src/storing.rs.
 */
import { MqttError } from './errors.js'
import { fromNative, type NativeBroker, type NativeOptions, NativeStore } from './native.js'
import type { ResolvedStore, StoreStatus } from './store-options.js'

/** From when on, and how often, progress is told while a store is read. */
const PROGRESS_AFTER_MS = 1_000
const PROGRESS_EVERY_MS = 500
/** How often it is asked whether all is stored. */
const POLL_MS = 5
/** The longest time that Node's timers can wait. */
const LONGEST_TIMER_MS = 2_147_483_647

interface Waiter {
  readonly sequence: number
  readonly resolve: () => void
  readonly reject: (error: MqttError) => void
}

/** See the head of this file. */
export class CoreStore {
  /** The core that was made from what the store holds. */
  readonly native: NativeBroker
  /** Called when the store's thread has news. */
  onNews: () => void = () => {}
  /** In the order of their sequences. */
  #waiters: Waiter[] = []
  /** The store does not keep the process alive, those who wait for it do. */
  readonly #keepAlive = setInterval(() => {}, LONGEST_TIMER_MS).unref()

  private constructor(native: NativeBroker) {
    this.native = native
  }

  /**
   * Opens a store and makes a core of what it holds. It is read on its own thread, and the event loop goes on.
   *
   * @throws MqttError ERR_MQTT_STORE_IN_USE, ERR_MQTT_STORE_VERSION, ERR_MQTT_STORE_DAMAGED or ERR_MQTT_STORE_FAILED.
   */
  static async open(store: ResolvedStore, options: NativeOptions, now: () => number): Promise<CoreStore> {
    const { path, durability, onProgress } = store
    const began = performance.now()
    let hear: () => void = () => {}
    const native = new NativeStore({ path, durability }, options, now(), () => hear())
    const isOpen = new Promise<void>((resolve) => {
      hear = resolve
    })
    const timer = setInterval(() => {
      const elapsedMs = performance.now() - began
      if (elapsedMs >= PROGRESS_AFTER_MS) onProgress?.({ records: native.records(), elapsedMs })
    }, PROGRESS_EVERY_MS)
    try {
      await isOpen
      const broker = native.take(now())
      if (broker === null) throw new MqttError('ERR_MQTT_STORE_FAILED')
      const opened = new CoreStore(broker)
      hear = () => opened.onNews()
      return opened
    } catch (error) {
      throw fromNative(error)
    } finally {
      clearInterval(timer)
    }
  }

  /** How it is. */
  get status(): StoreStatus {
    const { state, problem } = this.#look()
    return { state, ...(problem !== undefined && { problem }) } as StoreStatus
  }

  /** Resolves when this batch is safe. */
  stored(sequence: number): Promise<void> {
    this.#keepAlive.ref()
    return new Promise((resolve, reject) => this.#waiters.push({ sequence, resolve, reject }))
  }

  /** The thread has had news: those whose batch is safe wait no longer. */
  settle(): void {
    if (this.#waiters.length === 0) return
    const { stored } = this.#look()
    const left = this.#waiters.findIndex(({ sequence }) => sequence > stored)
    const settled = this.#waiters.splice(0, left === -1 ? this.#waiters.length : left)
    for (const { resolve } of settled) resolve()
    if (this.#waiters.length === 0) this.#keepAlive.unref()
  }

  /**
   * Resolves with true when everything is safe. With false where that does not come to be: the store is damaged, or has
   * not done its work until `mostMs` were over.
   */
  async done(mostMs: number): Promise<boolean> {
    const deadline = performance.now() + mostMs
    for (;;) {
      const { state, isDone } = this.#look()
      if (isDone) return true
      if (state === 'damaged' || (state === 'failing' && performance.now() >= deadline)) return false
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  /** Lets go of the directory. What is not safe by then never was promised, and whoever waits for it is told. */
  async close(): Promise<void> {
    await this.native.detachStore()?.close()
    this.abandon(new MqttError('ERR_MQTT_STORE_FAILED', 'The broker was closed before this was stored.'))
  }

  /** Whoever waits is told that it was for nothing. */
  abandon(error: MqttError): void {
    for (const { reject } of this.#waiters.splice(0)) reject(error)
    this.#keepAlive.unref()
  }

  #look(): { state: string; problem?: string; stored: number; isDone: boolean } {
    return this.native.storeStatus() ?? { state: 'working', stored: 0, isDone: true }
  }
}
