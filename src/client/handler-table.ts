/**
 * The handlers of one client, and which of them a message is for, by the broker's own topic index.
 *
 * A server may send a message that matches several subscriptions of a client once, or once for each (3.3.4). With
 * Subscription Identifiers (5.0) both are told apart, and each handler gets the message once. Where the server has none,
 * a message goes to every handler whose filter matches its topic, each time it comes.
 *
 * MQTT knows one subscription for a filter. So handlers of the same filter share it: it has the highest QoS of them and
 * is otherwise as the latest wants it. It is made anew for each that comes after it was granted, which brings the retained
 * messages to the newcomer; the others, who have had them, do not get them again.
 */
import { tell } from '../announcer.js'
import { TopicRouter } from '../topic-router.js'
import { type ClientLike, type FilterOptions, ReceivedMessage, type ReceivedPacket } from './client-like.js'

/** Called with each message of a subscription. */
export type ReceivedHandler = (message: ReceivedMessage) => void

/** A handler in the table. */
export interface Entry {
  readonly shared: SharedSubscription
  readonly handler: ReceivedHandler
  /** The SUBSCRIBE that brings it its retained messages. */
  generation: number
  granted: Promise<unknown>
  isOver: boolean
}

/** What handlers of one filter share. */
interface SharedSubscription {
  /** In the router, and as Subscription Identifier. */
  readonly id: number
  readonly topicFilter: string
  /** Without `$share/<name>/`. */
  readonly matched: string
  readonly entries: Set<Entry>
  qos: 0 | 1 | 2
  retainAsPublished: boolean
  /** Whether the server has been given the identifier. */
  isIdentified: boolean
  generation: number
  /** The SUBSCRIBE that waits for its answer, while no retained message has come since it was sent. */
  underway: Underway | undefined
}

interface Underway {
  readonly options: FilterOptions
  readonly granted: Promise<unknown>
}

/** Two bytes of each message. A process begins anywhere, so that it does not take another's identifiers for its own. */
const FIRST_IDENTIFIER = 128
const IDENTIFIER_SPREAD = 8_192
const LAST_IDENTIFIER = 268_435_455

/** All handlers of one client. */
export class HandlerTable {
  static readonly #tables = new WeakMap<ClientLike, HandlerTable>()
  readonly #client: ClientLike
  readonly #router = new TopicRouter()
  readonly #byId = new Map<number, SharedSubscription>()
  readonly #byFilter = new Map<string, SharedSubscription>()
  #lastId = FIRST_IDENTIFIER + Math.floor(Math.random() * IDENTIFIER_SPREAD)
  /** Whether the server passes identifiers on: then a message without one came for another subscription. */
  #passesIdentifiers = false

  private constructor(client: ClientLike) {
    this.#client = client
  }

  static of(client: ClientLike): HandlerTable {
    let table = HandlerTable.#tables.get(client)
    if (table === undefined) {
      table = new HandlerTable(client)
      HandlerTable.#tables.set(client, table)
    }
    return table
  }

  /** Adds a handler and subscribes. `granted` of the entry says what came of it; where that is nothing, it is removed. */
  add(topicFilter: string, handler: ReceivedHandler, options: FilterOptions): Entry {
    const shared = this.#byFilter.get(topicFilter) ?? this.#share(topicFilter)
    if (this.#byId.size === 1 && shared.entries.size === 0) this.#listen()
    const entry: Entry = { shared, handler, generation: 0, granted: Promise.resolve(), isOver: false }
    // Before the SUBSCRIBE, since retained messages may come before its answer.
    shared.entries.add(entry)
    const granted = canJoin(shared.underway, options)
      ? shared.underway.granted
      : this.#subscribe(shared, options)
    entry.generation = shared.generation
    entry.granted = granted.catch((error: unknown) => {
      this.#forget(entry)
      throw error
    })
    return entry
  }

  /** Takes a handler out at once, and unsubscribes where it was the last of its filter. */
  async remove(entry: Entry): Promise<void> {
    if (!this.#forget(entry) || entry.shared.entries.size > 0) return
    await this.#client.unsubscribeAsync(entry.shared.topicFilter)
  }

  #subscribe(shared: SharedSubscription, options: FilterOptions): Promise<unknown> {
    const { nl, rap, rh, qos = 0 } = options
    shared.generation += 1
    shared.qos = Math.max(shared.qos, qos) as 0 | 1 | 2
    shared.retainAsPublished = rap === true
    shared.isIdentified = this.#hasIdentifiers()
    const granted = this.#client.subscribeAsync(shared.topicFilter, {
      qos: shared.qos,
      ...(nl !== undefined && { nl }),
      ...(rap !== undefined && { rap }),
      ...(rh !== undefined && { rh }),
      ...(shared.isIdentified && { properties: { subscriptionIdentifier: shared.id } }),
    })
    const underway = { options: { ...options, qos: shared.qos }, granted }
    shared.underway = underway
    const settled = (): void => {
      if (shared.underway === underway) shared.underway = undefined
    }
    granted.then(settled, settled)
    return granted
  }

  #share(topicFilter: string): SharedSubscription {
    const [, matched = topicFilter] = /^\$share\/[^/]+\/(.+)$/s.exec(topicFilter) ?? []
    this.#lastId = this.#lastId === LAST_IDENTIFIER ? FIRST_IDENTIFIER : this.#lastId + 1
    const shared: SharedSubscription = {
      id: this.#lastId,
      topicFilter,
      matched,
      entries: new Set(),
      qos: 0,
      retainAsPublished: false,
      isIdentified: false,
      generation: 0,
      underway: undefined,
    }
    this.#router.add(matched, shared.id)
    this.#byId.set(shared.id, shared)
    this.#byFilter.set(topicFilter, shared)
    return shared
  }

  /** False where it was gone already. */
  #forget(entry: Entry): boolean {
    const { shared } = entry
    if (!shared.entries.delete(entry)) return false
    entry.isOver = true
    if (shared.entries.size > 0) return true
    this.#router.remove(shared.matched, shared.id)
    this.#byId.delete(shared.id)
    this.#byFilter.delete(shared.topicFilter)
    if (this.#byId.size === 0) {
      this.#client.off('message', this.#onMessage)
      this.#client.off('connect', this.#onConnect)
    }
    return true
  }

  #listen(): void {
    this.#client.on('message', this.#onMessage)
    this.#client.on('connect', this.#onConnect)
  }

  #hasIdentifiers(): boolean {
    const { connected, options, serverProperties } = this.#client
    // Before CONNACK it is not known, and to send one to a server that has none is an error.
    return (
      connected &&
      options.protocolVersion === 5 &&
      serverProperties?.subscriptionIdentifiersAvailable !== false
    )
  }

  /** The server may be another, and where subscriptions are made again, retained messages come for all. */
  readonly #onConnect = (): void => {
    this.#passesIdentifiers = false
    for (const shared of this.#byId.values()) {
      for (const entry of shared.entries) entry.generation = shared.generation
    }
  }

  readonly #onMessage = (topicName: string, payload: Buffer, packet: ReceivedPacket): void => {
    const matching = this.#matching(topicName)
    const identifiers = identifiersOf(packet)
    const ours = identifiers.filter((id) => this.#byId.has(id))
    if (ours.length > 0) this.#passesIdentifiers = true
    // Identifiers that nobody here has are the caller's own, or of a process before this one: they tell nothing.
    const isTold = ours.length > 0 || (identifiers.length === 0 && this.#passesIdentifiers)
    const message = new ReceivedMessage(topicName, payload, packet)
    for (const id of matching) {
      const shared = this.#byId.get(id)
      if (shared === undefined || (isTold && shared.isIdentified && !ours.includes(id))) continue
      const isRepeated = packet.retain && !shared.retainAsPublished
      if (packet.retain) shared.underway = undefined
      // A copy: a handler may take itself out, or another.
      for (const entry of [...shared.entries]) {
        if (entry.isOver || (isRepeated && entry.generation !== shared.generation)) continue
        tell(() => entry.handler(message))
      }
    }
  }

  #matching(topicName: string): readonly number[] {
    try {
      return this.#router.match(topicName)
    } catch {
      // No Topic Name. The client that let it through has its own opinion of it.
      return []
    }
  }
}

/** Whether a newcomer gets all that it wants by a SUBSCRIBE that is under way. */
function canJoin(
  underway: Underway | undefined,
  { qos = 0, nl, rap, rh }: FilterOptions,
): underway is Underway {
  if (underway === undefined) return false
  const { options } = underway
  return (options.qos ?? 0) >= qos && options.nl === nl && options.rap === rap && options.rh === rh
}

function identifiersOf({ properties }: ReceivedPacket): readonly number[] {
  const given = properties?.subscriptionIdentifier
  if (given === undefined) return []
  return typeof given === 'number' ? [given] : given
}
