/** paho-mqtt: one Python process per generation, driven over stdin and stdout (python/peer.py). */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { findPeer } from '../../support/peers.js'
import type { BrokerAddress, BrokerUnderTest, Scheme } from '../broker-under-test.js'
import { Inbox, type Peer, type PublishOptions, type Qos, type Received } from './peer.js'

export type Generation = 1 | 2
/** The numbers that CONNECT carries. */
export type ProtocolVersion = 4 | 5

/** Property values under paho's names: `UserProperty`, `ContentType`; CorrelationData in base64. */
export type PahoProperties = Record<string, string | number | [string, string][]>

export interface PahoClientOptions {
  readonly clientId?: string
  readonly version?: ProtocolVersion
  readonly clean?: boolean
  readonly keepAlive?: number
  readonly username?: string
  readonly password?: string
  readonly properties?: PahoProperties
  readonly will?: { topic: string; payload: Buffer; qos?: Qos; retain?: boolean; properties?: PahoProperties }
  /** Default `mqtt`. With TLS the broker's certificate is the only one that is trusted. */
  readonly scheme?: Scheme
}

export interface Connack {
  readonly reasonCode: number
  readonly sessionPresent: boolean
}

interface Event {
  id?: number
  result?: unknown
  error?: string
  event?: 'message'
  client?: string
  topic: string
  payload: string
  qos: Qos
  retain: boolean
  properties: Record<string, unknown>
}

/** A Python process with any number of paho-mqtt clients in it. */
export class PahoProcess {
  readonly #child: ChildProcess
  readonly #answers = new Map<
    number,
    { resolve: (result: unknown) => void; reject: (error: Error) => void }
  >()
  readonly #inboxes = new Map<string, Inbox>()
  #lastId = 0
  #stderr = ''

  constructor(generation: Generation) {
    const script = fileURLToPath(new URL('../python/peer.py', import.meta.url))
    this.#child = spawn(findPeer(`paho${generation}`) ?? 'python3', ['-u', script], { stdio: 'pipe' })
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString()
    })
    if (this.#child.stdout !== null) {
      createInterface({ input: this.#child.stdout }).on('line', (line) =>
        this.#take(JSON.parse(line) as Event),
      )
    }
    this.#child.on('error', (error) => this.#fail(error))
    this.#child.on('exit', () => this.#fail(new Error(`the Python process has ended\n${this.#stderr}`)))
  }

  async open(broker: BrokerAddress, options: PahoClientOptions = {}): Promise<PahoClient> {
    const { scheme = 'mqtt', will, ...rest } = options
    const isEncrypted = scheme === 'mqtts' || scheme === 'wss'
    const name = `c${this.#lastId + 1}`
    const inbox = new Inbox()
    this.#inboxes.set(name, inbox)
    const connack = (await this.request(name, 'open', {
      host: isEncrypted ? 'localhost' : broker.host,
      port: broker.port,
      clientId: '',
      version: 4,
      ...rest,
      ...(isEncrypted && { certificate: broker.certificate }),
      ...(scheme.startsWith('ws') && { transport: 'websockets' }),
      ...(will && { will: { ...will, payload: will.payload.toString('base64') } }),
    })) as Connack
    return new PahoClient(this, name, inbox, connack)
  }

  request(client: string, op: string, fields: object = {}): Promise<unknown> {
    this.#lastId += 1
    const id = this.#lastId
    return new Promise((resolve, reject) => {
      this.#answers.set(id, { resolve, reject })
      this.#child.stdin?.write(`${JSON.stringify({ id, op, client, ...fields })}\n`)
    })
  }

  /** SIGSTOP: the sockets stay open and nobody is at home. */
  freeze(): void {
    this.#child.kill('SIGSTOP')
  }

  /** SIGKILL: the kernel closes the sockets and no client says goodbye. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exit = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exit
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exit = once(this.#child, 'exit')
    this.#child.stdin?.end()
    const impatience = setTimeout(() => this.#child.kill('SIGKILL'), 2_000)
    await exit
    clearTimeout(impatience)
  }

  #take(line: Event): void {
    if (line.event === 'message') {
      this.#inboxes.get(line.client ?? '')?.push(received(line))
      return
    }
    const answer = this.#answers.get(line.id ?? 0)
    this.#answers.delete(line.id ?? 0)
    if (line.error === undefined) answer?.resolve(line.result)
    else answer?.reject(new Error(`paho-mqtt: ${line.error}${this.#stderr && `\n${this.#stderr}`}`))
  }

  #fail(error: Error): void {
    for (const { reject } of this.#answers.values()) reject(error)
    this.#answers.clear()
  }
}

export class PahoClient {
  readonly inbox: Inbox
  readonly connack: Connack
  readonly #process: PahoProcess
  readonly #name: string

  constructor(process: PahoProcess, name: string, inbox: Inbox, connack: Connack) {
    this.#process = process
    this.#name = name
    this.inbox = inbox
    this.connack = connack
  }

  /** The Reason Codes of the SUBACK. */
  async subscribe(topicFilter: string, qos: Qos): Promise<number[]> {
    const answer = await this.#process.request(this.#name, 'subscribe', { filter: topicFilter, qos })
    return (answer as { granted: number[] }).granted
  }

  async unsubscribe(topicFilter: string): Promise<void> {
    await this.#process.request(this.#name, 'unsubscribe', { filter: topicFilter })
  }

  async publish(
    topic: string,
    payload: Buffer,
    options: PublishOptions & { properties?: PahoProperties } = {},
  ): Promise<void> {
    await this.#process.request(this.#name, 'publish', {
      topic,
      payload: payload.toString('base64'),
      ...options,
    })
  }

  /** With DISCONNECT. */
  async close(): Promise<void> {
    await this.#process.request(this.#name, 'close')
  }

  /** The socket closes and no DISCONNECT is sent. */
  async drop(): Promise<void> {
    await this.#process.request(this.#name, 'drop')
  }
}

function received({ payload, topic, qos, retain, properties }: Event): Received {
  return { payload: Buffer.from(payload, 'base64'), topicName: topic, qos, retain, properties }
}

/** A peer of the matrix: one client publishes, and each subscription is a client of its own. */
export function pahoPeer(generation: Generation, version: ProtocolVersion, scheme: Scheme = 'mqtt'): Peer {
  let process: PahoProcess | undefined
  let publisher: PahoClient | undefined
  let broker: BrokerUnderTest | undefined
  return {
    name: `paho-mqtt ${generation === 1 ? '1.6' : '2'} ${scheme}:// (${version === 5 ? '5.0' : '3.1.1'})`,
    slug: `paho${generation}-${scheme}-v${version}`,
    program: `paho${generation}`,
    async open(underTest) {
      broker = underTest
      process = new PahoProcess(generation)
      publisher = await process.open(underTest, { version, scheme })
    },
    async subscribe(topicFilter, qos) {
      if (process === undefined || broker === undefined) throw new Error('the peer is not open')
      const client = await process.open(broker, { version, scheme })
      const [granted] = await client.subscribe(topicFilter, qos)
      if (granted !== qos) throw new Error(`asked for QoS ${qos}, was granted ${granted}`)
      return { inbox: client.inbox, close: () => client.close() }
    },
    async publish(topicName, payload, options) {
      await publisher?.publish(topicName, payload, options)
    },
    async close() {
      await publisher?.close()
      await process?.close()
    },
  }
}
