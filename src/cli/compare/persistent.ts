/**
 * Ends that come back after a cut, as an application has them. MQTT has a client for that (src/client). For `/live` what
 * is not acknowledged is sent again; on a topic URL and a bare WebSocket what is sent while the line is cut is lost.
 */
import { connect, type MqttClient } from '../lib/client.js'
import type { ConnectOptions } from '../lib/client-types.js'
import { indexIn, numbered, openPeer, type Peer } from './peer.js'
import type { Place, Qos, Way } from './ways.js'

/** An end that comes back. */
export interface PersistentEnd {
  publish(index: number): void
  /** Of QoS 1 and 2: what is not acknowledged yet. */
  readonly unacknowledged: number
  close(): Promise<void>
}

export interface PersistentOptions {
  readonly way: Way
  readonly place: Place
  readonly topic: string
  readonly qos: Qos
  readonly listens: boolean
  readonly clientId: string
  readonly payloadBytes: number
  readonly onMessage: (index: number) => void
}

const RETRY_MS = 100
const RETRY_MOST_MS = 400

/** Resolves when it is there for the first time. */
export async function openPersistent(options: PersistentOptions): Promise<PersistentEnd> {
  return options.way.protocol === 'mqtt' ? MqttEnd.open(options) : WebEnd.open(options)
}

class MqttEnd implements PersistentEnd {
  readonly #client: MqttClient
  readonly #options: PersistentOptions
  unacknowledged = 0

  private constructor(client: MqttClient, options: PersistentOptions) {
    this.#client = client
    this.#options = options
  }

  static async open(options: PersistentOptions): Promise<PersistentEnd> {
    const { way, place, topic, qos, listens, clientId, onMessage } = options
    const scheme = { stream: ['mqtt', 'mqtts'], websocket: ['ws', 'wss'] }[way.carrier][place.tls ? 1 : 0]
    const path = way.carrier === 'websocket' ? place.path : ''
    const client = connect(`${scheme}://${place.host}:${place.port}${path}`, {
      clientId,
      protocolVersion: 5,
      clean: false,
      properties: { sessionExpiryInterval: 300 },
      keepalive: 60,
      reconnectPeriod: RETRY_MS,
      reconnectPeriodMax: RETRY_MOST_MS,
      queueQoSZero: false,
      rejectUnauthorized: false,
      ...(place.username !== undefined && { username: place.username, password: place.password }),
    } as ConnectOptions)
    client.on('error', () => undefined)
    client.on('message', (_topic: string, payload: Buffer) => onMessage(indexIn(payload)))
    await new Promise<void>((resolve) => client.once('connect', () => resolve()))
    if (listens) await client.subscribeAsync(topic, { qos })
    return new MqttEnd(client, options)
  }

  publish(index: number): void {
    const { topic, qos, payloadBytes } = this.#options
    this.unacknowledged += 1
    this.#client.publish(topic, numbered(index, payloadBytes), { qos }, () => {
      this.unacknowledged -= 1
    })
  }

  async close(): Promise<void> {
    this.#client.end(true)
  }
}

class WebEnd implements PersistentEnd {
  readonly #options: PersistentOptions
  readonly #unacknowledged = new Set<number>()
  #peer: Peer | undefined
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  private constructor(options: PersistentOptions) {
    this.#options = options
  }

  static async open(options: PersistentOptions): Promise<PersistentEnd> {
    const end = new WebEnd(options)
    await end.#connect()
    while (end.#peer === undefined) await new Promise((resolve) => setTimeout(resolve, 10))
    return end
  }

  get unacknowledged(): number {
    return this.#unacknowledged.size
  }

  publish(index: number): void {
    if (this.#options.qos > 0) this.#unacknowledged.add(index)
    this.#peer?.publish(numbered(index, this.#options.payloadBytes))
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#peer?.destroy()
  }

  async #connect(): Promise<void> {
    try {
      const peer = await openPeer({
        ...this.#options,
        keepsSession: this.#options.qos > 0,
        onAcknowledged: (index) => void this.#unacknowledged.delete(index),
        onClose: () => this.#closed(),
      })
      if (this.#isClosed) {
        peer.destroy()
        return
      }
      this.#peer = peer
      for (const index of this.#unacknowledged) peer.publish(numbered(index, this.#options.payloadBytes))
    } catch {
      this.#retry()
    }
  }

  #closed(): void {
    // What ends while it opens is tried again by the one that opens it.
    if (this.#peer === undefined) return
    this.#peer = undefined
    this.#retry()
  }

  #retry(): void {
    if (this.#isClosed) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#connect(), RETRY_MS)
  }
}
