/** A client of `/live` that keeps what comes: JSON in, JSON out, and nothing else. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { type ClientOptions, WebSocket } from 'ws'
import { Broker, type BrokerOptions } from '../../src/index.js'
import { until } from '../support/until.js'

/** What the broker has said. */
export type Answer = Record<string, unknown> & { readonly type: string }

const open = new Set<LiveClient>()

/** Ends the connections that a test has left. */
export function terminateAll(): void {
  for (const client of open) client.webSocket.terminate()
  open.clear()
}

export class LiveClient {
  readonly webSocket: WebSocket
  readonly answers: Answer[] = []
  readonly closed: Promise<{ code: number; reason: string }>
  /** What is beneath, once it is open. */
  socket: Socket | undefined
  #lastId = 1_000

  constructor(url: string, options: ClientOptions = {}, protocols: string[] = []) {
    this.webSocket = new WebSocket(url, protocols, options)
    open.add(this)
    this.webSocket.on('upgrade', (response) => {
      this.socket = response.socket
    })
    this.webSocket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) throw new Error('the broker has sent a binary frame')
      this.answers.push(JSON.parse(data.toString()) as Answer)
    })
    this.webSocket.on('error', () => {})
    this.closed = new Promise((resolve) => {
      this.webSocket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }))
    })
  }

  static async open(broker: Broker, options?: ClientOptions): Promise<LiveClient> {
    const client = new LiveClient(liveUrl(broker), options)
    await once(client.webSocket, 'open')
    return client
  }

  /** One that has been let in, by a `connect` with these members. */
  static async connect(broker: Broker, members: Record<string, unknown> = {}): Promise<LiveClient> {
    const client = await LiveClient.open(broker)
    const answer = await client.ask({ type: 'connect', ...members })
    if (answer.type !== 'connected') throw new Error(`not connected: ${JSON.stringify(answer)}`)
    return client
  }

  /** Sends a command, or anything else: text goes as it is. */
  send(command: unknown): void {
    this.webSocket.send(typeof command === 'string' ? command : JSON.stringify(command))
  }

  /** Sends a command and gives the answer with its `id`. */
  async ask(command: Record<string, unknown>): Promise<Answer> {
    this.#lastId += 1
    const id = this.#lastId
    this.send({ ...command, id })
    return this.got((answer) => answer.id === id, `an answer to ${JSON.stringify(command).slice(0, 200)}`)
  }

  /** The first answer, of those that have come and will, which is such a one. */
  got(isIt: (answer: Answer) => boolean, what: string): Promise<Answer> {
    return until(() => this.answers.find(isIt), what)
  }

  /** Messages so far. */
  get messages(): Answer[] {
    return this.answers.filter(({ type }) => type === 'message')
  }

  /** As many messages, once they have come. */
  async gotMessages(count: number): Promise<Answer[]> {
    await until(() => this.messages.length >= count, `${count} messages`)
    return this.messages
  }

  async end(): Promise<void> {
    this.webSocket.close()
    await this.closed
  }
}

/** A broker of one test, which ends with it. */
export async function brokerOfTest(options: BrokerOptions = {}): Promise<Broker> {
  const broker = await Broker.start({ port: 0, host: '127.0.0.1', ...options })
  onTestFinished(() => broker.close({ drainTimeoutMs: 0 }))
  return broker
}

export function portOf(broker: Broker): number {
  return broker.addresses[0]?.port ?? 0
}

export function liveUrl(broker: Broker): string {
  return `ws://127.0.0.1:${portOf(broker)}/live`
}
