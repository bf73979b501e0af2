/**
 * What can go wrong between a client and a server, each as one sentence that says what to do. The error of Node or of
 * `ws` stays with it as its `cause`.
 */
import { MqttError } from '../errors.js'
import type { ServerAddress } from './address.js'

/** What is known when a connection could not be opened. */
export interface Attempt {
  readonly address: ServerAddress
  /** The address as a person would write it, without a password. */
  readonly place: string
  /** The family of addresses that alone was asked for, 4 or 6. */
  readonly family?: number | undefined
}

type Sentence = (attempt: Attempt, error: NodeJS.ErrnoException) => string

/** `…error:0A00010B:SSL routines:ssl3_get_record:wrong version number:…` */
const OPENSSL_MESSAGE = /:SSL routines:[^:]*:([^:]+):/

/** By the code of Node's error: what the network says. */
const NETWORK: ReadonlyMap<string, Sentence> = new Map<string, Sentence>([
  [
    'ECONNREFUSED',
    ({ place }) => `Nothing listens at ${place}: start the server, or mend the host and port.`,
  ],
  ['ENOTFOUND', unknownHost],
  [
    'EAI_AGAIN',
    ({ address }) => `The name ${address.host} cannot be looked up now: check the network and its DNS.`,
  ],
  ['EHOSTUNREACH', unreachable],
  ['ENETUNREACH', unreachable],
  ['EHOSTDOWN', unreachable],
  ['EADDRNOTAVAIL', unreachable],
  [
    'ETIMEDOUT',
    ({ place }) => `${place} does not answer: the host is down, or a firewall drops what is sent to it.`,
  ],
  ['ENOENT', ({ place }) => `There is no socket at ${place}: start the server, or mend the path.`],
  ['EACCES', ({ place }) => `This user may not connect to ${place}: change the permissions of the socket.`],
  ['ENOTSOCK', ({ place }) => `What is at ${place} is not a socket.`],
  [
    'EMFILE',
    () => 'This process has no file descriptors left: raise its limit (ulimit -n), or close something.',
  ],
])

/** By the code of OpenSSL's or Node's error: what TLS says. */
const TLS: ReadonlyMap<string, Sentence> = new Map<string, Sentence>([
  ['CERT_HAS_EXPIRED', ({ place }) => `The certificate of ${place} has expired: the server needs a new one.`],
  [
    'CERT_NOT_YET_VALID',
    ({ place }) => `The certificate of ${place} is not valid yet: check the clock of this machine.`,
  ],
  [
    'CERT_REVOKED',
    ({ place }) => `The certificate of ${place} has been revoked: the server needs a new one.`,
  ],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', selfSigned],
  ['SELF_SIGNED_CERT_IN_CHAIN', selfSigned],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', unknownIssuer],
  ['UNABLE_TO_GET_ISSUER_CERT', unknownIssuer],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', unknownIssuer],
  [
    'ERR_TLS_CERT_ALTNAME_INVALID',
    ({ address, place }, error) =>
      `The certificate of ${place} is not for ${(error as { host?: string }).host ?? address.host} (${namesIn(error)}): connect by a name that it has, or give that name in the option servername.`,
  ],
  ['ERR_SSL_WRONG_VERSION_NUMBER', noTls],
  ['ERR_SSL_PACKET_LENGTH_TOO_LONG', noTls],
  ['ERR_SSL_HTTP_REQUEST', noTls],
  ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', oldTls],
  ['ERR_SSL_UNSUPPORTED_PROTOCOL', oldTls],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', wantsCertificate],
  ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', noAgreement],
  ['ERR_SSL_NO_CIPHERS_AVAILABLE', noAgreement],
  [
    'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
    ({ place }) => `${place} speaks none of the protocols in the option ALPNProtocols.`,
  ],
  ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', badCertificate],
  ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN', badCertificate],
  ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED', badCertificate],
  ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED', badCertificate],
  ['ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE', badCertificate],
  ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', badCertificate],
  ['ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR', badCertificate],
  [
    'ERR_SSL_TLSV1_UNRECOGNIZED_NAME',
    ({ place }) =>
      `${place} has no certificate for this name: give one that it has in the option servername.`,
  ],
])

/** Why a connection could not be opened. */
export function failedAttempt(error: unknown, attempt: Attempt): MqttError {
  const problem = innermost(error)
  const { place } = attempt
  const code = codeOf(problem)
  if (code.startsWith('ERR_OSSL_')) return badTlsOptions(error)
  const tls = TLS.get(code)
  if (tls !== undefined) return new MqttError('ERR_MQTT_TLS', tls(attempt, problem), { cause: error })
  const network = NETWORK.get(code)
  if (network !== undefined) return unreachableError(network(attempt, problem), error)
  if (isTls(attempt.address) && isEarlyEnd(problem)) {
    const hint = 'it is not for TLS (mqtt:// and ws:// are without), or wants a client certificate'
    const sentence = `${place} ended the connection during the TLS handshake: the port may be wrong, ${hint}.`
    return new MqttError('ERR_MQTT_TLS', sentence, { cause: error })
  }
  if (code.startsWith('ERR_SSL_') || code === 'EPROTO') {
    const sentence = `The TLS handshake with ${place} failed: ${reasonOf(problem)}.`
    return new MqttError('ERR_MQTT_TLS', sentence, { cause: error })
  }
  if (isEarlyEnd(problem)) {
    return unreachableError(
      `${place} ended the connection before it was open: the port may be for something else.`,
      error,
    )
  }
  return unreachableError(`${place} cannot be reached: ${reasonOf(problem)}.`, error)
}

/** The certificate, key or another option of TLS cannot be used; no connection was tried. */
export function badTlsOptions(error: unknown): MqttError {
  const { code = '' } = innermost(error)
  const advice = code.includes('KEY_VALUES_MISMATCH')
    ? 'the key does not belong to the certificate'
    : code.includes('BAD_DECRYPT') ||
        code.includes('BAD_PASSWORD') ||
        code.includes('INTERRUPTED_OR_CANCELLED')
      ? 'the passphrase of the key is missing or wrong'
      : code.includes('NO_START_LINE') || code.includes('UNSUPPORTED')
        ? 'it is not PEM; ca, cert and key are contents, not paths'
        : reasonOf(innermost(error))
  return new MqttError('ERR_MQTT_TLS', `The certificate or key cannot be used: ${advice}.`, { cause: error })
}

/** Nobody answered. `hasConnected`: a connection was there, but what goes on top of it was not. */
export function timedOut(
  { place }: Attempt,
  timeoutMs: number,
  hasConnected: boolean | undefined,
): MqttError {
  const waited = `${place} did not answer in ${timeoutMs} ms: `
  const down = 'the host is down, or a firewall drops what is sent to it'
  const wrong = 'the port may be for something else'
  const advice =
    hasConnected === undefined
      ? `${down}, or ${wrong}`
      : hasConnected
        ? `it took the connection and said nothing to the TLS handshake, so ${wrong}`
        : down
  return new MqttError('ERR_MQTT_CONNECT_TIMEOUT', `${waited}${advice}.`)
}

/** The HTTP answer to a WebSocket handshake was not 101. */
export function refusedUpgrade(status: number, statusMessage: string, { place }: Attempt): MqttError {
  const answered = `${place} answered the WebSocket handshake with ${status}${statusMessage === '' ? '' : ` ${statusMessage}`}: `
  return new MqttError('ERR_MQTT_CONNECT', answered + httpAdvice(status))
}

/** An error of `ws` while it opens a WebSocket. */
export function failedUpgrade(error: Error, attempt: Attempt): MqttError {
  const { place } = attempt
  const { code } = error as NodeJS.ErrnoException
  if (/\bsubprotocol\b/.test(error.message)) {
    const sentence = `${place} does not speak MQTT: it took the WebSocket without the subprotocol for it. Check the path of the URL, often /mqtt.`
    return new MqttError('ERR_MQTT_CONNECT', sentence, { cause: error })
  }
  if (code?.startsWith('HPE_')) {
    const sentence = `${place} does not speak HTTP, which a WebSocket begins with: the port may be for mqtt://.`
    return new MqttError('ERR_MQTT_CONNECT', sentence, { cause: error })
  }
  return failedAttempt(error, attempt)
}

/** A connection that was open has been lost. */
export function lostConnection(error: Error, place: string): MqttError {
  const { code = '' } = error as NodeJS.ErrnoException
  if (code.includes('ALERT')) {
    const attempt = { address: { protocol: 'mqtts', host: place, port: 0 }, place } as const
    const sentence = (TLS.get(code) ?? ((_, { message }) => `${place} ended TLS: ${message}.`))(
      attempt,
      error,
    )
    return new MqttError('ERR_MQTT_TLS', sentence, { cause: error })
  }
  const why =
    code === 'ECONNRESET' || code === 'EPIPE'
      ? 'was cut by the server or by the network'
      : `failed: ${reasonOf(error)}`
  return new MqttError('ERR_MQTT_CONNECTION_LOST', `The connection to ${place} ${why}.`, { cause: error })
}

const ALERT = 0x15
const HANDSHAKE = 0x16
const TLS_MAJOR = 0x03

/** What somebody who is no MQTT server says first, as an error; undefined where it may be MQTT. */
export function unexpectedAnswer(
  chunk: Uint8Array,
  length: number,
  place: string,
  encrypted: boolean,
): MqttError | undefined {
  if (
    (chunk[0] === ALERT || chunk[0] === HANDSHAKE) &&
    (length < 2 || chunk[1] === TLS_MAJOR) &&
    !encrypted
  ) {
    return new MqttError(
      'ERR_MQTT_TLS',
      `${beginning(place)} answers with TLS: use mqtts://, or the server's port without TLS.`,
    )
  }
  if (length >= 4 && Buffer.from(chunk.buffer, chunk.byteOffset, 4).toString('latin1') === 'HTTP') {
    const scheme = encrypted ? 'wss://' : 'ws://'
    return new MqttError(
      'ERR_MQTT_CONNECT',
      `${beginning(place)} answers with HTTP: use ${scheme}, or the server's port for MQTT.`,
    )
  }
  return undefined
}

/** A place at the beginning of a sentence. */
export function beginning(place: string): string {
  return place.replace(/^the /, 'The ')
}

function unreachableError(sentence: string, cause: unknown): MqttError {
  return new MqttError('ERR_MQTT_CONNECT', sentence, { cause })
}

/** The resolver says the same of a name that nobody has and of one without an address of the family. */
function unknownHost({ address, family }: Attempt): string {
  const { host } = address
  if (family !== 4 && family !== 6) return `There is no host named ${host}: check its spelling.`
  return `There is no IPv${family} address for ${host}, and no other was asked for: connect from an address of the other family, or check the name's spelling.`
}

function unreachable({ place }: Attempt): string {
  return `There is no way to ${place} from this machine: check the network, and the address for its family (IPv4, IPv6).`
}

function selfSigned({ place }: Attempt): string {
  return `The certificate of ${place} is self-signed, or from an authority of its own: give that certificate in the option ca.`
}

function unknownIssuer({ place }: Attempt): string {
  return `The certificate of ${place} is from an authority that this machine does not know: give the authority's in the option ca, or have the server send its whole chain.`
}

function noTls({ address, place }: Attempt): string {
  const plain = address.protocol === 'wss' ? 'ws://' : 'mqtt://'
  return `${place} does not speak TLS: use ${plain}, or the server's port for TLS.`
}

function oldTls({ place }: Attempt): string {
  return `${place} and this client speak no version of TLS in common: see the options minVersion and maxVersion.`
}

function wantsCertificate({ place }: Attempt): string {
  return `${place} wants a certificate of the client: give one in the options cert and key.`
}

function noAgreement({ place }: Attempt): string {
  return `${place} did not accept the TLS handshake: it may want a client certificate (cert and key), or other ciphers.`
}

function badCertificate({ place }: Attempt, error: NodeJS.ErrnoException): string {
  return `${place} does not accept this client's certificate (${reasonOf(error)}): give another in the options cert and key.`
}

function httpAdvice(status: number): string {
  if (status === 404) return 'check the path of the URL, often /mqtt.'
  if (status === 401 || status === 407)
    return 'give what it asks for in wsOptions.headers; it has not come to MQTT yet.'
  if (status === 403)
    return 'it does not allow this origin or client; see wsOptions.origin and wsOptions.headers.'
  if (status >= 300 && status < 400)
    return 'use the address that it points to, or set wsOptions.followRedirects.'
  if (status === 200 || status === 400 || status === 426)
    return 'this may not be a WebSocket endpoint; check port and path.'
  if (status === 429 || status === 503) return 'it has no room now; try later.'
  if (status === 502 || status === 504) return 'the proxy there does not reach the server behind it.'
  return 'it does not take WebSockets here.'
}

/** Of several addresses of one name that were tried, the first error speaks. */
function innermost(error: unknown): NodeJS.ErrnoException {
  if (error instanceof AggregateError && error.errors.length > 0) return innermost(error.errors[0])
  return error instanceof Error ? error : new Error(String(error))
}

/** Where OpenSSL fails in the middle of a write, Node has its words in the message only. */
function codeOf({ code = '', message }: NodeJS.ErrnoException): string {
  const [, reason] = OPENSSL_MESSAGE.exec(message) ?? []
  return code === 'EPROTO' && reason !== undefined
    ? `ERR_SSL_${reason.toUpperCase().replaceAll(' ', '_')}`
    : code
}

function isEarlyEnd({ code }: NodeJS.ErrnoException): boolean {
  return code === 'ECONNRESET' || code === 'EPIPE'
}

function isTls({ protocol }: ServerAddress): boolean {
  return protocol === 'mqtts' || protocol === 'wss'
}

/** OpenSSL's own words, without its numbers and file names; other messages as they are, without their full stop. */
function reasonOf(error: Error): string {
  const { reason } = error as { reason?: unknown }
  const [, words] = OPENSSL_MESSAGE.exec(error.message) ?? []
  const text = typeof reason === 'string' && reason !== '' ? reason : (words ?? error.message)
  return text.replace(/\.$/, '')
}

function namesIn(error: Error): string {
  const { cert } = error as { cert?: { subjectaltname?: string; subject?: { CN?: string } } }
  const names = cert?.subjectaltname ?? cert?.subject?.CN
  return names === undefined
    ? 'it names nobody'
    : `it names ${names.replaceAll('DNS:', '').replaceAll('IP Address:', '')}`
}
