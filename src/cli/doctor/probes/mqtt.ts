/**
 * Connections of topicwire's own client, as the user's would be made: with the log-in and the checks of TLS that were
 * asked for. The client is loaded when it is wanted, since the native addon below it is among what is examined.
 */
import { MqttError } from '../../../errors.js'
import type { ConnackWords, MqttClient } from '../../../index.js'
import type { ConnectOptions } from '../../lib/client-types.js'

/** A connection that the server has accepted. */
export interface Session {
  readonly client: MqttClient
  readonly connack: ConnackWords
  /** 5, 4 (that is 3.1.1) or 3. */
  readonly version: 3 | 4 | 5
}

/** Makes connections, and ends all of them at the end. */
export class Clients {
  readonly #url: string
  readonly #options: ConnectOptions
  readonly #timeoutMs: number
  readonly #open = new Set<MqttClient>()

  constructor(url: string, options: ConnectOptions, timeoutMs: number) {
    this.#url = url
    this.#options = options
    this.#timeoutMs = timeoutMs
  }

  /** @throws MqttError with the `reasonCode` of the server where it has refused. */
  async connect(clientId: string, options: ConnectOptions = {}): Promise<Session> {
    const { connect } = await import('../../../index.js')
    const client = connect(this.#url, {
      ...this.#options,
      clientId,
      connectTimeout: this.#timeoutMs,
      reconnectPeriod: 0,
      ...options,
    })
    this.#open.add(client)
    try {
      const connack = await new Promise<ConnackWords>((resolve, reject) => {
        let problem: Error | undefined
        client
          .once('connect', resolve)
          .on('error', (error) => {
            problem = error
          })
          .once('close', () =>
            reject(problem ?? new MqttError('ERR_MQTT_CONNECTION_LOST', 'The server ended the connection.')),
          )
      })
      return { client, connack, version: client.protocolVersion }
    } catch (error) {
      await this.end(client)
      throw error
    }
  }

  /** Says DISCONNECT, with a Session Expiry Interval where it is to be another. */
  async end(client: MqttClient, sessionExpiryInterval?: number): Promise<void> {
    this.#open.delete(client)
    const properties = sessionExpiryInterval === undefined ? {} : { properties: { sessionExpiryInterval } }
    const impatience = new Promise<void>((resolve) => setTimeout(resolve, this.#timeoutMs).unref())
    if (client.connected) await Promise.race([client.endAsync(false, properties), impatience])
    client.end(true)
  }

  async endAll(): Promise<void> {
    await Promise.all([...this.#open].map((client) => this.end(client)))
  }
}

/** The Reason Code in an error of the client, also for the Return Codes of 3.1.1. */
export function reasonCodeOf(error: unknown): number | undefined {
  return error instanceof MqttError ? error.reasonCode : undefined
}

/**
 * What a server answered to a message: 0, a Reason Code from 0x80 up, or `lost` where it ended the connection; undefined
 * where it has not answered in time.
 */
export async function answerTo(
  client: MqttClient,
  published: Promise<unknown>,
  timeoutMs: number,
): Promise<number | 'lost' | undefined> {
  const lost = new Promise<'lost'>((resolve) => client.once('close', () => resolve('lost')))
  const answered = published.then(
    () => 0,
    (error: unknown) => reasonCodeOf(error) ?? ('lost' as const),
  )
  return within(timeoutMs, Promise.race([answered, lost]))
}

/** The highest QoS that the server takes. */
export function highestQos({ connack }: Session): 0 | 1 | 2 {
  return (connack.properties?.maximumQoS ?? 2) as 0 | 1 | 2
}

/** `0x87`. */
export function hex(code: number): string {
  return `0x${code.toString(16).padStart(2, '0')}`
}

/** `5.0`. */
export function versionName(version: 3 | 4 | 5): string {
  return { 3: '3.1', 4: '3.1.1', 5: '5.0' }[version]
}

/** What `work` gives, or undefined when it takes longer. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}
