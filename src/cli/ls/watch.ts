/** The connection behind `ls`: subscribes, and puts what comes into the tree. */
import { connect, type MqttClient } from '../lib/client.js'
import type { ReceivedPacket } from '../lib/client-types.js'
import { EXIT_FAILURE, Exit, wrongUsage } from '../lib/exit.js'
import { connectionExit, connectionFailure } from '../lib/failure.js'
import { payloadText } from '../lib/plain-text.js'
import type { Server } from '../lib/server-flags.js'
import type { TopicOrder, TopicTree } from './topic-tree.js'

/** What is watched. */
export interface Watched {
  readonly server: Server
  readonly filters: readonly string[]
  readonly maximumTopics: number
  readonly order: TopicOrder
}

/** More than a screen shows of a value. */
const MAXIMUM_VALUE_BYTES = 256

/** What happens to the connection. */
export interface WatchEvents {
  /** Connected and subscribed; again after each reconnect. */
  onReady(): void
  /** Something is wrong; one sentence. The client goes on trying. */
  onTrouble(sentence: string): void
  /** The first connection failed, or the server refuses the subscription: there is no use in trying. */
  onFailure(exit: Exit): void
}

/** @throws Exit for what is no topic filter. */
export function checkFilters(filters: readonly string[]): void {
  for (const filter of filters) {
    if (!isFilter(filter))
      throw wrongUsage(
        `'${filter}' is no topic filter: # stands alone at the end, + alone between slashes, and it is not empty.`,
      )
  }
}

/** Connects, and fills `tree` until `stop`. */
export function watch(watched: Watched, tree: TopicTree, events: WatchEvents): { stop(): void } {
  const { server, filters } = watched
  let wasReady = false
  const client: MqttClient = connect(server.url, {
    ...server.options,
    reconnectPeriod: 1_000,
    resubscribe: false,
  })
  client.on('connect', () => {
    client.subscribe([...filters], { qos: 0 }, (error, granted) => {
      if (client.disconnecting) return
      const refused = granted?.find(({ qos }) => qos >= 0x80)
      if (refused !== undefined) {
        events.onFailure(connectionExit(server.name, error, client.protocolVersion))
        return
      }
      if (error) return events.onTrouble(connectionFailure(server.name, error))
      wasReady = true
      events.onReady()
    })
  })
  client.on('message', (topic: string, payload: Buffer, { qos, retain }: ReceivedPacket) => {
    const value = payloadText(payload, MAXIMUM_VALUE_BYTES)
    tree.add(topic, { value, bytes: payload.length, qos, retain, atMs: performance.now() })
  })
  client.on('error', (error) => {
    if (wasReady) events.onTrouble(connectionFailure(server.name, error))
    else events.onFailure(connectionExit(server.name, error, client.protocolVersion))
  })
  client.on('close', () => {
    if (client.disconnecting) return
    if (wasReady) events.onTrouble(`The connection to ${server.name} is lost; trying again.`)
    else events.onFailure(new Exit(EXIT_FAILURE, `${server.name} has closed the connection.`))
  })
  return { stop: () => void client.end(true) }
}

/** Section 4.7 of the standard. */
function isFilter(filter: string): boolean {
  if (filter === '' || filter.includes('\0') || Buffer.byteLength(filter) > 65_535) return false
  const levels = filter.split('/')
  return levels.every((level, index) => {
    if (level === '+' || (level === '#' && index === levels.length - 1)) return true
    return !level.includes('#') && !level.includes('+')
  })
}
