/** How a program gets a client. */
import { MqttError } from '../errors.js'
import { MqttClient } from './client.js'
import type { ClientOptions } from './client-options.js'
import { ServerDialer } from './dialer.js'

/**
 * A client of the server at a URL: `mqtt://`, `mqtts://`, `ws://`, `wss://`, `unix://`. It begins to connect at once, and
 * again whenever the connection is lost.
 *
 * @throws MqttError ERR_MQTT_INVALID_OPTION for a URL or options that cannot be, ERR_MQTT_STORE_… for a store that cannot be
 * opened: see the option `store`.
 */
export function connect(url: string, options?: ClientOptions): MqttClient
export function connect(options: ClientOptions): MqttClient
export function connect(first: string | ClientOptions, second: ClientOptions = {}): MqttClient {
  const [url, options] = typeof first === 'string' ? [first, second] : [undefined, first]
  return new MqttClient(new ServerDialer(url, options), options)
}

/**
 * The same, and resolves when the server has accepted the connection. An error before that rejects, and ends the client:
 * with `allowRetries` only when the server refuses, otherwise the first time that there is no connection. A signal that is
 * aborted rejects with its reason.
 */
export function connectAsync(
  url: string,
  options?: ClientOptions,
  allowRetries?: boolean,
): Promise<MqttClient>
export function connectAsync(options: ClientOptions): Promise<MqttClient>
export function connectAsync(
  first: string | ClientOptions,
  second: ClientOptions = {},
  allowRetries = true,
): Promise<MqttClient> {
  return new Promise((resolve, reject) => {
    const client = typeof first === 'string' ? connect(first, second) : connect(first)
    const { signal } = client.options
    let problem: Error | undefined
    const settle = (outcome: () => void): void => {
      client.off('connect', onConnect).off('error', onError).off('close', onClose).off('end', onEnd)
      outcome()
    }
    const onConnect = (): void => settle(() => resolve(client))
    const onError = (error: Error): void => {
      problem = error
      settle(() => client.end(true, () => reject(error)))
    }
    const onClose = (): void => {
      if (allowRetries) return
      settle(() => client.end(true, () => reject(problem ?? new MqttError('ERR_MQTT_CONNECTION_LOST'))))
    }
    const onEnd = (): void => {
      settle(() => reject(signal?.aborted === true ? signal.reason : new MqttError('ERR_MQTT_CLIENT_ENDED')))
    }
    client.on('connect', onConnect).on('error', onError).on('close', onClose).on('end', onEnd)
  })
}
