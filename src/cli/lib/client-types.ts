/** Types of the client under the names that the commands know. */
export type { ClientOptions as ConnectOptions, MqttClient } from './client.js'

/** What the tools read of a message that arrives, beside its topic and payload. */
export interface ReceivedPacket {
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
}
