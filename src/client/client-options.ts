/** What a program makes a client with, ends it with, and is called back with. */
import type { Duplex } from 'node:stream'
import type { MqttClient } from './client.js'
import type { PacketInWords } from './client-events.js'
import type { ConnectionOptions } from './dialer.js'
import type { MqttOptions } from './options.js'
import type { PublishReceipt } from './outgoing.js'
import type { SubscriptionGrant } from './subscriptions.js'
import type { GivenUserProperties } from './words.js'

/** All options of a client. */
export interface ClientOptions extends MqttOptions, Omit<ConnectionOptions, keyof MqttOptions> {
  /** Ends the client when it is aborted. */
  readonly signal?: AbortSignal | undefined
}

/** What a DISCONNECT may say: 5.0. */
export interface EndOptions {
  readonly reasonCode?: number | undefined
  readonly properties?:
    | {
        readonly sessionExpiryInterval?: number | undefined
        readonly reasonString?: string | undefined
        readonly userProperties?: GivenUserProperties | undefined
      }
    | undefined
}

export type PublishCallback = (error?: Error | null, receipt?: PublishReceipt) => void
export type SubscribeCallback = (
  error: Error | null,
  granted?: SubscriptionGrant[],
  packet?: PacketInWords,
) => void
export type UnsubscribeCallback = (error?: Error | null, packet?: PacketInWords) => void
export type EndCallback = (error?: Error) => void

/** Gives a stream for each connection. */
export type StreamBuilder = (client: MqttClient) => Duplex | Promise<Duplex>
