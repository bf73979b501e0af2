/** MQTT.js over TCP, TLS, WebSocket and WebSocket over TLS. */
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import type { BrokerAddress, BrokerUnderTest, Scheme } from '../broker-under-test.js'
import type { ProtocolVersion } from './paho.js'
import { Inbox, type Peer, type Qos } from './peer.js'

/** A connected client that does not connect again by itself, with all its messages in one inbox. */
export async function openMqttJs(
  broker: BrokerAddress,
  scheme: Scheme,
  options: IClientOptions = {},
): Promise<{ client: MqttClient; inbox: Inbox; sessionPresent: boolean }> {
  const inbox = new Inbox()
  const client = mqtt.connect(broker.url(scheme), {
    ca: broker.certificate,
    connectTimeout: 5_000,
    reconnectPeriod: 0,
    resubscribe: false,
    ...options,
  })
  client.on('message', (topicName, payload, { qos, retain, dup, properties }) => {
    inbox.push({ topicName, payload, qos, retain, dup, properties: { ...properties } })
  })
  return new Promise((resolve, reject) => {
    client.once('connect', ({ sessionPresent }) => resolve({ client, inbox, sessionPresent }))
    client.once('error', reject)
    client.once('close', () => reject(new Error(`MQTT.js: ${scheme} was closed before CONNACK`)))
  })
}

export function mqttJsPeer(scheme: Scheme, protocolVersion: ProtocolVersion): Peer {
  let broker: BrokerUnderTest | undefined
  let publisher: MqttClient | undefined
  return {
    name: `MQTT.js ${scheme}:// (${protocolVersion === 5 ? '5.0' : '3.1.1'})`,
    slug: `mqttjs-${scheme}-v${protocolVersion}`,
    program: undefined,
    async open(underTest) {
      broker = underTest
      publisher = (await openMqttJs(underTest, scheme, { protocolVersion })).client
    },
    async subscribe(topicFilter, qos) {
      if (broker === undefined) throw new Error('the peer is not open')
      const { client, inbox } = await openMqttJs(broker, scheme, { protocolVersion })
      const [granted] = await client.subscribeAsync(topicFilter, { qos })
      if ((granted?.qos as Qos) !== qos) throw new Error(`asked for QoS ${qos}, was granted ${granted?.qos}`)
      return { inbox, close: () => client.endAsync() }
    },
    async publish(topicName, payload, { qos = 0, retain = false } = {}) {
      await publisher?.publishAsync(topicName, payload, { qos, retain })
    },
    async close() {
      await publisher?.endAsync()
    },
  }
}
