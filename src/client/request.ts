/**
 * Request and response over MQTT 5.0 (4.10). All requests of a client share one subscription, to a Response Topic of the
 * client's own; Correlation Data says which request an answer belongs to. respond.ts is the other side.
 */
import { randomBytes } from 'node:crypto'
import { MqttError } from '../errors.js'
import type { ClientLike, ClientPublishOptions, ReceivedMessage } from './client-like.js'
import { type Entry, HandlerTable } from './handler-table.js'

const DEFAULT_TIMEOUT_MS = 30_000
/** What a timer of Node can wait. */
const LONGEST_TIMER_MS = 2_147_483_647
const NO_MATCHING_SUBSCRIBERS = 0x10
const CORRELATION_BYTES = 12

/** How a request is made. */
export interface RequestOptions {
  /** How long to wait for the answer, in milliseconds. Default 30000. */
  readonly timeoutMs?: number
  /** Stops waiting. */
  readonly signal?: AbortSignal
  /** With 1, which is the default, a server can say that nobody is there to answer. */
  readonly qos?: 0 | 1 | 2
  /** Beside those that make it a request. */
  readonly properties?: Omit<
    NonNullable<ClientPublishOptions['properties']>,
    'responseTopic' | 'correlationData'
  >
}

/**
 * Publishes a request and resolves with the first answer to it. Later ones are dropped.
 *
 * @throws MqttError ERR_MQTT_REQUEST_TIMEOUT, ERR_MQTT_NO_RESPONDER, ERR_MQTT_CLIENT_ENDED, ERR_MQTT_INVALID_OPTION,
 * ERR_MQTT_UNSUPPORTED_PROTOCOL_VERSION before 5.0; what the client throws; the signal's reason.
 */
export async function request(
  client: ClientLike,
  topicName: string,
  payload: string | Buffer,
  options: RequestOptions = {},
): Promise<ReceivedMessage> {
  options.signal?.throwIfAborted()
  if (client.options.protocolVersion !== 5) {
    const sentence = 'Requests need MQTT 5.0, and this client speaks 3.1.1 or 3.1: set protocolVersion to 5.'
    throw new MqttError('ERR_MQTT_UNSUPPORTED_PROTOCOL_VERSION', sentence)
  }
  return Requester.of(client).request(topicName, payload, options)
}

interface Pending {
  resolve(answer: ReceivedMessage): void
  reject(error: unknown): void
}

/** The requests of one client. */
class Requester {
  static readonly #requesters = new WeakMap<ClientLike, Requester>()
  readonly #client: ClientLike
  /** By Correlation Data, as latin1. */
  readonly #pending = new Map<string, Pending>()
  #line: ResponseLine | undefined

  constructor(client: ClientLike) {
    this.#client = client
    client.on('end', () => {
      this.#close()
      for (const { reject } of this.#pending.values()) reject(new MqttError('ERR_MQTT_CLIENT_ENDED'))
    })
  }

  static of(client: ClientLike): Requester {
    let requester = Requester.#requesters.get(client)
    if (requester === undefined) {
      requester = new Requester(client)
      Requester.#requesters.set(client, requester)
    }
    return requester
  }

  async request(
    topicName: string,
    payload: string | Buffer,
    { timeoutMs = DEFAULT_TIMEOUT_MS, signal, qos = 1, properties }: RequestOptions,
  ): Promise<ReceivedMessage> {
    if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > LONGEST_TIMER_MS) {
      const sentence = `timeoutMs must be a whole number of milliseconds from 1 to ${LONGEST_TIMER_MS}.`
      throw new MqttError('ERR_MQTT_INVALID_OPTION', sentence)
    }
    const correlationData = randomBytes(CORRELATION_BYTES)
    const key = correlationData.toString('latin1')
    let cleanUp = (): void => {}
    /** Nobody waits any more: a request that has not left yet need not. */
    const over = new AbortController()
    const answer = new Promise<ReceivedMessage>((resolve, reject) => {
      this.#pending.set(key, { resolve, reject })
      const onAbort = (): void => reject(signal?.reason)
      const onTimeout = (): void => {
        const sentence = `Nobody answered the request on ${topicName} in ${timeoutMs} ms.`
        reject(new MqttError('ERR_MQTT_REQUEST_TIMEOUT', sentence))
      }
      const timer = setTimeout(onTimeout, timeoutMs)
      signal?.addEventListener('abort', onAbort, { once: true })
      cleanUp = () => {
        this.#pending.delete(key)
        over.abort()
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
      }
      const publishing = { qos, properties: { ...properties, correlationData }, signal: over.signal }
      this.#send(topicName, payload, publishing, key).catch(reject)
    })
    return answer.finally(cleanUp)
  }

  async #send(
    topicName: string,
    payload: string | Buffer,
    options: ClientPublishOptions,
    key: string,
  ): Promise<void> {
    const responseTopic = await this.#responseTopic()
    // The caller may have given up meanwhile.
    if (!this.#pending.has(key)) return
    const packet = await this.#client.publishAsync(topicName, payload, {
      ...options,
      properties: { ...options.properties, responseTopic },
    })
    const { reasonCode } = (packet ?? {}) as { reasonCode?: number }
    if (reasonCode !== NO_MATCHING_SUBSCRIBERS) return
    const sentence = `Nobody subscribes to ${topicName}, so nobody can answer.`
    throw new MqttError('ERR_MQTT_NO_RESPONDER', sentence, { reasonCode })
  }

  /** Where answers go. It is subscribed to once, and again when the server gives another place for it. */
  async #responseTopic(): Promise<string> {
    const information = this.#client.serverProperties?.responseInformation
    if (this.#line === undefined || this.#line.information !== information) {
      this.#close()
      this.#line = this.#open(information)
    }
    const line = this.#line
    try {
      await line.entry.granted
    } catch (error) {
      if (this.#line === line) this.#line = undefined
      throw error
    }
    return line.topicName
  }

  #open(information: string | undefined): ResponseLine {
    const table = HandlerTable.of(this.#client)
    const topicName = responseTopicFor(this.#client.options.clientId, information)
    const entry = table.add(topicName, (message) => this.#onAnswer(message), { qos: 1, rh: 2 })
    // Who waits for it hears of it.
    entry.granted.catch(() => {})
    return { information, topicName, table, entry }
  }

  #close(): void {
    const line = this.#line
    this.#line = undefined
    line?.table.remove(line.entry).catch(() => {})
  }

  #onAnswer(message: ReceivedMessage): void {
    const key = message.packet.properties?.correlationData?.toString('latin1')
    if (key === undefined) return
    this.#pending.get(key)?.resolve(message)
    this.#pending.delete(key)
  }
}

/** The subscription that answers come by. */
interface ResponseLine {
  /** What the server had said when it was made. */
  readonly information: string | undefined
  readonly topicName: string
  readonly table: HandlerTable
  readonly entry: Entry
}

/** Below what the server gives for it (Response Information), else below a prefix of our own. Nobody guesses it. */
function responseTopicFor(clientId: string | undefined, information: string | undefined): string {
  const secret = randomBytes(12).toString('base64url')
  if (information !== undefined && information !== '') return `${information.replace(/\/$/, '')}/${secret}`
  // biome-ignore lint/suspicious/noControlCharactersInRegex: U+0000 has no place in a topic name
  const name = (clientId ?? '').replace(/[/+#\u0000]/g, '_')
  return name === '' ? `response/${secret}` : `response/${name}/${secret}`
}
