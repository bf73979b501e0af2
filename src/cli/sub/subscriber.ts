/** What `sub` does with its subscriptions and with each message. */
import { receivedMessage } from '../format/message.js'
import type { ReceivedPublish, SubscriptionGrant } from '../lib/client.js'
import type { ConnectionSettings } from '../lib/connection-flags.js'
import { Exit } from '../lib/exit.js'
import type { Io } from '../lib/io.js'
import type { Printer } from '../lib/printer.js'
import { Session } from '../lib/session.js'
import { matches } from '../lib/topics.js'
import type { SubFlags } from './command.js'

/** Reason Codes of SUBACK from here on are refusals. */
const REFUSED = 0x80

export class Subscriber {
  readonly session: Session
  readonly #settings: ConnectionSettings
  readonly #flags: SubFlags
  readonly #topicFilters: readonly string[]
  readonly #printer: Printer
  /** Removals of retained messages that the server has not taken yet. */
  readonly #removals = new Set<Promise<unknown>>()
  #count = 0
  #isOver = false
  /** The message at hand came after the end. */
  #isLate = false

  constructor(
    settings: ConnectionSettings,
    flags: SubFlags,
    topicFilters: readonly string[],
    printer: Printer,
    io: Io,
  ) {
    this.#settings = settings
    this.#flags = flags
    this.#topicFilters = topicFilters
    this.#printer = printer
    const sink = {
      take: (topic: string, payload: Buffer, packet: ReceivedPublish) => this.#take(topic, payload, packet),
      // What came after the end was not printed; without an acknowledgement the session keeps it.
      whenReady: (ready: () => void) => {
        if (!this.#isLate) printer.whenReady(ready)
      },
    }
    this.session = new Session(settings, io, sink, flags.W)
  }

  /** Never returns: it is over with an `Exit`. */
  async run(): Promise<void> {
    const { session } = this
    await session.connected()
    await session.race(this.#subscribe())
    if (this.#flags.E) throw new Exit(0)
    await session.over
  }

  async #subscribe(): Promise<void> {
    const { client } = this.session
    if (this.#topicFilters.length > 0) {
      const properties = this.#settings.properties.get('subscribe')
      const options = {
        qos: this.#flags.qos ?? 0,
        rap: this.#flags.retainAsPublished ?? false,
        ...(properties !== undefined && { properties }),
      }
      await new Promise<void>((resolve, reject) => {
        client.subscribe([...this.#topicFilters], options, (error, granted = []) => {
          this.#onGranted(error, granted, reject)
          resolve()
        })
      })
    }
    const { unsubscribe } = this.#flags
    if (unsubscribe !== undefined) {
      const properties = this.#settings.properties.get('unsubscribe')
      await client.unsubscribeAsync([...unsubscribe], properties === undefined ? {} : { properties })
    }
  }

  /** A subscription that is refused is waited for in vain: without another one the command ends. */
  #onGranted(
    error: Error | null,
    granted: readonly SubscriptionGrant[],
    reject: (error: Error) => void,
  ): void {
    if (error === null) return
    const refused = granted.filter(({ qos }) => qos >= REFUSED)
    if (refused.length === 0 || refused.length === granted.length) reject(error)
    else for (const { topic } of refused) this.session.warn(`The server refused ${topic}; the others go on.`)
  }

  #take(topic: string, payload: Buffer, packet: ReceivedPublish): void {
    this.#isLate = this.#isOver
    if (this.#isLate) return
    const { retainedOnly, filterOut = [], removeRetained, R: noRetained, randomFilter = 100, C } = this.#flags
    if (retainedOnly && !packet.retain) {
      this.#isLate = true
      this.#finish()
      return
    }
    if (filterOut.some((filter) => matches(filter, topic))) return
    if (removeRetained && packet.retain) this.#remove(topic)
    if (noRetained && packet.retain) return
    if (Math.random() * 100 < randomFilter) this.#printer.print(receivedMessage(topic, payload, packet))
    this.#count++
    if (this.#count === C) this.#finish()
  }

  #remove(topic: string): void {
    const removal = this.session.client.publishAsync(topic, '', { retain: true, qos: 1 })
    this.#removals.add(removal)
    removal.then(
      () => this.#removals.delete(removal),
      (error: unknown) => this.session.stop(this.session.failure(error)),
    )
  }

  #finish(): void {
    this.#isOver = true
    void Promise.allSettled(this.#removals).then(() => this.session.stop(new Exit(0)))
  }
}
