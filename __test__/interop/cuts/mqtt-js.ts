/** MQTT.js with its own reconnecting and its own stores. */
import mqtt from 'mqtt'
import type { ProtocolVersion } from '../peers/paho.js'
import { wordsPair } from './mqtt-words.js'
import type { CutPair } from './pair.js'

/** Its first message is lost now and then where its very first connection is cut before CONNACK. */
export const mqttJsPair = (protocolVersion: ProtocolVersion): CutPair => ({
  ...wordsPair('MQTT.js', protocolVersion, (url, options) => mqtt.connect(url, { ...options })),
  needsConnack: true,
})
