/** In-process subscriptions: handlers, and messages as an async iterable. */
import type { Message } from './message.js'

/** Called with each message of a subscription. */
export type MessageHandler = (message: Message) => void

/** How an in-process subscription is made. */
export interface SubscribeOptions {
  /** Whether retained messages are sent first. Default true. */
  readonly retained?: boolean
  /** Ends the subscription. */
  readonly signal?: AbortSignal
}

/** How `messages` is made. */
export interface MessagesOptions extends SubscribeOptions {
  /**
   * Messages that may wait for a reader that is slower than the publishers; the oldest is dropped beyond it, and
   * counted. 1 to 4294967295, default 10000.
   */
  readonly maximumQueued?: number
}

/** An in-process subscription. */
export class Subscription implements Disposable {
  readonly topicFilter: string
  readonly #end: () => void
  #isOver = false

  /** Made by `Broker.subscribe`. */
  constructor(topicFilter: string, end: () => void) {
    this.topicFilter = topicFilter
    this.#end = end
  }

  /** Ends it; a second call does nothing. No message comes after it. */
  unsubscribe(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#end()
  }

  [Symbol.dispose](): void {
    this.unsubscribe()
  }
}

/** What `Broker.messages` gives: `for await`, or `next` by hand. Leaving the loop ends the subscription. */
export class MessageStream implements AsyncIterableIterator<Message> {
  readonly #maximum: number
  readonly #queue: Message[] = []
  #waiting: PromiseWithoutReject<IteratorResult<Message>>[] = []
  #unsubscribe: () => void = () => {}
  #isOver = false
  #droppedCount = 0

  constructor(maximum: number) {
    this.#maximum = maximum
  }

  /** Messages that were dropped because nobody read them in time. */
  get droppedCount(): number {
    return this.#droppedCount
  }

  /** @internal */
  start(unsubscribe: () => void): void {
    this.#unsubscribe = unsubscribe
  }

  /** @internal */
  push(message: Message): void {
    if (this.#isOver) return
    const reader = this.#waiting.shift()
    if (reader !== undefined) {
      reader({ done: false, value: message })
      return
    }
    if (this.#queue.length >= this.#maximum) {
      this.#queue.shift()
      this.#droppedCount += 1
    }
    this.#queue.push(message)
  }

  /** Ends the iteration: what waits is still read, then it is over. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#unsubscribe()
    for (const reader of this.#waiting) reader({ done: true, value: undefined })
    this.#waiting = []
  }

  next(): Promise<IteratorResult<Message>> {
    const value = this.#queue.shift()
    if (value !== undefined) return Promise.resolve({ done: false, value })
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  return(): Promise<IteratorResult<Message>> {
    this.#queue.length = 0
    this.end()
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

type PromiseWithoutReject<T> = (value: T) => void
