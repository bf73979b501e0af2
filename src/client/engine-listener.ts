/** What an engine tells, and how a connection ends. */
import type { Packet } from '../codec/packets.js'
import type { MqttError } from '../errors.js'
import type { ReceivedPublish } from './received.js'

/** How the protocol says that a connection is over. */
export interface Closing {
  readonly kind:
    | 'requested'
    | 'refused'
    | 'byServer'
    | 'fault'
    | 'connackTimeout'
    | 'pingrespTimeout'
    | 'transport'
  readonly reasonCode: number
  /** What is wrong, of a fault. */
  readonly words: string
  /** The CONNACK or DISCONNECT. */
  readonly packet: Packet | undefined
}

/** Whom an engine tells. Only `message` may run code of the user's at once. */
export interface EngineListener {
  message(message: ReceivedPublish): void
  connected(sessionPresent: boolean, packet: Packet): void
  published(ticket: number, reasonCode: number, packet: () => Packet | undefined): void
  answered(ticket: number, packet: Packet): void
  abandoned(ticket: number, cause: number, words: string): void
  authenticate(packet: Packet): void
  reauthenticated(packet: Packet): void
  refused(code: number, words: string, packet: Buffer, apart: Uint8Array | undefined): void
  /** All output has been handed to the transport, which took it. */
  written(): void
  /** The connection is over; its transport is being closed. */
  closing(closing: Closing): void
  /** The transport is gone. */
  gone(error: MqttError | undefined): void
  /** The store does not do its work. */
  storeTrouble(error: MqttError): void
  /** The native client met a bug and is gone. */
  failed(error: MqttError): void
}
