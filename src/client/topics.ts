/** The forms in which MQTT.js takes what to subscribe to. */
import { MqttError } from '../errors.js'
import type { ClientSubscribeOptions, SubscriptionLine } from './subscriptions.js'

/** A filter, filters, or filters with the options of each. */
export type TopicsToSubscribe =
  | string
  | readonly string[]
  | { readonly [topicFilter: string]: ClientSubscribeOptions | { readonly qos: 0 | 1 | 2 } }

export const Topics = {
  /** The lines of a SUBSCRIBE. `resubscribe` among the filters is an option of MQTT.js that has no meaning here. */
  lines(topics: TopicsToSubscribe, options: ClientSubscribeOptions = {}): SubscriptionLine[] {
    if (typeof topics === 'string') return [{ topic: topics, options }]
    if (Array.isArray(topics)) return topics.map((topic: string) => ({ topic, options }))
    if (typeof topics !== 'object' || topics === null) {
      throw new MqttError('ERR_MQTT_INVALID_TOPIC_FILTER', 'What to subscribe to must be a topic filter.')
    }
    return Object.entries(topics)
      .filter(([, own]) => typeof own === 'object')
      .map(([topic, own]) => ({ topic, options: { ...options, ...own } }))
  },
}
