/** The ways to send a message that are compared: what each is called, how it is reached, and what it can do. */

export type Qos = 0 | 1 | 2

/** What is spoken. */
export type Protocol = 'mqtt' | 'live' | 'topic' | 'bare'

/** Where a server listens for one way. */
export interface Place {
  readonly host: string
  readonly port: number
  readonly tls: boolean
  /** What the request of a WebSocket says; unused on a bare stream. */
  readonly path: string
  readonly username?: string | undefined
  readonly password?: string | undefined
}

export interface Way {
  /** For machines: `mqtt`, `mqtt-tls`, `mqtt-ws`, … */
  readonly id: string
  /** For people. */
  readonly name: string
  readonly protocol: Protocol
  readonly carrier: 'stream' | 'websocket'
  readonly tls: boolean
  /** The levels of QoS that it has; 0 alone where it promises nothing. */
  readonly qos: readonly Qos[]
  /** A publisher of this way gets its own messages as well. */
  readonly hearsItself: boolean
}

const KINDS: readonly Omit<Way, 'tls'>[] = [
  {
    id: 'mqtt',
    name: 'MQTT',
    protocol: 'mqtt',
    carrier: 'stream',
    qos: [0, 1, 2],
    hearsItself: false,
  },
  {
    id: 'mqtt-ws',
    name: 'MQTT over WebSocket',
    protocol: 'mqtt',
    carrier: 'websocket',
    qos: [0, 1, 2],
    hearsItself: false,
  },
  { id: 'live', name: '/live', protocol: 'live', carrier: 'websocket', qos: [0, 1], hearsItself: false },
  { id: 'topic', name: 'topic URL', protocol: 'topic', carrier: 'websocket', qos: [0], hearsItself: true },
  {
    id: 'bare',
    name: 'bare WebSocket',
    protocol: 'bare',
    carrier: 'websocket',
    qos: [0],
    hearsItself: false,
  },
]

/** All of them, those without TLS first. */
export const WAYS: readonly Way[] = [false, true].flatMap((tls) =>
  KINDS.map((kind) => ({
    ...kind,
    tls,
    id: tls ? `${kind.id}-tls` : kind.id,
    name: tls ? `${kind.name}, TLS` : kind.name,
  })),
)

/** The path of the WebSocket for a topic, where the path says it. */
export function pathFor(way: Way, place: Place, topic: string): string {
  if (way.protocol === 'topic') return `/topics/${encodeURI(topic)}`
  if (way.protocol === 'bare') return `/${encodeURI(topic)}`
  return place.path
}
