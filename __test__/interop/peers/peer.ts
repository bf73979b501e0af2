/**
 * What every peer of the matrix can do, whichever language and version it is in. A peer is data plus four functions,
 * so that the matrix is a loop over an array and a new peer is one more entry in `peers/all.ts`.
 */
import type { PeerName } from '../../support/peers.js'
import type { BrokerUnderTest } from '../broker-under-test.js'

export type Qos = 0 | 1 | 2

/** A message as a peer saw it. What the peer's interface does not show is absent. */
export interface Received {
  readonly payload: Buffer
  readonly topicName?: string
  readonly qos?: Qos
  readonly retain?: boolean
  /** Marked as sent before. */
  readonly dup?: boolean
  readonly properties?: Readonly<Record<string, unknown>>
}

export interface PublishOptions {
  readonly qos?: Qos
  readonly retain?: boolean
}

export interface Subscription {
  readonly inbox: Inbox
  close(): Promise<void>
}

export interface Peer {
  /** As it stands in the name of a test: `paho-mqtt 2 (5.0)`. */
  readonly name: string
  /** As it stands in a topic name: letters, digits and `-`. */
  readonly slug: string
  /** The program that must be installed, or undefined when the peer comes with `npm install`. */
  readonly program: PeerName | undefined
  /** Starts what lives as long as the peer: a process, a connection, a browser. */
  open(broker: BrokerUnderTest): Promise<void>
  /** Resolves when the broker has granted the subscription. */
  subscribe(topicFilter: string, qos: Qos): Promise<Subscription>
  /** Resolves when the message is acknowledged, or handed to the operating system at QoS 0. */
  publish(topicName: string, payload: Buffer, options?: PublishOptions): Promise<void>
  close(): Promise<void>
}

/** Messages in the order of their arrival, and a way to wait for one of them. */
export class Inbox {
  readonly received: Received[] = []
  readonly #waiting = new Set<{
    fits: (message: Received) => boolean
    resolve: (message: Received) => void
  }>()

  push(message: Received): void {
    this.received.push(message)
    for (const waiter of this.#waiting) {
      if (!waiter.fits(message)) continue
      this.#waiting.delete(waiter)
      waiter.resolve(message)
    }
  }

  /** The first message that fits, whether it is here already or still to come; rejects after `timeoutMs`. */
  find(fits: (message: Received) => boolean, timeoutMs = 5_000): Promise<Received> {
    const here = this.received.find(fits)
    if (here !== undefined) return Promise.resolve(here)
    return new Promise((resolve, reject) => {
      const waiter = { fits, resolve: settle }
      const timer = setTimeout(() => {
        this.#waiting.delete(waiter)
        reject(new Error(`no such message in ${timeoutMs} ms; here are ${describe(this.received)}`))
      }, timeoutMs)
      this.#waiting.add(waiter)
      function settle(message: Received): void {
        clearTimeout(timer)
        resolve(message)
      }
    })
  }

  findPayload(payload: Buffer, timeoutMs?: number): Promise<Received> {
    return this.find((message) => message.payload.equals(payload), timeoutMs)
  }

  /** Resolves with the first `count` messages once so many have come. */
  async take(count: number, timeoutMs?: number): Promise<Received[]> {
    if (this.received.length < count) await this.find(() => this.received.length >= count, timeoutMs)
    return this.received.slice(0, count)
  }

  countOf(payload: Buffer): number {
    return this.received.filter((message) => message.payload.equals(payload)).length
  }
}

function describe(messages: readonly Received[]): string {
  if (messages.length === 0) return 'none'
  const last = messages.slice(-10).map(({ payload }) => JSON.stringify(payload.subarray(0, 60).toString()))
  return `${messages.length}, the last ones ${last.join(', ')}`
}
