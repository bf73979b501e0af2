/** The answering side of request and response over MQTT 5.0 (4.10). request.ts is the other. */
import { MqttError } from '../errors.js'
import type { ClientLike, ClientPublishOptions, FilterOptions, ReceivedMessage } from './client-like.js'
import { type HandlerSubscription, handle } from './handlers.js'

const DEFAULT_MAXIMUM_PENDING = 10_000

/** An answer: a payload, or how it is published too. */
export type Answer = string | Buffer | ({ readonly payload: string | Buffer } & ClientPublishOptions)

/**
 * Called with each request. What it gives is published to the Response Topic; undefined is no answer. A message without
 * a Response Topic is no request, but comes too: its answer goes nowhere.
 */
export type RequestHandler = (message: ReceivedMessage) => Answer | undefined | Promise<Answer | undefined>

/** How `respond` works. */
export interface RespondOptions extends FilterOptions {
  /** Ends it. */
  readonly signal?: AbortSignal
  /**
   * Gets what the handler throws, and what keeps an answer from being published. Whoever asked gets no answer then.
   * Default: a warning of the process, the first time.
   */
  readonly onError?: (error: unknown, message: ReceivedMessage) => void
  /** Requests whose handlers may be at work at a time; further ones are not answered. Default 10000. */
  readonly maximumPending?: number
}

/**
 * Answers the requests on a filter; `$share/…` too, so that several processes share them. Resolves when the server has
 * granted the subscription. Its QoS is 1 unless the options say otherwise, and retained messages are no requests.
 *
 * @throws MqttError ERR_MQTT_INVALID_TOPIC_FILTER, ERR_MQTT_INVALID_OPTION, ERR_MQTT_UNSUPPORTED_PROTOCOL_VERSION before
 * 5.0; what the client throws; the signal's reason.
 */
export async function respond(
  client: ClientLike,
  topicFilter: string,
  handler: RequestHandler,
  options: RespondOptions = {},
): Promise<HandlerSubscription> {
  const { onError, maximumPending = DEFAULT_MAXIMUM_PENDING, ...handlerOptions } = options
  if (client.options.protocolVersion !== 5) {
    const sentence = 'Answers need MQTT 5.0, and this client speaks 3.1.1 or 3.1: set protocolVersion to 5.'
    throw new MqttError('ERR_MQTT_UNSUPPORTED_PROTOCOL_VERSION', sentence)
  }
  if (!Number.isInteger(maximumPending) || maximumPending < 1) {
    throw new MqttError('ERR_MQTT_INVALID_OPTION', 'maximumPending must be a whole number, 1 or more.')
  }
  let pending = 0
  let hasWarned = false
  const report = (error: unknown, message: ReceivedMessage): void => {
    if (onError !== undefined) {
      onError(error, message)
    } else if (!hasWarned) {
      hasWarned = true
      const text = error instanceof Error ? error.message : String(error)
      process.emitWarning(`A request on ${message.topicName} was not answered: ${text}`, 'MqttWarning')
    }
  }
  const answer = async (message: ReceivedMessage): Promise<void> => {
    pending += 1
    try {
      await publishAnswer(client, message, await handler(message))
    } catch (error) {
      report(error, message)
    } finally {
      pending -= 1
    }
  }
  const onRequest = (message: ReceivedMessage): void => {
    if (message.retain) return
    if (pending < maximumPending) {
      // It rejects when `onError` throws, which is the process's affair, as with any listener.
      void answer(message)
      return
    }
    const sentence = `${maximumPending} requests are being answered already, so this one is not.`
    report(new MqttError('ERR_MQTT_QUOTA_EXCEEDED', sentence), message)
  }
  return handle(client, topicFilter, onRequest, { qos: 1, rh: 2, ...handlerOptions })
}

async function publishAnswer(
  client: ClientLike,
  request: ReceivedMessage,
  answer: Answer | undefined,
): Promise<void> {
  const { responseTopic, correlationData } = request.packet.properties ?? {}
  if (answer === undefined || responseTopic === undefined) return
  const { payload, ...options } =
    typeof answer === 'string' || Buffer.isBuffer(answer) ? { payload: answer } : answer
  const { properties, ...rest } = options as ClientPublishOptions
  await client.publishAsync(responseTopic, payload, {
    qos: request.qos,
    ...rest,
    properties: { ...properties, ...(correlationData !== undefined && { correlationData }) },
  })
}
