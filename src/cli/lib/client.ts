/** The client that the commands speak MQTT with. The only importer of it in src/cli. */
export {
  type ClientOptions,
  connect,
  type MqttClient,
  type PacketInWords,
  type PublishInWords,
  type ReceivedPublish,
  type SubscriptionGrant,
} from '../../index.js'
