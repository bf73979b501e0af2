/** The client that the commands speak MQTT with. The only importer of it in src/cli. */
export { connect, type IClientOptions, type IPublishPacket, type MqttClient, type Packet } from 'mqtt'
