/** MQTT.js clients over a broker's in-memory transport. */
import type { Duplex } from 'node:stream'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'

/** A client at the other end of a stream: 5.0, no reconnecting. */
export function clientOver(stream: Duplex, options: IClientOptions = {}): MqttClient {
  return new mqtt.MqttClient(() => stream as never, { protocolVersion: 5, reconnectPeriod: 0, ...options })
}

/** The arguments of the client's next event of this name; MQTT.js's emitter is not one that `events.once` knows. */
export function nextEvent(
  client: MqttClient,
  name: 'connect' | 'disconnect' | 'error' | 'message',
): Promise<unknown[]> {
  return new Promise((resolve) => {
    client.once(name, (...values: unknown[]) => resolve(values))
  })
}
