/** The numbers and codes by which the native client and the server say no, as errors. */
import type { Packet } from '../codec/packets.js'
import { type ErrorCode, faultCode, MqttError } from '../errors.js'
import { reasonCodeName } from '../native.js'
import type { Closing } from './engine-listener.js'
import * as native from './native-clients.js'

const refusals = new Map<number, ErrorCode>([
  [native.NOT_CONNECTED, 'ERR_MQTT_NOT_CONNECTED'],
  [native.OUT_BUFFER_FULL, 'ERR_MQTT_QUEUE_FULL'],
  [native.QUEUE_FULL, 'ERR_MQTT_QUEUE_FULL'],
  [native.NO_FREE_PACKET_ID, 'ERR_MQTT_QUEUE_FULL'],
  [native.PACKET_TOO_LARGE, 'ERR_MQTT_PACKET_TOO_LARGE'],
  [native.NEEDS_V5, 'ERR_MQTT_NOT_SUPPORTED'],
  [native.NOT_SUPPORTED, 'ERR_MQTT_NOT_SUPPORTED'],
  [native.PANIC, 'ERR_MQTT_PANIC'],
])

/** Why a command was refused. `topic` is the code for a topic that is not valid: of a name, or of a filter. */
export function refusal(
  code: number,
  words: string,
  topic: 'ERR_MQTT_INVALID_TOPIC_NAME' | 'ERR_MQTT_INVALID_TOPIC_FILTER',
): MqttError {
  if (code === native.TOPIC) return new MqttError(topic, sentence(words))
  return new MqttError(refusals.get(code) ?? 'ERR_MQTT_INVALID_PACKET', sentence(words))
}

function sentence(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`
}

/** Why a command that was accepted came to nothing. */
export function abandonment(cause: number, words: string): MqttError {
  switch (cause) {
    case native.CONNECTION_LOST:
      return new MqttError('ERR_MQTT_CONNECTION_LOST')
    case native.SESSION_ENDED:
      return new MqttError('ERR_MQTT_SESSION_ENDED')
    case native.EXPIRED:
      return new MqttError('ERR_MQTT_MESSAGE_EXPIRED')
    case native.DROPPED:
      return new MqttError(
        'ERR_MQTT_QUEUE_FULL',
        'The message was given up for a newer one: the queue is full.',
      )
    default:
      return refusal(cause - native.UNSENDABLE, words, 'ERR_MQTT_INVALID_TOPIC_NAME')
  }
}

/** What is said of a message that was refused. */
export const REFUSED = 'The server does not take the message'

/** A Reason Code of the server, with its Reason String where there is one. */
export function byServer(code: ErrorCode, what: string, reasonCode: number, packet?: Packet): MqttError {
  const name = reasonCodeName(reasonCode)
  const number = `0x${reasonCode.toString(16).padStart(2, '0')}`
  const said = packet !== undefined && 'properties' in packet ? reasonString(packet.properties) : ''
  return new MqttError(code, `${what}: ${name} (${number})${said}.`, { reasonCode })
}

function reasonString(properties: object): string {
  const words = (properties as { reasonString?: string }).reasonString
  return words === undefined ? '' : `, «${words}»`
}

/** What to emit about a connection that is over; undefined where nothing is wrong. */
export function closingError(closing: Closing): MqttError | undefined {
  switch (closing.kind) {
    case 'refused':
      return byServer(
        'ERR_MQTT_CONNECTION_REFUSED',
        'The server refuses the connection',
        closing.reasonCode,
        closing.packet,
      )
    case 'fault':
      return new MqttError(
        faultCode(closing.reasonCode),
        `The server broke the protocol: ${closing.words}.`,
        {
          reasonCode: closing.reasonCode,
        },
      )
    case 'connackTimeout':
      return new MqttError('ERR_MQTT_TIMEOUT', 'The server did not answer CONNECT in time.')
    case 'pingrespTimeout':
      return new MqttError(
        'ERR_MQTT_TIMEOUT',
        'The server did not answer PINGREQ in time: it is gone, or the network is.',
      )
    default:
      return undefined
  }
}
