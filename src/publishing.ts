/** What a program publishes by itself: its options, and what is wrong with them. */
import { MqttError } from './errors.js'
import type { MessageProperties } from './message.js'
import type { NativeProperties } from './native.js'

/** How an in-process message is published. */
export interface PublishOptions extends MessageProperties {
  /** Default 0. */
  readonly qos?: 0 | 1 | 2
  /** Kept as the topic's retained message. An empty payload removes it. Default false. */
  readonly retain?: boolean
  /** Seconds after which it is of no use any more, 0 to 4294967295. Default: never. */
  readonly messageExpiryIntervalSecs?: number
}

/**
 * The payload in bytes.
 *
 * @throws MqttError ERR_MQTT_INVALID_OPTION or ERR_MQTT_INVALID_TOPIC_NAME for values of another type; what a topic name
 * may hold is the core's to say.
 */
export function checkedPayload(topicName: unknown, payload: unknown, qos: unknown): Uint8Array {
  if (qos !== 0 && qos !== 1 && qos !== 2) {
    throw new MqttError('ERR_MQTT_INVALID_OPTION', 'qos must be 0, 1 or 2.')
  }
  if (typeof topicName !== 'string') {
    const text = 'topicName must be a string: publish(topicName, payload, options).'
    throw new MqttError('ERR_MQTT_INVALID_TOPIC_NAME', text)
  }
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload
  if (!(bytes instanceof Uint8Array)) {
    throw new MqttError('ERR_MQTT_INVALID_OPTION', 'payload must be a string or a Uint8Array.')
  }
  return bytes
}

/** As the core has them; undefined where there are none. */
export function nativeProperties(options: PublishOptions): NativeProperties | undefined {
  const { payloadFormatIndicator, messageExpiryIntervalSecs, contentType, responseTopic } = options
  const { correlationData, userProperties } = options
  const properties: NativeProperties = {
    ...(payloadFormatIndicator !== undefined && { payloadFormatIndicator }),
    ...(messageExpiryIntervalSecs !== undefined && { messageExpiryInterval: messageExpiryIntervalSecs }),
    ...(contentType !== undefined && { contentType }),
    ...(responseTopic !== undefined && { responseTopic }),
    ...(correlationData !== undefined && { correlationData }),
    ...(userProperties !== undefined && { userProperties: userProperties.flat() }),
  }
  return Object.keys(properties).length === 0 ? undefined : properties
}
