/**
 * What is said when a protocol comes to the wrong place: to the operator in the log, and to an HTTP client, which is
 * the only one of them that can show a sentence to a person, in its answer.
 */
import type { ListenerProtocol } from '../options.js'
import type { ListenerAddress } from './listener.js'
import type { Spoken } from './port.js'

/** Where it came to. */
export interface Place {
  readonly protocol: ListenerProtocol
  /** Whether it came inside TLS. */
  readonly encrypted: boolean
  /** All that the broker listens on. */
  readonly addresses: readonly ListenerAddress[]
}

/** The sentence for the log. */
export function misdirected(spoken: Spoken, firstByte: number, place: Place): string {
  const wantsTls = (place.protocol === 'mqtts' || place.protocol === 'wss') && !place.encrypted
  switch (spoken) {
    case 'tls':
      if (place.encrypted)
        return 'A client speaks TLS inside TLS: something in between encrypts a second time.'
      return place.protocol === 'auto'
        ? 'A TLS client on a port without a certificate: use mqtt:// or ws://, or give --tls-cert and --tls-key.'
        : `A TLS client on a port for ${place.protocol}://, which is not encrypted: ${elsewhere(place, ['mqtts', 'wss', 'auto'])}.`
    case 'http':
      return wantsTls
        ? `An HTTP or ws:// client without TLS on a port for ${place.protocol}://: use ${schemeFor('http', true)}.`
        : `An HTTP or WebSocket client on a port for MQTT: ${elsewhere(place, ['auto', 'ws', 'wss'])}.`
    case 'mqtt':
      return wantsTls
        ? `An MQTT client without TLS on a port for ${place.protocol}://: use ${schemeFor('mqtt', true)}.`
        : `A plain MQTT client on a port for WebSockets: ${elsewhere(place, ['auto', 'mqtt', 'mqtts'])}.`
    case 'unknown': {
      const byte = firstByte.toString(16).padStart(2, '0')
      return `A client began with the byte 0x${byte}, which is neither MQTT, HTTP nor TLS.`
    }
  }
}

/** A whole HTTP/1.1 response for a client that will not get further. */
export function httpMisdirected(place: Place): string {
  const wantsTls = (place.protocol === 'mqtts' || place.protocol === 'wss') && !place.encrypted
  const text =
    wantsTls && place.protocol === 'wss'
      ? 'This port is encrypted: use https:// or wss://.'
      : `This port speaks MQTT, not HTTP: ${elsewhere(place, ['auto', 'ws', 'wss'])}.`
  const body = `${text}\n`
  return [
    'HTTP/1.1 400 Bad Request',
    'Connection: close',
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n')
}

function schemeFor(spoken: 'mqtt' | 'http', encrypted: boolean): string {
  if (spoken === 'mqtt') return encrypted ? 'mqtts://' : 'mqtt://'
  return encrypted ? 'wss:// or https://' : 'ws:// or http://'
}

/** Where the broker speaks one of `protocols`, as half a sentence. */
function elsewhere(place: Place, protocols: readonly ListenerProtocol[]): string {
  for (const protocol of protocols) {
    const found = place.addresses.find((address) => address.protocol === protocol)
    if (found === undefined) continue
    if (protocol !== 'auto') return `use ${found.url}`
    const isHttp = protocols.includes('ws')
    return `use ${isHttp ? `${found.url.replace(/^mqtt/, 'ws')}/mqtt` : found.url}`
  }
  return 'this broker has no port for it'
}

/** In the log, when accepting failed, for want of file descriptors for instance. The listener lives on. */
export const ACCEPT_SENTENCE = 'A connection could not be accepted.'

/** In the log, about a peer that has not said anything. */
export function silentSentence(timeoutMs: number): string {
  return `Said nothing for ${timeoutMs} ms and was dropped.`
}
