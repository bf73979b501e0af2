/** What the user subscribes to and publishes by hand, with a log of what came. */
import type { Handler, Link, LinkMessage, Publication } from './link.js'
import { Store } from './store.js'

const MOST_LOGGED = 200

export interface TrialSubscription {
  readonly filter: string
  readonly qos: 0 | 1
  messages: number
  readonly handler: Handler
}

export interface Logged extends LinkMessage {
  readonly number: number
  readonly atMs: number
}

/** See the head of this file. */
export class Trial extends Store {
  readonly subscriptions: TrialSubscription[] = []
  /** The last one first. */
  readonly log: Logged[] = []
  /** What the fields begin with when somebody comes from a topic. */
  draft: Publication = { topic: '', payload: '', qos: 0, retain: false }
  /** What became of the last thing that was done. */
  outcome: { readonly isGood: boolean; readonly text: string } | undefined
  readonly #link: Link
  #lastNumber = 0

  constructor(link: Link) {
    super()
    this.#link = link
  }

  async subscribe(filter: string, qos: 0 | 1): Promise<void> {
    const before = this.subscriptions.find((subscription) => subscription.filter === filter)
    if (before !== undefined) await this.unsubscribe(before)
    const subscription: TrialSubscription = {
      filter,
      qos,
      messages: 0,
      handler: (message) => {
        subscription.messages += 1
        this.#take(message)
      },
    }
    this.subscriptions.push(subscription)
    await this.#say(this.#link.subscribe(filter, qos, subscription.handler), `Subscribed to ${filter}.`, () =>
      this.#remove(subscription),
    )
  }

  async unsubscribe(subscription: TrialSubscription): Promise<void> {
    this.#remove(subscription)
    const { filter, handler } = subscription
    await this.#say(this.#link.unsubscribe(filter, handler), `Unsubscribed from ${filter}.`)
  }

  async publish(publication: Publication): Promise<void> {
    this.draft = publication
    await this.#say(
      this.#link
        .publish(publication)
        .then(({ matching }) =>
          publication.qos === 0
            ? 'Published.'
            : `Published; the broker has taken it${matching ? '' : ', and nobody is subscribed'}.`,
        ),
    )
  }

  clearLog(): void {
    this.log.length = 0
    this.changedByHand()
  }

  #take(message: LinkMessage): void {
    this.#lastNumber += 1
    this.log.unshift({ ...message, number: this.#lastNumber, atMs: Date.now() })
    if (this.log.length > MOST_LOGGED) this.log.pop()
    this.changed()
  }

  #remove(subscription: TrialSubscription): void {
    const at = this.subscriptions.indexOf(subscription)
    if (at >= 0) this.subscriptions.splice(at, 1)
    this.changedByHand()
  }

  async #say(done: Promise<unknown>, text?: string, undo?: () => void): Promise<void> {
    try {
      const said = await done
      this.outcome = { isGood: true, text: text ?? String(said) }
    } catch (error) {
      undo?.()
      this.outcome = { isGood: false, text: error instanceof Error ? error.message : String(error) }
    }
    this.changedByHand()
  }
}
