/**
 * Messages that are looked at one after the other: `customHandleAcks` and `handleMessage` of MQTT.js. Each is acknowledged
 * when these are done with it; meanwhile no more is read from the connection than has been read already.
 */
import type { AckHandler } from './options.js'
import type { ReceivedPublish } from './received.js'

/** Messages from which on reading stops, and goes on when there are none. */
const PAUSE_AT = 64

/** What is asked about each message. */
export interface InboxHandlers {
  readonly acknowledge: AckHandler | undefined
  /** Whether `packet.acknowledge()` is the application's to call. */
  readonly isManual: boolean
  emit(message: ReceivedPublish): void
  handle(message: ReceivedPublish, done: (error?: Error | null) => void): void
  report(error: Error): void
  pause(): void
  resume(): void
}

export class Inbox {
  readonly #handlers: InboxHandlers
  readonly #waiting: ReceivedPublish[] = []
  #isBusy = false
  #isPaused = false

  constructor(handlers: InboxHandlers) {
    this.#handlers = handlers
  }

  push(message: ReceivedPublish): void {
    this.#waiting.push(message)
    if (!this.#isBusy) this.#next()
    else if (this.#waiting.length >= PAUSE_AT && !this.#isPaused) {
      this.#isPaused = true
      this.#handlers.pause()
    }
  }

  /** Another connection, which is not paused. */
  reset(): void {
    this.#isPaused = false
  }

  #next(): void {
    let message = this.#waiting.shift()
    while (message !== undefined) {
      this.#isBusy = true
      let isSync = true
      let isDone = false
      this.#decide(message, () => {
        if (isDone) return
        isDone = true
        if (!isSync) this.#next()
      })
      isSync = false
      if (!isDone) return
      message = this.#waiting.shift()
    }
    this.#isBusy = false
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#handlers.resume()
  }

  #decide(message: ReceivedPublish, next: () => void): void {
    const { acknowledge } = this.#handlers
    if (acknowledge === undefined || message.qos === 0) {
      this.#hand(message, 0, next)
      return
    }
    acknowledge(message.topic, message.payload, message, (error, reasonCode) => {
      const code = typeof error === 'number' ? error : (reasonCode ?? 0)
      if (error instanceof Error) {
        this.#handlers.report(error)
        next()
      } else this.#hand(message, code, next)
    })
  }

  #hand(message: ReceivedPublish, code: number, next: () => void): void {
    // As in MQTT.js: what is answered with anything but Success is not passed on.
    if (code === 0) this.#handlers.emit(message)
    this.#handlers.handle(message, (error) => {
      if (error instanceof Error) this.#handlers.report(error)
      else if (!this.#handlers.isManual || code !== 0) message.acknowledge(code)
      next()
    })
  }
}
