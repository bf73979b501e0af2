/**
 * How the peer speaks to us. `topic` is a topic as a WebSocket URL; `live`, `events` and `publish` are those of
 * docs/web-protocol.md; `stream` is a Duplex that was handed over.
 */
export type Protocol =
  | 'mqtt'
  | 'mqtts'
  | 'ws'
  | 'wss'
  | 'topic'
  | 'live'
  | 'events'
  | 'publish'
  | 'stream'
  | 'memory'
