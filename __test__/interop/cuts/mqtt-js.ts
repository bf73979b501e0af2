/** MQTT.js with its own reconnecting and its own stores. */
import mqtt from 'mqtt'
import type { ProtocolVersion } from '../peers/paho.js'
import { wordsPair } from './mqtt-words.js'
import type { CutPair } from './pair.js'

/** What is published before its SUBSCRIBE has come through does not reach it: that it has is not what its answer says. */
export const mqttJsPair = (protocolVersion: ProtocolVersion): CutPair => ({
  ...wordsPair('MQTT.js', protocolVersion, (url, options) => mqtt.connect(url, { ...options })),
  needsSuback: true,
})
