/**
 * A handler for each subscription. A client emits `message` for whatever comes; here each message finds the handlers
 * whose filter it came for. How it does is in handler-table.ts.
 */
import type { ClientLike, FilterOptions } from './client-like.js'
import { HandlerTable, type ReceivedHandler } from './handler-table.js'

export type { ReceivedHandler } from './handler-table.js'

/** How `handle` subscribes. */
export interface HandlerOptions extends FilterOptions {
  /** Ends the subscription. */
  readonly signal?: AbortSignal
}

/** A subscription with a handler. */
export class HandlerSubscription implements AsyncDisposable {
  readonly topicFilter: string
  readonly #end: () => Promise<void>

  constructor(topicFilter: string, end: () => Promise<void>) {
    this.topicFilter = topicFilter
    this.#end = end
  }

  /** Ends it; a second call does nothing. No message comes after it; the promise waits for the server's answer. */
  unsubscribe(): Promise<void> {
    return this.#end()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.unsubscribe()
  }
}

/**
 * Subscribes with a handler; `$share/…` too. Resolves when the server has granted it.
 *
 * @throws MqttError ERR_MQTT_INVALID_TOPIC_FILTER; what `client.subscribeAsync` throws; the signal's reason.
 */
export async function handle(
  client: ClientLike,
  topicFilter: string,
  handler: ReceivedHandler,
  options: HandlerOptions = {},
): Promise<HandlerSubscription> {
  const { signal } = options
  signal?.throwIfAborted()
  const table = HandlerTable.of(client)
  const entry = table.add(topicFilter, handler, options)
  const end = (): Promise<void> => {
    signal?.removeEventListener('abort', onAbort)
    return table.remove(entry)
  }
  let giveUp = (_reason: unknown): void => {}
  const given = new Promise<never>((_resolve, reject) => {
    giveUp = reject
  })
  const onAbort = (): void => {
    // The signal's owner hears of nothing that goes wrong with it; the client does.
    end().catch(() => {})
    giveUp(signal?.reason)
  }
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    await Promise.race([entry.granted, given])
  } catch (error) {
    signal?.removeEventListener('abort', onAbort)
    throw error
  }
  return new HandlerSubscription(topicFilter, end)
}
