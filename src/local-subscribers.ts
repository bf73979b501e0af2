/** The subscriptions of this process, and whom the core's messages for them go to. */
import { tell } from './announcer.js'
import type { Core } from './core.js'
import { MqttError } from './errors.js'
import type { EventReader } from './events.js'
import { Message } from './message.js'
import {
  type MessageHandler,
  MessageStream,
  type MessagesOptions,
  type SubscribeOptions,
  Subscription,
} from './subscription.js'

const DEFAULT_MAXIMUM_QUEUED = 10_000

/** See `Broker.subscribe` and `Broker.messages`. */
export class LocalSubscribers {
  readonly #core: Pick<Core, 'subscribe' | 'unsubscribe'>
  readonly #handlers = new Map<number, MessageHandler>()
  readonly #streams = new Set<MessageStream>()
  #lastHandle = 0

  constructor(core: Pick<Core, 'subscribe' | 'unsubscribe'>) {
    this.#core = core
  }

  subscribe(topicFilter: string, handler: MessageHandler, options: SubscribeOptions): Subscription {
    const { signal } = options
    signal?.throwIfAborted()
    if (typeof topicFilter !== 'string' || typeof handler !== 'function') {
      const text =
        'topicFilter must be a string and handler a function: subscribe(topicFilter, handler, options).'
      throw new MqttError('ERR_MQTT_INVALID_OPTION', text)
    }
    this.#lastHandle += 1
    const handle = this.#lastHandle
    this.#core.subscribe(handle, topicFilter, options.retained ?? true)
    this.#handlers.set(handle, handler)
    const onAbort = () => subscription.unsubscribe()
    const subscription = new Subscription(topicFilter, () => {
      signal?.removeEventListener('abort', onAbort)
      this.#handlers.delete(handle)
      this.#core.unsubscribe(handle)
    })
    signal?.addEventListener('abort', onAbort, { once: true })
    return subscription
  }

  /** @param subscribe `Broker.subscribe`, by which the status hears of it. */
  messages(
    topicFilter: string,
    options: MessagesOptions,
    subscribe: (topicFilter: string, handler: MessageHandler, options: SubscribeOptions) => Subscription,
  ): MessageStream {
    const stream = new MessageStream(Math.max(1, options.maximumQueued ?? DEFAULT_MAXIMUM_QUEUED))
    const { signal, ...rest } = options
    signal?.throwIfAborted()
    const subscription = subscribe(topicFilter, (message) => stream.push(message), rest)
    const onAbort = () => stream.end()
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#streams.add(stream)
    stream.start(() => {
      signal?.removeEventListener('abort', onAbort)
      this.#streams.delete(stream)
      subscription.unsubscribe()
    })
    return stream
  }

  /** Reads a message from the events, and hands it over where somebody still wants it. */
  deliver(reader: EventReader): void {
    const handle = reader.word()
    const qos = reader.byte() as 0 | 1 | 2
    const retain = reader.byte() === 1
    const topicName = reader.string()
    const forwarded = reader.bytes()
    const payload = reader.bytes()
    const handler = this.#handlers.get(handle)
    if (handler === undefined) return
    tell(() => handler(new Message(topicName, payload, qos, retain, forwarded)))
  }

  /** Ends the loops over messages. */
  endStreams(): void {
    for (const stream of this.#streams) stream.end()
  }

  /** Nobody is told anything any more. */
  clear(): void {
    this.#handlers.clear()
  }
}
