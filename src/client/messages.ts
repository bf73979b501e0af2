/** The messages of a filter, for `for await`. */
import { BoundedStream, type OverflowPolicy } from '../bounded-stream.js'
import { MqttError } from '../errors.js'
import type { ClientLike, FilterOptions, ReceivedMessage } from './client-like.js'
import { HandlerTable } from './handler-table.js'

const DEFAULT_HIGH_WATER_MARK = 10_000

/** How `messages` is made. */
export interface ClientMessagesOptions extends FilterOptions {
  /** Ends the iteration. */
  readonly signal?: AbortSignal
  /** Messages that may wait for a reader that is slower than the publishers; at least 1. Default 10000. */
  readonly highWaterMark?: number
  /** What happens beyond that. Default `dropOldest`. */
  readonly overflow?: OverflowPolicy
}

/** What `messages` gives. Leaving the loop ends the subscription. */
export class ReceivedStream extends BoundedStream<ReceivedMessage> {
  /** Resolves when the server has granted the subscription. Where it does not, this rejects, and so does `next`. */
  readonly subscribed: Promise<void>

  /** Made by `messages`. */
  constructor(maximum: number, overflow: OverflowPolicy, subscribed: Promise<unknown>) {
    super(maximum, overflow)
    this.subscribed = subscribed.then(() => undefined)
    // Who does not ask for it hears of it from `next`.
    this.subscribed.catch((error: unknown) => this.fail(error))
  }
}

/**
 * Subscribes, and gives the messages one by one. Leaving the loop, aborting the signal or the end of the client ends it;
 * several of one client do not disturb each other, see handler-table.ts.
 *
 * @throws MqttError ERR_MQTT_INVALID_TOPIC_FILTER or ERR_MQTT_INVALID_OPTION; the signal's reason.
 */
export function messages(
  client: ClientLike,
  topicFilter: string,
  options: ClientMessagesOptions = {},
): ReceivedStream {
  const {
    signal,
    highWaterMark = DEFAULT_HIGH_WATER_MARK,
    overflow = 'dropOldest',
    ...filterOptions
  } = options
  signal?.throwIfAborted()
  if (!Number.isInteger(highWaterMark) || highWaterMark < 1) {
    throw new MqttError('ERR_MQTT_INVALID_OPTION', 'highWaterMark must be a whole number, 1 or more.')
  }
  if (overflow !== 'dropOldest' && overflow !== 'dropNewest' && overflow !== 'fail') {
    throw new MqttError('ERR_MQTT_INVALID_OPTION', "overflow must be 'dropOldest', 'dropNewest' or 'fail'.")
  }
  const table = HandlerTable.of(client)
  const entry = table.add(topicFilter, (message) => stream.push(message), filterOptions)
  const stream = new ReceivedStream(highWaterMark, overflow, entry.granted)
  const end = (): void => stream.end()
  stream.start(() => {
    signal?.removeEventListener('abort', end)
    client.off('end', end)
    // Whoever leaves a loop does not wait for the server, and cannot do anything about what it says.
    table.remove(entry).catch(() => {})
  })
  signal?.addEventListener('abort', end, { once: true })
  client.on('end', end)
  return stream
}
