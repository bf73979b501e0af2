/** The beginnings of the protocols that are asked for at a port. */
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { type Heard, say } from './tcp.js'

/** Everything that the doctor does at a server is under this name. */
export const NAME = 'topicwire-doctor'

/** A client id that nobody else has; 23 characters are what 3.1 allows. */
export function uniqueId(): string {
  return `twdoctor${randomBytes(7).toString('hex')}`
}

/** What an MQTT server answered to a CONNECT of 3.1.1 without log-in. */
export interface MqttAnswer {
  /** It has answered with a CONNACK, whatever is in it. */
  readonly isMqtt: boolean
  readonly heard: Heard
}

const CONNACK = 0x20
const DISCONNECT = Buffer.of(0xe0, 0)

/** Says CONNECT, and DISCONNECT behind it: a session is never left. */
export async function askMqtt(socket: Socket, timeoutMs: number): Promise<MqttAnswer> {
  const heard = await say(socket, connectPacket(uniqueId()), timeoutMs, (bytes) => {
    if (bytes.length < 4) return false
    if (bytes[0] === CONNACK && bytes[3] === 0) socket.write(DISCONNECT)
    return true
  })
  return { isMqtt: heard.bytes[0] === CONNACK, heard }
}

/** A CONNECT of 3.1.1, clean, without a user: every server of MQTT answers it, if only with a refusal. */
function connectPacket(clientId: string): Buffer {
  const id = Buffer.from(clientId)
  const head = Buffer.from([0, 4, ...Buffer.from('MQTT'), 4, 0x02, 0, 10, id.length >> 8, id.length & 0xff])
  const body = Buffer.concat([head, id])
  return Buffer.concat([Buffer.of(0x10, body.length), body])
}

/** What an HTTP server answered. */
export interface HttpAnswer {
  readonly status: number
  readonly reason: string
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>
}

export interface HttpHeard {
  readonly answer: HttpAnswer | undefined
  readonly heard: Heard
}

/** Asks for a page, or for a WebSocket with these further headers. */
export async function askHttp(
  socket: Socket,
  host: string,
  path: string,
  headers: readonly string[],
  timeoutMs: number,
): Promise<HttpHeard> {
  const lines = [`GET ${path} HTTP/1.1`, `Host: ${host}`, `User-Agent: ${NAME}`, ...headers, '', '']
  const heard = await say(socket, lines.join('\r\n'), timeoutMs, (bytes) => {
    const text = bytes.toString('latin1')
    return text.includes('\r\n\r\n') || bytes.length > 65_536 || (bytes.length >= 5 && !/^HTTP\//.test(text))
  })
  return { answer: parseHttp(heard.bytes.toString('latin1')), heard }
}

/** The headers with which a client asks for a WebSocket. */
export function upgradeHeaders(subprotocol: string | undefined, origin?: string): string[] {
  return [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    ...(subprotocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${subprotocol}`]),
    ...(origin === undefined ? [] : [`Origin: ${origin}`]),
  ]
}

function parseHttp(text: string): HttpAnswer | undefined {
  const [head = ''] = text.split('\r\n\r\n', 1)
  const [first = '', ...lines] = head.split('\r\n')
  const [, status, reason = ''] = /^HTTP\/1\.[01] (\d{3}) ?(.*)$/.exec(first) ?? []
  if (status === undefined) return undefined
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()]
  })
  return { status: Number(status), reason, headers: new Map(headers) }
}
