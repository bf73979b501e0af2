/** In-process subscriptions: handlers, and messages as an async iterable. */
import { BoundedStream } from './bounded-stream.js'
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
export class MessageStream extends BoundedStream<Message> {}
