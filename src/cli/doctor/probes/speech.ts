/**
 * What a port speaks. The protocol of the URL is asked for first, and the others only where that is not answered: a
 * server that is well is not made to log what it does not understand.
 */
import { recognizeServer } from '../../../knowledge/first-bytes.js'
import { askHttp, askMqtt, type HttpHeard, type MqttAnswer, upgradeHeaders } from './beginnings.js'
import { open } from './tcp.js'
import { type Handshake, shakeHands, type TlsTarget } from './tls.js'

/** Answers of one layer; what was not asked is undefined. */
export interface Answers {
  readonly mqtt?: MqttAnswer
  readonly http?: HttpHeard
}

export interface Speech {
  readonly plain: Answers
  readonly tls: Handshake | undefined
  /** Inside TLS. */
  readonly inside: Answers
}

/** What a port was found to be for. */
export type Found = 'mqtt' | 'mqtts' | 'ws' | 'wss' | 'tls'

export interface SpeechTarget extends TlsTarget {
  readonly scheme: 'mqtt' | 'mqtts' | 'ws' | 'wss'
  readonly path: string
}

export async function listenTo(target: SpeechTarget, timeoutMs: number): Promise<Speech> {
  const { scheme } = target
  const isWeb = scheme === 'ws' || scheme === 'wss'
  const ask = { mqtt: !isWeb, http: isWeb }
  if (scheme === 'mqtts' || scheme === 'wss') {
    const [tls, inside] = await askInside(target, timeoutMs, ask)
    const plain = tls.kind === 'done' || tls.kind === 'alert' ? {} : await askPlain(target, timeoutMs)
    return { plain, tls, inside: { ...inside, ...(await askOther(target, timeoutMs, tls, inside)) } }
  }
  const first = await askPlain(target, timeoutMs, ask)
  if (first.mqtt?.isMqtt || isAtHome(first)) return { plain: first, tls: undefined, inside: {} }
  const [second, [tls, inside]] = await Promise.all([
    askPlain(target, timeoutMs, { mqtt: isWeb, http: !isWeb }),
    askInside(target, timeoutMs, ask),
  ])
  const further = await askOther(target, timeoutMs, tls, inside)
  return { plain: { ...first, ...second }, tls, inside: { ...inside, ...further } }
}

/** Servers of MQTT and of TLS say 400 to HTTP that came to the wrong port. */
const BAD_REQUEST = 400

function isAtHome({ http }: Answers): boolean {
  return http?.answer !== undefined && http.answer.status !== BAD_REQUEST
}

/** What the port is for, as far as it was found; empty where it is for nothing that is known here. */
export function found({ plain, tls, inside }: Speech): Found[] {
  const all: Found[] = []
  if (plain.mqtt?.isMqtt) all.push('mqtt')
  if (isAtHome(plain)) all.push('ws')
  if (inside.mqtt?.isMqtt) all.push('mqtts')
  if (isAtHome(inside)) all.push('wss')
  if ((tls?.kind === 'done' || tls?.kind === 'alert') && !all.includes('mqtts') && !all.includes('wss')) {
    all.push('tls')
  }
  if (all.length === 0 && plain.http?.answer !== undefined) all.push('ws')
  if (all.join() === 'tls' && inside.http?.answer !== undefined) return ['wss']
  return all
}

/** How the server has ended TLS behind the handshake, before anything was said inside; undefined where it has not. */
export function cutBehindTls({ tls, inside }: Speech): 'alert' | 'end' | undefined {
  if (tls?.kind !== 'done') return undefined
  const heard = [inside.mqtt, inside.http].flatMap((one) => (one === undefined ? [] : [one.heard]))
  if (heard.some(({ end }) => end === 'error')) return 'alert'
  return heard.length > 0 && heard.every(({ end, bytes }) => end === 'ended' && bytes.length === 0)
    ? 'end'
    : undefined
}

/** The name of another protocol in what was answered. */
export function foreignName({ plain, inside }: Speech): string | undefined {
  const heard = [plain.mqtt, plain.http, inside.mqtt, inside.http].map((one) => one?.heard.bytes)
  return heard.map((bytes) => bytes && recognizeServer(bytes)).find((name) => name !== undefined)
}

/** The other protocol inside TLS, where the one of the URL was not answered there. */
async function askOther(
  target: SpeechTarget,
  timeoutMs: number,
  tls: Handshake,
  inside: Answers,
): Promise<Answers> {
  if (tls.kind !== 'done' || inside.mqtt?.isMqtt || isAtHome(inside)) return {}
  // A server that ends TLS behind the handshake does so whatever is said.
  if ((inside.mqtt ?? inside.http)?.heard.end === 'error') return {}
  const [, further] = await askInside(target, timeoutMs, {
    mqtt: inside.mqtt === undefined,
    http: inside.http === undefined,
  })
  return further
}

async function askPlain(
  { address, port, host, path }: SpeechTarget,
  timeoutMs: number,
  ask = { mqtt: true, http: true },
): Promise<Answers> {
  const socket = () => open(address, port, timeoutMs)
  const [mqtt, http] = await Promise.all([
    ask.mqtt ? socket().then((opened) => askMqtt(opened, timeoutMs)) : undefined,
    ask.http
      ? socket().then((opened) =>
          askHttp(opened, authority(host, port), path, upgradeHeaders('mqtt'), timeoutMs),
        )
      : undefined,
  ])
  return { ...(mqtt && { mqtt }), ...(http && { http }) }
}

async function askInside(
  target: SpeechTarget,
  timeoutMs: number,
  ask: { readonly mqtt: boolean; readonly http: boolean },
): Promise<[Handshake, Answers]> {
  const tls = await shakeHands(target, timeoutMs)
  if (tls.kind !== 'done') return [tls, {}]
  if (ask.mqtt) return [tls, { mqtt: await askMqtt(tls.socket, timeoutMs) }]
  if (!ask.http) {
    tls.socket.destroy()
    return [tls, {}]
  }
  const { host, port, path } = target
  const headers = upgradeHeaders('mqtt')
  return [tls, { http: await askHttp(tls.socket, authority(host, port), path, headers, timeoutMs) }]
}

/** Host and port as they stand in a URL. */
export function authority(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
