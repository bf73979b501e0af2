/** A publisher and a subscriber that stay through cuts, whichever client they are made of. */

import type { ProtocolVersion } from '../peers/paho.js'

/** What a subscriber's application was handed: number and QoS, in the order in which it was. */
export interface Handed {
  readonly number: number
  readonly qos: 1 | 2
}

export interface CutPublisher {
  /** Publishes up to this number, excluded: even ones at QoS 1, odd ones at QoS 2, some at a time. */
  publishUpTo(number: number): void
  /** Resolves when so many are acknowledged. */
  finished(count: number): Promise<void>
  close(): Promise<void>
}

export interface CutSubscriber {
  /** Grows as messages come. */
  readonly handed: readonly Handed[]
  close(): Promise<void>
}

export interface CutPair {
  readonly name: string
  readonly protocolVersion: ProtocolVersion
  /** Its publisher doubles or loses a message where a connection is cut before CONNACK: see docs/conformance-suites.md. */
  readonly needsConnack: boolean
  /** Its subscriber does not ask again where its SUBSCRIBE is cut off: see docs/conformance-suites.md. */
  readonly needsSuback: boolean
  /** The program that must be installed, or undefined where the client comes with `npm install`. */
  readonly program: 'paho1' | 'paho2' | undefined
  /** Resolves when the subscription has been granted. */
  subscriber(port: number, clientId: string, topicName: string): Promise<CutSubscriber>
  publisher(port: number, clientId: string, topicName: string): Promise<CutPublisher>
}

/** Messages that a publisher has under way or waiting for a connection. */
export const AT_A_TIME = 30

export const qosOf = (number: number): 1 | 2 => (number % 2 === 0 ? 1 : 2)
