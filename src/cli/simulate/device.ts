/** One device: its connection, its values, and its messages when they are due. */
import { connect, type MqttClient } from '../lib/client.js'
import type { ConnectOptions } from '../lib/client-types.js'
import { connectionExit, connectionFailure } from '../lib/failure.js'
import type { Server } from '../lib/server-flags.js'
import type { FleetCounts } from './fleet.js'
import { type Random, randomOf } from './random.js'
import type { Group, Message, PeriodicMessage } from './scenario.js'
import { type LookUp, payloadTemplate, textTemplate } from './template.js'
import { type Generator, generatorOf, type Value } from './values.js'

/** A reconnect storm of a whole fleet helps nobody. */
const RECONNECT_MS = { minimum: 1_000, spread: 4_000 } as const
/** More unacknowledged messages than this: the server does not keep up, and the device goes without. */
const MAXIMUM_OUTSTANDING = 100

/** What a device belongs to. */
export interface Surroundings {
  readonly server: Server
  readonly seed: number
  /** Counted here, for the whole fleet. */
  readonly counts: FleetCounts
  /** A clock that never goes back, in milliseconds, and what it was at the beginning. */
  readonly now: () => number
  readonly startedMs: number
}

interface Publication {
  render(lookUp: LookUp): { readonly topic: string; readonly payload: string }
  readonly message: Message | PeriodicMessage
}

export class Device {
  readonly #surroundings: Surroundings
  readonly #group: Group
  readonly #clientId: string
  readonly #constants: ReadonlyMap<string, Value>
  readonly #generators = new Map<string, Generator>()
  readonly #random: Random
  readonly #timers = new Set<NodeJS.Timeout>()
  #client: MqttClient | undefined
  #isConnected = false
  #outstanding = 0
  #hasEnded = false

  /** `number` counts from 1 within the group. */
  constructor(group: Group, number: number, surroundings: Surroundings) {
    this.#group = group
    this.#surroundings = surroundings
    const { seed } = surroundings
    const naming = new Map<string, Value>([
      ['n', number],
      ['group', group.name],
    ])
    const named = (name: string) => naming.get(name) ?? null
    this.#clientId = textTemplate(group.clientId ?? `${group.name.replaceAll('{', '{{')}-{n}`).render(named)
    this.#constants = naming.set('id', this.#clientId)
    this.#random = randomOf(seed, group.name, number, 'schedule')
    for (const [name, value] of Object.entries(group.values ?? {}))
      this.#generators.set(name, generatorOf(value, randomOf(seed, group.name, number, 'value', name)))
  }

  get clientId(): string {
    return this.#clientId
  }

  /** Connects, and begins to publish. */
  start(): void {
    if (this.#hasEnded) return
    const { server } = this.#surroundings
    const client = connect(server.url, {
      ...server.options,
      ...this.#identity(),
      reconnectPeriod: RECONNECT_MS.minimum + Math.floor(this.#random() * RECONNECT_MS.spread),
      queueQoSZero: false,
    } as ConnectOptions)
    this.#client = client
    this.#listen(client)
    for (const message of this.#group.publish ?? []) this.#schedule(message)
  }

  /** Ends in order: no further messages, what is under way is acknowledged, DISCONNECT. */
  async stop(): Promise<void> {
    this.#hasEnded = true
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
    if (this.#client !== undefined) await this.#client.endAsync(!this.#isConnected)
  }

  /** Gives the connection up. */
  abandon(): void {
    this.#client?.end(true)
  }

  #identity(): Partial<ConnectOptions> {
    const { username, password, keepAliveSecs, will } = this.#group
    const filled = (text: string) => textTemplate(text).render(this.#lookUp(this.#surroundings.startedMs))
    return {
      clientId: this.#clientId,
      ...(username === undefined ? {} : { username: filled(username) }),
      ...(password === undefined ? {} : { password: filled(password) }),
      ...(keepAliveSecs === undefined ? {} : { keepalive: keepAliveSecs }),
      ...(will === undefined ? {} : { will: this.#will(will) }),
    }
  }

  #will(message: Message): NonNullable<ConnectOptions['will']> {
    const { topic, payload } = publicationOf(message).render(this.#lookUp(this.#surroundings.startedMs))
    return { topic, payload: Buffer.from(payload), qos: message.qos ?? 0, retain: message.retain ?? false }
  }

  #listen(client: MqttClient): void {
    const { counts, server } = this.#surroundings
    const filters = (this.#group.subscribe ?? []).map((filter) =>
      textTemplate(filter).render(this.#lookUp(this.#surroundings.startedMs)),
    )
    client.on('connect', () => {
      this.#isConnected = true
      counts.connected += 1
      counts.everConnected += 1
      if (filters.length > 0) client.subscribe(filters, { qos: 1 }, (error) => this.#failed(error))
      for (const message of this.#group.onConnect ?? []) this.#publish(publicationOf(message))
    })
    client.on('close', () => {
      if (this.#isConnected) counts.connected -= 1
      if (this.#isConnected && !this.#hasEnded) counts.lost += 1
      this.#isConnected = false
    })
    client.on('message', () => {
      counts.received += 1
    })
    client.on('error', (error) => {
      counts.trouble = connectionFailure(server.name, error)
      counts.troubleCause = connectionExit(server.name, error, client.protocolVersion)
    })
  }

  /**
   * Messages are due by the clock, a jitter to either side of every period, and not a period after the last one: a
   * device that is late does not stay behind. The first comes within the first period, for each device at another time.
   */
  #schedule(message: PeriodicMessage): void {
    const { now } = this.#surroundings
    const publication = publicationOf(message)
    const periodMs = message.periodSecs * 1_000
    const jitterMs = (message.jitterSecs ?? 0) * 1_000
    let due = now() + this.#random() * periodMs
    const plan = () => {
      const at = due + (2 * this.#random() - 1) * jitterMs
      const timer = setTimeout(
        () => {
          this.#timers.delete(timer)
          this.#publish(publication)
          due += periodMs
          // After a sleep of the machine the missed messages are not made up for.
          if (due < now() - periodMs) due = now()
          plan()
        },
        Math.max(0, at - now()),
      )
      this.#timers.add(timer)
    }
    plan()
  }

  #publish({ render, message }: Publication): void {
    const { counts, now } = this.#surroundings
    // Drawn even where it cannot be sent: what a device says next does not depend on the network.
    const { topic, payload } = render(this.#lookUp(now()))
    if (this.#client === undefined || !this.#isConnected || this.#outstanding >= MAXIMUM_OUTSTANDING) {
      counts.missed += 1
      return
    }
    const { qos = 0, retain = false } = message
    counts.sent += 1
    this.#outstanding += 1
    this.#client.publish(topic, payload, { qos, retain }, (error) => {
      this.#outstanding -= 1
      this.#failed(error)
    })
  }

  #failed(error: Error | null | undefined): void {
    // What was under way when a connection broke is counted with the connection.
    if (!error || this.#hasEnded || !this.#isConnected) return
    const { counts, server } = this.#surroundings
    counts.failed += 1
    counts.trouble = connectionFailure(server.name, error)
  }

  /** The values of one message: each is drawn once, however often it stands there. */
  #lookUp(nowMs: number): LookUp {
    const drawn = new Map<string, Value>(this.#constants)
    const elapsedSecs = (nowMs - this.#surroundings.startedMs) / 1_000
    return (name) => {
      const known = drawn.get(name)
      if (known !== undefined) return known
      const value = this.#generators.get(name)?.(Date.now(), elapsedSecs) ?? null
      drawn.set(name, value)
      return value
    }
  }
}

function publicationOf(message: Message | PeriodicMessage): Publication {
  const topic = textTemplate(message.topic)
  const payload = payloadTemplate(message.payload)
  return {
    message,
    render: (lookUp) => ({ topic: topic.render(lookUp), payload: payload.render(lookUp) }),
  }
}
