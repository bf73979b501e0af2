/**
 * What the checks know: the server and the options, and facts that several of them need. Each fact is found out once,
 * when it is first asked for. Facts stand on one another: a log-in is only tried where the port speaks the protocol of
 * the URL, and not over TLS that nobody vouches for.
 */
import type { KnowledgeCode } from '../../knowledge/table.js'
import { knowledgeOf } from '../../knowledge/table.js'
import type { ConnectOptions } from '../lib/client-types.js'
import { type CanaryReport, flyCanary } from './canary.js'
import { once } from './memo.js'
import { uniqueId } from './probes/beginnings.js'
import { Clients, type Session } from './probes/mqtt.js'
import { authority, cutBehindTls, type Found, found, listenTo, type Speech } from './probes/speech.js'
import {
  type Address,
  isOwnAddress,
  type Knock,
  knock,
  type Lookup,
  ownAddresses,
  resolveHost,
} from './probes/tcp.js'

export type Scheme = 'mqtt' | 'mqtts' | 'ws' | 'wss'

/** What the doctor is told. */
export interface DoctorOptions {
  readonly scheme: Scheme
  readonly host: string
  readonly port: number
  /** Of a WebSocket; `/` otherwise. */
  readonly path: string
  /** For `connect`; without log-in. */
  readonly url: string
  /** Log-in, TLS, version, keep alive. */
  readonly client: ConnectOptions
  /** For one step. */
  readonly timeoutMs: number
  readonly page: URL | undefined
  readonly topic: string | undefined
  readonly idleSecs: number | undefined
  readonly clientId: string | undefined
  readonly sizeBytes: number | undefined
  /** Tells a person how a long check comes along. */
  readonly progress: (text: string) => void
}

/** An address of the server and what came of knocking there. */
export interface Door extends Address {
  readonly knock: Knock
}

/** A session, or why there is none. */
export type Attempt =
  | { readonly session: Session }
  /** `error` is the client's; without it none was tried, because of the check `blockedBy`. */
  | { readonly error: unknown; readonly blockedBy?: undefined }
  | { readonly error?: undefined; readonly blockedBy: KnowledgeCode }

export class Context {
  readonly options: DoctorOptions
  readonly clients: Clients

  constructor(options: DoctorOptions) {
    this.options = options
    this.clients = new Clients(options.url, options.client, options.timeoutMs)
  }

  get isTls(): boolean {
    return this.options.scheme === 'mqtts' || this.options.scheme === 'wss'
  }

  get isWeb(): boolean {
    return this.options.scheme === 'ws' || this.options.scheme === 'wss'
  }

  /** Host and port, for people. */
  get name(): string {
    return authority(this.options.host, this.options.port)
  }

  readonly lookup: () => Promise<Lookup> = once(() => resolveHost(this.options.host, this.options.timeoutMs))

  /** Every address of the host; none where its name is unknown. */
  readonly doors: () => Promise<readonly Door[]> = once(async () => {
    const result = await this.lookup()
    if ('problem' in result) return []
    const { port, timeoutMs } = this.options
    return Promise.all(
      result.addresses.map(async (one) => ({ ...one, knock: await knock(one.address, port, timeoutMs) })),
    )
  })

  /** The address that is examined: the first that answers. */
  readonly door: () => Promise<Door | undefined> = once(async () =>
    (await this.doors()).find((one) => one.knock.kind === 'open'),
  )

  /** Whether the server is on this machine; undefined where its name is unknown. */
  readonly isHere: () => Promise<boolean | undefined> = once(async () => {
    const result = await this.lookup()
    if ('problem' in result) return undefined
    return result.addresses.some(({ address }) => isOwnAddress(address))
  })

  /** Further addresses of this machine, in its networks. */
  get otherAddresses(): readonly string[] {
    return ownAddresses().filter((address) => address !== this.options.host)
  }

  /** What the port speaks; undefined where nobody answers. */
  readonly speech: () => Promise<Speech | undefined> = once(async () => {
    const door = await this.door()
    if (door === undefined) return undefined
    const { scheme, host, port, path, client, timeoutMs } = this.options
    const target = { scheme, host, port, path, address: door.address, options: client }
    // Between two knocks a server may go away.
    return listenTo(target, timeoutMs).catch(() => undefined)
  })

  readonly found: () => Promise<readonly Found[]> = once(async () => {
    const speech = await this.speech()
    return speech === undefined ? [] : found(speech)
  })

  /** Whether the certificate may be trusted with a log-in; also where the user has said not to look. */
  readonly isTrusted: () => Promise<boolean> = once(async () => {
    if (!this.isTls) return true
    const tls = (await this.speech())?.tls
    if (tls?.kind !== 'done') return false
    const { rejectUnauthorized, checkServerIdentity } = this.options.client
    if (rejectUnauthorized === false) return true
    return tls.chainProblem === undefined && (tls.nameFits || checkServerIdentity !== undefined)
  })

  /** The connection that the checks about MQTT share. */
  readonly attempt: () => Promise<Attempt> = once(async () => {
    const obstacle = await this.#obstacle()
    if (obstacle !== undefined) return { blockedBy: obstacle }
    try {
      return { session: await this.clients.connect(uniqueId()) }
    } catch (error) {
      return { error }
    }
  })

  /** What has come of a message to ourselves; undefined where there is no session. */
  readonly canary: () => Promise<CanaryReport | undefined> = once(async () => {
    const attempt = await this.attempt()
    if (!('session' in attempt)) return undefined
    return flyCanary(attempt.session, this.options.topic, this.options.timeoutMs)
  })

  /** Why the checks about MQTT cannot be made, as the text of a skipped check; undefined where they can. */
  async whyNoSession(): Promise<string | undefined> {
    const attempt = await this.attempt()
    if ('session' in attempt) return undefined
    const { blockedBy } = attempt
    if (blockedBy !== undefined)
      return `there is no connection to try it on: see “${knowledgeOf(blockedBy).title}”`
    return 'there is no connection to try it on: the server has not accepted one'
  }

  /** The message of an error, without its full stop. What a server sends back must not bring a password to the screen. */
  said(error: unknown): string {
    const { password } = this.options.client
    const text = (error instanceof Error ? error.message : String(error)).replace(/\.$/, '')
    return password === undefined || password.length === 0 ? text : text.replaceAll(String(password), '***')
  }

  /** The check that says why no log-in is tried. */
  async #obstacle(): Promise<KnowledgeCode | undefined> {
    if (!(await isAddonHere())) return 'native-addon'
    const speech = await this.speech()
    if (speech === undefined) return 'network'
    const all = await this.found()
    const { scheme } = this.options
    if (this.isTls && speech.tls?.kind === 'done' && !(await this.isTrusted())) {
      return speech.tls.chainProblem === undefined || !speech.tls.nameFits
        ? 'certificate'
        : 'certificate-authority'
    }
    if (all.includes(scheme)) {
      if (!this.isWeb) return undefined
      const http = (this.isTls ? speech.inside : speech.plain).http
      if (http?.answer?.status !== 101) return 'websocket-path'
      return http.answer.headers.get('sec-websocket-protocol') === 'mqtt' ? undefined : 'subprotocol'
    }
    // A server that ends the connections of strangers without a word may still be one of MQTT.
    const isShy = this.isTls ? cutBehindTls(speech) === 'end' : speech.plain.mqtt?.heard.end === 'ended'
    if (isShy && !this.isWeb && (all.length === 0 || all.join() === 'tls')) return undefined
    if (this.isTls && all.includes('tls')) return 'client-certificate'
    return scheme === 'ws' && all.includes('mqtt') ? 'websocket-at-mqtt-port' : 'scheme'
  }
}

async function isAddonHere(): Promise<boolean> {
  return import('../../native.js').then(
    () => true,
    () => false,
  )
}
