/**
 * One end of the comparison: a connection of any of the ways, with the same few calls for all of them. Payloads are text
 * that begins with the number of the message, so that every protocol can carry them and every receiver can count.
 */
import { LivePeer } from './live-peer.js'
import { MqttPeer } from './mqtt-peer.js'
import { PlainPeer } from './plain-peer.js'
import type { Place, Qos, Way } from './ways.js'

/** A connection that publishes to one topic, receives from it, or both. */
export interface Peer {
  /** Hands a message over; QoS 1 and 2 are acknowledged later. */
  publish(payload: Buffer): void
  /** What is published meanwhile leaves together, where the carrier can do that. */
  together(work: () => void): void
  /** Takes leave. */
  end(): void
  /** As when a cable is pulled. */
  destroy(): void
}

/** How a peer is to be. */
export interface PeerOptions {
  readonly way: Way
  readonly place: Place
  readonly topic: string
  readonly qos: Qos
  readonly listens: boolean
  readonly clientId: string
  /** Goes on with the session that there is, and leaves one behind. Default false. */
  readonly keepsSession?: boolean
  /** With the number of a message that came. */
  readonly onMessage?: (index: number) => void
  /** With the number of a message of QoS 1 or 2 that is done with. */
  readonly onAcknowledged?: (index: number) => void
  readonly onClose?: () => void
}

const INDEX_DIGITS = 10
/** The shortest payload with a number in it. */
export const LEAST_PAYLOAD_BYTES = INDEX_DIGITS

/** Connects and, where it listens, subscribes. @throws Error with the reason where it cannot. */
export async function openPeer(options: PeerOptions): Promise<Peer> {
  if (options.way.protocol === 'mqtt') return MqttPeer.open(options)
  if (options.way.protocol === 'live') return LivePeer.open(options)
  return PlainPeer.open(options)
}

/** Number `index` with so many bytes in all. */
export function numbered(index: number, payloadBytes: number): Buffer {
  const payload = Buffer.alloc(Math.max(payloadBytes, INDEX_DIGITS), 'x')
  payload.write(String(index).padStart(INDEX_DIGITS, '0'), 'latin1')
  return payload
}

/** The number in a payload; NaN where there is none. */
export function indexIn(payload: Buffer | string): number {
  return Number(
    typeof payload === 'string'
      ? payload.slice(0, INDEX_DIGITS)
      : payload.toString('latin1', 0, INDEX_DIGITS),
  )
}
