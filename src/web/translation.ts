/** What a command of `/live` is in MQTT 5.0. */
import type { EncodableConnect, EncodablePublish, SubscribeFilter } from '../codec/packets.js'
import { type ConnectCommand, type PublishCommand, payloadOf, type SubscribeCommand } from './commands.js'

const DEFAULT_RECEIVE_MAXIMUM = 64

/** A name and a password. */
export interface Credentials {
  readonly username?: string
  readonly password?: Uint8Array
}

/** @param basic counts where the command has neither a name nor a password. */
export function connectPacketOf(command: ConnectCommand, basic: Credentials): Omit<EncodableConnect, 'type'> {
  const { clientId = '', cleanStart = true, sessionExpiryIntervalSecs, will } = command
  const { username, password, receiveMaximum = DEFAULT_RECEIVE_MAXIMUM } = command
  const isBasic = username === undefined && password === undefined
  return {
    clientId,
    cleanStart,
    username: isBasic ? basic.username : username,
    password: isBasic ? basic.password : password,
    will: will && {
      topicName: will.topic,
      payload: payloadOf(will),
      qos: will.qos,
      retain: will.retain,
      properties: { willDelayIntervalSecs: will.delaySecs },
    },
    properties: { sessionExpiryIntervalSecs, receiveMaximum },
  }
}

export function publishPacketOf(
  command: PublishCommand,
): Omit<EncodablePublish, 'type' | 'packetId'> & { readonly qos: 0 | 1 } {
  const { topic, qos = 0, retain, contentType, responseTopic, correlationData } = command
  const { messageExpiryIntervalSecs, userProperties } = command
  return {
    topicName: topic,
    payload: payloadOf(command),
    qos,
    retain,
    properties: {
      contentType,
      responseTopic,
      messageExpiryIntervalSecs,
      userProperties,
      correlationData: correlationData === undefined ? undefined : Buffer.from(correlationData, 'base64'),
    },
  }
}

export function subscribeFilterOf(command: SubscribeCommand): SubscribeFilter {
  const { filter, qos = 0, retained = true, noLocal = false, retainAsPublished = false } = command
  const retainHandling = retained === 'new' ? 1 : retained ? 0 : 2
  return { topicFilter: filter, qos, retainHandling, noLocal, retainAsPublished }
}
