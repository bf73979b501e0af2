/** A peer that speaks the JSON of `/live`, as docs/web-protocol.md has it. */
import { indexIn, type Peer, type PeerOptions } from './peer.js'
import { openWebSocket, type Pipe } from './pipe.js'

const SUBPROTOCOL = 'topicwire.v1'

/** What is read of what the broker sends. */
interface Said {
  readonly type: string
  readonly id?: number
  readonly payload?: string
  readonly ack?: number
  readonly text?: string
}

export class LivePeer implements Peer {
  readonly #options: PeerOptions
  #pipe: Pipe | undefined
  #id = 0
  /** The numbers of the messages that are not acknowledged, by the id of their command. */
  readonly #unacknowledged = new Map<number, number>()
  #answered: (said: Said) => void = () => undefined
  #failed: (error: Error) => void = () => undefined
  /** The highest `ack` that is still to be sent: one stands for all before it. */
  #due: number | undefined

  private constructor(options: PeerOptions) {
    this.#options = options
  }

  static async open(options: PeerOptions): Promise<Peer> {
    const peer = new LivePeer(options)
    await peer.#open()
    return peer
  }

  publish(payload: Buffer): void {
    const { topic, qos } = this.#options
    const message = { type: 'publish', topic, payload: payload.toString('latin1') }
    if (qos === 0) {
      this.#say(message)
      return
    }
    this.#id += 1
    this.#unacknowledged.set(this.#id, indexIn(payload))
    this.#say({ type: 'publish', id: this.#id, topic, payload: message.payload, qos: 1 })
  }

  together(work: () => void): void {
    this.#pipe?.together(work)
  }

  end(): void {
    this.#say({ type: 'disconnect' })
    this.#pipe?.end()
  }

  destroy(): void {
    this.#pipe?.destroy()
  }

  async #open(): Promise<void> {
    const { place, listens, clientId, keepsSession = false, topic, qos } = this.#options
    this.#pipe = await openWebSocket(place, SUBPROTOCOL, {
      onData: (data) => this.#receive(JSON.parse(data.toString()) as Said),
      onClose: () => {
        this.#failed(new Error('the server has closed the connection'))
        this.#options.onClose?.()
      },
    })
    await this.#ask({
      type: 'connect',
      clientId,
      ...(place.username !== undefined && { username: place.username, password: place.password }),
      ...(keepsSession && { cleanStart: false, sessionExpiryIntervalSecs: 300 }),
    })
    if (listens) await this.#ask({ type: 'subscribe', id: ++this.#id, filter: topic, qos: qos === 0 ? 0 : 1 })
  }

  async #ask(command: object): Promise<void> {
    const said = await new Promise<Said>((resolve, reject) => {
      this.#answered = resolve
      this.#failed = reject
      this.#say(command)
    })
    this.#answered = () => undefined
    this.#failed = () => undefined
    if (said.type === 'error') {
      this.destroy()
      throw new Error(`the server refuses: ${said.text ?? 'it does not say why'}`)
    }
  }

  #say(command: object): void {
    this.#pipe?.send(JSON.stringify(command))
  }

  #receive(said: Said): void {
    if (said.type === 'message') {
      if (said.ack !== undefined) this.#acknowledge(said.ack)
      this.#options.onMessage?.(indexIn(said.payload ?? ''))
      return
    }
    const index = said.id === undefined ? undefined : this.#unacknowledged.get(said.id)
    if (index === undefined || said.id === undefined) this.#answered(said)
    else if (said.type === 'ok') {
      this.#unacknowledged.delete(said.id)
      this.#options.onAcknowledged?.(index)
    }
  }

  /** What came in one turn is acknowledged at its end. */
  #acknowledge(ack: number): void {
    if (this.#due === undefined) {
      setImmediate(() => {
        this.#say({ type: 'ack', ack: this.#due })
        this.#due = undefined
      })
    }
    this.#due = ack
  }
}
