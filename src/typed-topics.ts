/**
 * Topics whose parameters and payloads have types, for a client and for a broker in this process alike:
 *
 *     const temperature = topic('sensors/{id}/temperature', json<{ celsius: number }>())
 *     await temperature.subscribe(client, {}, ({ params, value }) => console.log(params.id, value.celsius))
 *     await temperature.publish(client, { id: 'a1' }, { celsius: 21.5 })
 */

import type { ClientLike, ClientPublishOptions, ReceivedMessage } from './client/client-like.js'
import { type HandlerOptions, HandlerSubscription, handle } from './client/handlers.js'
import { type ClientMessagesOptions, messages } from './client/messages.js'
import { MqttError } from './errors.js'
import type { Message } from './message.js'
import {
  json,
  type PayloadCodec,
  type Schema,
  type SchemaInput,
  type SchemaOutput,
} from './payload-codecs.js'
import type { PublishOptions } from './publishing.js'
import type { MessagesOptions, SubscribeOptions } from './subscription.js'
import {
  type CheckedPattern,
  type PatternValues,
  type SomeTopicParams,
  type TopicParams,
  TopicPattern,
} from './topic-pattern.js'
import { show } from './validate.js'

/** What is needed of a broker in this process. */
export interface BrokerLike {
  publish(topicName: string, payload: string | Uint8Array, options?: PublishOptions): Promise<unknown>
  subscribe(
    topicFilter: string,
    handler: (message: Message) => void,
    options?: SubscribeOptions,
  ): { unsubscribe(): void }
  messages(topicFilter: string, options?: MessagesOptions): AsyncIterableIterator<Message>
}

/** A message of a typed topic. */
export interface TypedMessage<Params, Value, M> {
  readonly params: Params
  readonly value: Value
  /** The message itself: QoS, properties, payload. */
  readonly message: M
}

/** What is done with a message that is not what its topic carries. */
export interface InvalidOption<M> {
  /**
   * Gets each message whose payload cannot be decoded, or whose topic has an empty level for a parameter. Default: a
   * warning of the process, the first time.
   */
  readonly onInvalid?: (error: MqttError, message: M) => void
}

/** Makes the subscription a shared one of this name: each message goes to one of those who share it. */
export interface ShareOption {
  readonly shareName?: string
}

type OfClient = InvalidOption<ReceivedMessage> & ShareOption
type OfBroker = InvalidOption<Message>

/**
 * A topic from a pattern and what its payloads are: a codec (`json<T>()`, `text`, `binary`, your own) or a schema with
 * `parse`, which stands for `json(schema)`.
 *
 * @throws MqttError ERR_MQTT_INVALID_OPTION for a pattern that is none.
 */
export function topic<const Pattern extends string, S extends Schema<unknown>>(
  pattern: CheckedPattern<Pattern>,
  schema: S,
): TypedTopic<Pattern, SchemaOutput<S>, SchemaInput<S>>
export function topic<const Pattern extends string, Out, In>(
  pattern: CheckedPattern<Pattern>,
  codec: PayloadCodec<Out, In>,
): TypedTopic<Pattern, Out, In>
export function topic(
  pattern: string,
  payload: PayloadCodec<unknown> | Schema<unknown>,
): TypedTopic<string, unknown, unknown> {
  return new TypedTopic(new TopicPattern(pattern), 'parse' in payload ? json(payload) : payload)
}

/** See `topic`. */
export class TypedTopic<Pattern extends string, Out, In = Out> {
  readonly #pattern: TopicPattern
  readonly #codec: PayloadCodec<Out, In>

  /** Made by `topic`. */
  constructor(pattern: TopicPattern, codec: PayloadCodec<Out, In>) {
    this.#pattern = pattern
    this.#codec = codec
  }

  get pattern(): string {
    return this.#pattern.pattern
  }

  /** The Topic Filter that matches all of it. */
  get filter(): string {
    return this.#pattern.filter({})
  }

  /**
   * The Topic Filter with these parameters; those that are left out are wildcards.
   *
   * @throws MqttError ERR_MQTT_INVALID_TOPIC_NAME.
   */
  filterFor(params: SomeTopicParams<Pattern>): string {
    return this.#pattern.filter(params as PatternValues)
  }

  /**
   * The Topic Name with these parameters.
   *
   * @throws MqttError ERR_MQTT_INVALID_TOPIC_NAME for one that is missing, empty or has `/`, `+` or `#`.
   */
  build(params: TopicParams<Pattern>): string {
    return this.#pattern.build(params as PatternValues)
  }

  /** The parameters in a Topic Name; undefined where it is no topic of this pattern. */
  parse(topicName: string): TopicParams<Pattern> | undefined {
    return this.#pattern.parse(topicName) as TopicParams<Pattern> | undefined
  }

  /** @throws MqttError ERR_MQTT_INVALID_PAYLOAD. */
  encode(value: In): Buffer {
    try {
      const encoded = this.#codec.encode(value)
      return typeof encoded === 'string' ? Buffer.from(encoded) : viewOf(encoded)
    } catch (error) {
      throw new MqttError('ERR_MQTT_INVALID_PAYLOAD', this.#problem('This value cannot be sent', error), {
        cause: error,
      })
    }
  }

  /** @throws MqttError ERR_MQTT_INVALID_PAYLOAD. */
  decode(payload: Uint8Array): Out {
    try {
      return this.#codec.decode(payload)
    } catch (error) {
      throw new MqttError('ERR_MQTT_INVALID_PAYLOAD', this.#problem('This payload cannot be read', error), {
        cause: error,
      })
    }
  }

  /**
   * Publishes a value.
   *
   * @throws MqttError ERR_MQTT_INVALID_TOPIC_NAME or ERR_MQTT_INVALID_PAYLOAD; what the client or the broker throws.
   */
  publish(
    client: ClientLike,
    params: TopicParams<Pattern>,
    value: In,
    options?: ClientPublishOptions,
  ): Promise<void>
  publish(
    broker: BrokerLike,
    params: TopicParams<Pattern>,
    value: In,
    options?: PublishOptions,
  ): Promise<void>
  async publish(
    target: ClientLike | BrokerLike,
    params: TopicParams<Pattern>,
    value: In,
    options: ClientPublishOptions & PublishOptions = {},
  ): Promise<void> {
    const topicName = this.build(params)
    const payload = this.encode(value)
    if (isClient(target)) await target.publishAsync(topicName, payload, options)
    else await target.publish(topicName, payload, options)
  }

  /**
   * Subscribes to the topics with these parameters, `{}` for all. Resolves when it is granted.
   *
   * @throws MqttError ERR_MQTT_INVALID_TOPIC_NAME; what the client or the broker throws; the signal's reason.
   */
  subscribe(
    client: ClientLike,
    params: SomeTopicParams<Pattern>,
    handler: (message: TypedMessage<TopicParams<Pattern>, Out, ReceivedMessage>) => void,
    options?: HandlerOptions & OfClient,
  ): Promise<HandlerSubscription>
  subscribe(
    broker: BrokerLike,
    params: SomeTopicParams<Pattern>,
    handler: (message: TypedMessage<TopicParams<Pattern>, Out, Message>) => void,
    options?: SubscribeOptions & OfBroker,
  ): Promise<HandlerSubscription>
  async subscribe<M extends Message & ReceivedMessage>(
    target: ClientLike | BrokerLike,
    params: SomeTopicParams<Pattern>,
    handler: (message: TypedMessage<TopicParams<Pattern>, Out, M>) => void,
    {
      onInvalid,
      shareName,
      ...options
    }: HandlerOptions & SubscribeOptions & InvalidOption<M> & ShareOption = {},
  ): Promise<HandlerSubscription> {
    const filter = sharedBy(shareName, this.filterFor(params))
    const read = this.#reader<M>(onInvalid)
    const onMessage = (message: Message | ReceivedMessage): void => {
      const typed = read(message as M)
      if (typed !== undefined) handler(typed)
    }
    if (isClient(target)) return handle(target, filter, onMessage, options)
    const subscription = target.subscribe(filter, onMessage, options)
    return new HandlerSubscription(filter, async () => subscription.unsubscribe())
  }

  /**
   * The messages of the topics with these parameters, for `for await`. Leaving the loop ends the subscription; the
   * options are those of `messages` of the client or the broker.
   *
   * @throws MqttError ERR_MQTT_INVALID_TOPIC_NAME; what the client or the broker throws; the signal's reason.
   */
  messages(
    client: ClientLike,
    params: SomeTopicParams<Pattern>,
    options?: ClientMessagesOptions & OfClient,
  ): AsyncIterableIterator<TypedMessage<TopicParams<Pattern>, Out, ReceivedMessage>, undefined>
  messages(
    broker: BrokerLike,
    params: SomeTopicParams<Pattern>,
    options?: MessagesOptions & OfBroker,
  ): AsyncIterableIterator<TypedMessage<TopicParams<Pattern>, Out, Message>, undefined>
  messages<M extends Message & ReceivedMessage>(
    target: ClientLike | BrokerLike,
    params: SomeTopicParams<Pattern>,
    {
      onInvalid,
      shareName,
      ...options
    }: ClientMessagesOptions & MessagesOptions & InvalidOption<M> & ShareOption = {},
  ): AsyncIterableIterator<TypedMessage<TopicParams<Pattern>, Out, M>, undefined> {
    const filter = sharedBy(shareName, this.filterFor(params))
    const stream = isClient(target) ? messages(target, filter, options) : target.messages(filter, options)
    const read = this.#reader<M>(onInvalid)
    const over = { done: true, value: undefined } as const
    return {
      async next() {
        for (;;) {
          const result = await stream.next()
          if (result.done === true) return over
          const value = read(result.value as M)
          if (value !== undefined) return { done: false, value }
        }
      },
      async return() {
        await stream.return?.()
        return over
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  /** What makes a message a typed one; what is none goes to `onInvalid`. */
  #reader<M extends Message | ReceivedMessage>(
    onInvalid: ((error: MqttError, message: M) => void) | undefined,
  ): (message: M) => TypedMessage<TopicParams<Pattern>, Out, M> | undefined {
    let hasWarned = false
    const report = (error: MqttError, message: M): undefined => {
      if (onInvalid !== undefined) {
        onInvalid(error, message)
      } else if (!hasWarned) {
        hasWarned = true
        process.emitWarning(
          `A message on ${message.topicName} was not understood. ${error.message}`,
          'MqttWarning',
        )
      }
    }
    return (message) => {
      const params = this.parse(message.topicName)
      if (params === undefined) {
        const sentence = `${show(message.topicName)} is no topic of ${this.pattern}.`
        return report(new MqttError('ERR_MQTT_INVALID_TOPIC_NAME', sentence), message)
      }
      let value: Out
      try {
        value = this.decode(message.payload)
      } catch (error) {
        return report(error as MqttError, message)
      }
      return { params, value, message }
    }
  }

  #problem(beginning: string, error: unknown): string {
    const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
    return `${beginning} on ${this.pattern}: ${reason.replace(/\.$/, '')}.`
  }
}

function isClient(target: ClientLike | BrokerLike): target is ClientLike {
  return 'publishAsync' in target
}

function sharedBy(shareName: string | undefined, filter: string): string {
  if (shareName === undefined) return filter
  if (shareName !== '' && !/[/+#\0]/.test(shareName)) return `$share/${shareName}/${filter}`
  const sentence = `${show(shareName)} is not the name of a shared subscription: it is not empty and has no / + #.`
  throw new MqttError('ERR_MQTT_INVALID_TOPIC_FILTER', sentence)
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
