/** Types of the client, taken from its functions: their names are the client's affair. */
import type { connect, MqttClient } from './client.js'

/** What `connect` is told. */
export type ConnectOptions = NonNullable<Exclude<Parameters<typeof connect>[1], string>>

/** What the tools read of a message that arrives, beside its topic and payload. */
export interface ReceivedPacket {
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
}

export type { MqttClient }
