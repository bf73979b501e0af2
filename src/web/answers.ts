/**
 * What the broker says on the web, as JSON text: docs/web-protocol.md. One line each, so that an event of `/events` can
 * carry it as well as a frame.
 */
import { isUtf8 } from 'node:buffer'
import type { PublishPacket } from '../codec/publish.js'
import type { ErrorCode } from '../errors.js'

/** Why something is not done, or ends. */
export interface WebError {
  readonly code: ErrorCode
  /** An MQTT 5.0 Reason Code. */
  readonly reasonCode: number
  readonly text: string
}

/**
 * The members of a message behind its `type`: what `message` and `response` have in common, without the braces.
 *
 * @param delivery what is said about its QoS: members, each with a comma before it.
 */
export function messageMembers(packet: PublishPacket, delivery: string): string {
  const { topicName, payload } = packet
  let members = `"topic":${JSON.stringify(topicName)},${payloadMember(payload)}${delivery}`
  if (packet.retain) members += ',"retain":true'
  if (packet.dup) members += ',"duplicate":true'
  const { properties } = packet
  const { subscriptionIds, contentType, responseTopic, correlationData } = properties
  const { messageExpiryIntervalSecs, userProperties } = properties
  if (subscriptionIds !== undefined) members += `,"subscriptions":[${subscriptionIds.join()}]`
  if (contentType !== undefined) members += `,"contentType":${JSON.stringify(contentType)}`
  if (responseTopic !== undefined) members += `,"responseTopic":${JSON.stringify(responseTopic)}`
  if (messageExpiryIntervalSecs !== undefined) {
    members += `,"messageExpiryIntervalSecs":${messageExpiryIntervalSecs}`
  }
  if (correlationData !== undefined) members += `,"correlationData":"${correlationData.toString('base64')}"`
  if (userProperties !== undefined) members += `,"userProperties":${JSON.stringify(userProperties)}`
  return members
}

function payloadMember(payload: Buffer): string {
  return isUtf8(payload)
    ? `"payload":${JSON.stringify(payload.toString())}`
    : `"payloadBase64":"${payload.toString('base64')}"`
}

/** An `error`, about the command with that `id` or about none. */
export function errorAnswer({ code, reasonCode, text }: WebError, id?: number): string {
  const which = id === undefined ? '' : `"id":${id},`
  return `{"type":"error",${which}"code":"${code}","reasonCode":${reasonCode},"text":${JSON.stringify(sentence(text))}}`
}

/** The core's sentences are made to stand behind others. */
function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`
}

/** The code for a Reason Code of the broker's, or the one for what was asked where there is none of its own. */
export function codeOf(reasonCode: number, otherwise: ErrorCode): ErrorCode {
  return codes.get(reasonCode) ?? otherwise
}

const codes: ReadonlyMap<number, ErrorCode> = new Map([
  [0x81, 'ERR_MQTT_MALFORMED_PACKET'],
  [0x82, 'ERR_MQTT_PROTOCOL_ERROR'],
  [0x84, 'ERR_MQTT_UNSUPPORTED_PROTOCOL_VERSION'],
  [0x86, 'ERR_MQTT_NOT_AUTHORIZED'],
  [0x87, 'ERR_MQTT_NOT_AUTHORIZED'],
  [0x8a, 'ERR_MQTT_NOT_AUTHORIZED'],
  [0x8b, 'ERR_MQTT_BROKER_CLOSED'],
  [0x8f, 'ERR_MQTT_INVALID_TOPIC_FILTER'],
  [0x90, 'ERR_MQTT_INVALID_TOPIC_NAME'],
  [0x93, 'ERR_MQTT_QUOTA_EXCEEDED'],
  [0x95, 'ERR_MQTT_PACKET_TOO_LARGE'],
  [0x97, 'ERR_MQTT_QUOTA_EXCEEDED'],
  [0x99, 'ERR_MQTT_INVALID_PAYLOAD'],
  [0x9a, 'ERR_MQTT_NOT_SUPPORTED'],
  [0x9b, 'ERR_MQTT_NOT_SUPPORTED'],
  [0x9c, 'ERR_MQTT_REDIRECT'],
  [0x9d, 'ERR_MQTT_REDIRECT'],
  [0x9e, 'ERR_MQTT_NOT_SUPPORTED'],
  [0x9f, 'ERR_MQTT_QUOTA_EXCEEDED'],
  [0xa1, 'ERR_MQTT_NOT_SUPPORTED'],
  [0xa2, 'ERR_MQTT_NOT_SUPPORTED'],
])
