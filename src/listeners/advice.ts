/**
 * What is said when a protocol comes to the wrong place: to the operator in the log, and to an HTTP client, which is
 * the only one of them that can show a sentence to a person, in its answer.
 */
import { recognizeClient } from '../knowledge/first-bytes.js'
import type { KnowledgeCode } from '../knowledge/table.js'
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

/** A sentence, and what is known about its cause in general. */
export interface Advice {
  /** The row of src/knowledge/table.ts. */
  readonly check: KnowledgeCode
  /** What happened, and what to do here. */
  readonly sentence: string
}

/** What is said in the log. `head` is all that was read. */
export function misdirection(spoken: Spoken, head: Uint8Array, place: Place): Advice {
  const isForMqttAlone = place.protocol === 'mqtt' || (place.protocol === 'mqtts' && place.encrypted)
  const check = spoken === 'http' && isForMqttAlone ? 'websocket-at-mqtt-port' : 'scheme'
  return { check, sentence: misdirected(spoken, head[0] ?? 0, place, head) }
}

/** The sentence for the log. With `head`, all that was read, protocols are recognised that are never welcome. */
export function misdirected(spoken: Spoken, firstByte: number, place: Place, head?: Uint8Array): string {
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
      const stranger = head === undefined ? undefined : recognizeClient(head)
      if (stranger !== undefined) {
        const { name, remedy } = stranger
        return `${name.charAt(0).toUpperCase()}${name.slice(1)} on a port for ${welcomed(place)}: ${remedy}.`
      }
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

function welcomed({ protocol }: Place): string {
  if (protocol === 'auto') return 'MQTT and WebSockets'
  return protocol === 'mqtt' || protocol === 'mqtts' ? 'MQTT' : 'WebSockets'
}

/** What helps where a TLS handshake has failed, by what OpenSSL calls it. */
const TLS_ADVICE: readonly (readonly [RegExp, KnowledgeCode, string])[] = [
  [
    /ALERT_UNKNOWN_CA|ALERT_BAD_CERTIFICATE|ALERT_CERTIFICATE_UNKNOWN/,
    'certificate-authority',
    "the client does not trust this broker's certificate: give it the authority (cafile, ca), and this broker the whole chain",
  ],
  [
    /ALERT_CERTIFICATE_EXPIRED/,
    'certificate',
    "to the client this broker's certificate is out of date: renew it, or set the client's clock",
  ],
  [
    /PEER_DID_NOT_RETURN_A_CERTIFICATE/,
    'client-certificate',
    'the client has sent no certificate, which this port asks for',
  ],
  [
    /CERTIFICATE_VERIFY_FAILED|UNABLE_TO|SELF_SIGNED|CERT_/,
    'client-certificate',
    "the client's certificate is not from an authority in the option ca, or out of date",
  ],
  [
    /UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW|ALERT_PROTOCOL_VERSION/,
    'client-certificate',
    'the client speaks only versions of TLS that are too old: see minVersion',
  ],
  [
    /NO_SHARED_CIPHER|NO_SUITABLE_SIGNATURE_ALGORITHM/,
    'client-certificate',
    'client and certificate have no cipher in common',
  ],
  [
    /ECONNRESET|EPIPE/,
    'certificate-authority',
    'the client went away in the middle of it, as those do that do not trust a certificate',
  ],
]

/** What is said about a TLS handshake that has failed. Node only hangs up on a client's certificate that it does not trust. */
export function tlsFailure(error: NodeJS.ErrnoException, wantsCertificate = false): Advice {
  const said = `${error.code ?? ''} ${error.message}`.toUpperCase().replaceAll(' ', '_')
  const [, known = 'client-certificate', advice = ''] =
    TLS_ADVICE.find(([pattern]) => pattern.test(said)) ?? []
  const { reason } = error as { reason?: unknown }
  const what = typeof reason === 'string' ? reason : error.message.trim()
  const beginning = `A TLS handshake failed: ${what}`
  if (wantsCertificate && error.code === 'ECONNRESET') {
    const either = 'is not from an authority in the option ca or out of date, or the client went away'
    return { check: 'client-certificate', sentence: `${beginning}; the client's certificate ${either}.` }
  }
  return { check: known, sentence: `${beginning}${advice === '' ? '' : `; ${advice}`}.` }
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
