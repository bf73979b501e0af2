/**
 * A running broker, and clients that do what the steps of an exchange say.
 *
 * Steps of different clients come over different connections and still happen in the order in which they are written:
 * what was sent is waited for until the broker has taken it.
 */
import { Broker, type BrokerOptions } from '../../../src/index.js'
import { until } from '../../support/until.js'
import type { Version } from './notation.js'
import { hex, type Pattern, packetLength, type Variables } from './pattern.js'
import type { Action, Step } from './steps.js'
import { dial, type TransportName, type Wire } from './wire.js'

/** Runs the steps against a broker of their own. @throws Error with the step that went otherwise. */
export async function converse(
  steps: readonly Step[],
  transport: TransportName,
  version: Version,
  options: BrokerOptions = {},
): Promise<void> {
  const broker = await Broker.start({ port: 0, host: '127.0.0.1', sysIntervalSecs: 0, status: false, ...options })
  const conversation = new Conversation(broker, transport, version)
  try {
    for (const { text, action } of steps) {
      await conversation.run(action).catch((error: Error) => {
        throw new Error(`${text}: ${error.message}`, { cause: error })
      })
    }
  } finally {
    conversation.cutAll()
    await broker.close({ drainTimeoutMs: 0 })
  }
}

class Conversation {
  readonly #broker: Broker
  readonly #transport: TransportName
  readonly #version: Version
  readonly #wires = new Map<string, Wire>()
  readonly #variables: Variables = new Map()
  #sentBytes = 0

  constructor(broker: Broker, transport: TransportName, version: Version) {
    this.#broker = broker
    this.#transport = transport
    this.#version = version
  }

  async run(action: Action): Promise<void> {
    switch (action.does) {
      case 'connects':
        await this.#send(action.client, action.connect.bytes(this.#variables))
        return this.#gets(action.client, action.connack)
      case 'sends':
        return this.#send(action.client, action.packets.bytes(this.#variables))
      case 'gets':
        return this.#gets(action.client, action.packets)
      case 'getsAny':
        return this.#getsAny(action.client, action.packets)
      case 'quiet':
        return this.#isQuiet(action.client)
      case 'drops':
        return this.#drops(action.client)
      case 'closed':
        return this.#isClosed(action.client, action.disconnect)
      case 'wait':
        await new Promise((resolve) => setTimeout(resolve, action.ms))
    }
  }

  cutAll(): void {
    for (const wire of this.#wires.values()) wire.cut()
  }

  async #send(client: string, bytes: Buffer): Promise<void> {
    if (bytes.length === 0) return
    let wire = this.#wires.get(client)
    if (wire === undefined) {
      wire = await dial(this.#transport, this.#broker.addresses[0]?.port ?? 0, this.#version)
      this.#wires.set(client, wire)
    }
    const sender = wire
    sender.send(bytes)
    this.#sentBytes += bytes.length
    await until(() => sender.isClosed || this.#takenBytes() >= this.#sentBytes, 'that the broker reads it')
    // What came after the end was not taken.
    this.#sentBytes = this.#takenBytes()
  }

  async #gets(client: string, packets: Pattern): Promise<void> {
    const wire = this.#wire(client)
    await this.#attempt(wire, () => {
      const outcome = packets.compare(wire.unread, this.#variables)
      if (outcome === 'partial') return false
      if ('differsAt' in outcome)
        throw new Error(`got ${hex(wire.unread)}, another byte at ${outcome.differsAt}`)
      wire.unread = wire.unread.subarray(outcome.matched)
      return true
    })
  }

  /** Each packet that comes is one of those that are left. */
  async #getsAny(client: string, packets: readonly Pattern[]): Promise<void> {
    const wire = this.#wire(client)
    for (const left = [...packets]; left.length > 0; ) {
      await this.#attempt(wire, () => {
        const length = packetLength(wire.unread)
        if (length === undefined) return false
        const packet = wire.unread.subarray(0, length)
        const found = left.findIndex((pattern) => {
          const outcome = pattern.compare(packet, this.#variables)
          return outcome !== 'partial' && 'matched' in outcome && outcome.matched === length
        })
        if (found < 0) throw new Error(`got ${hex(wire.unread)}`)
        left.splice(found, 1)
        wire.unread = wire.unread.subarray(length)
        return true
      })
    }
  }

  /** PINGREQ is answered, and nothing came before that. */
  async #isQuiet(client: string): Promise<void> {
    await this.#send(client, Buffer.of(0xc0, 0x00))
    const wire = this.#wire(client)
    await this.#attempt(wire, () => wire.unread.length >= 2)
    if (wire.unread[0] !== 0xd0) throw new Error(`got ${hex(wire.unread)}`)
    wire.unread = wire.unread.subarray(2)
  }

  async #drops(client: string): Promise<void> {
    const before = this.#metric('connections')
    this.#wire(client).cut()
    this.#wires.delete(client)
    await until(() => this.#metric('connections') < before, 'that the broker sees the end')
  }

  async #isClosed(client: string, disconnect: Pattern | undefined): Promise<void> {
    if (disconnect !== undefined) await this.#gets(client, disconnect)
    const wire = this.#wire(client)
    await until(() => wire.isClosed || wire.unread.length > 0, 'the end of the connection')
    if (wire.unread.length > 0) throw new Error(`got ${hex(wire.unread)} besides`)
    wire.cut()
    this.#wires.delete(client)
  }

  /** Waits for what has to come; there is no waiting once the broker has closed. */
  async #attempt(wire: Wire, probe: () => boolean): Promise<void> {
    const shown = () => `got ${hex(wire.unread)}${wire.isClosed ? ' and the end' : ''}`
    const isThere = await until(() => probe() || (wire.isClosed ? 'closed' : false), 'more').catch(
      (error) => {
        throw new Error(`${(error as Error).message}: ${shown()}`)
      },
    )
    if (isThere === 'closed' && !probe()) throw new Error(shown())
  }

  #wire(client: string): Wire {
    const wire = this.#wires.get(client)
    if (wire === undefined) throw new Error(`${client} has no connection`)
    return wire
  }

  #takenBytes(): number {
    return this.#metric('bytesReceived')
  }

  #metric(name: string): number {
    return this.#broker.metrics()[name] ?? 0
  }
}
