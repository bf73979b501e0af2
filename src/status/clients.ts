/** The clients that are connected, with their figures. */
import type { AnyConnection } from '../connection.js'
import type { NativeClientStatistics } from '../native.js'
import type { ClientStatus } from './messages.js'

/** How many clients `$SYS/topicwire/clients` names. */
export const MOST_CLIENTS = 500
/** How many are looked at for that: a look costs a microsecond or two, and is in nobody's way for ten milliseconds. */
const MOST_EXAMINED = 5_000
const LONGEST_NAME = 256

const versionNames: Readonly<Record<number, string>> = { 3: '3.1', 4: '3.1.1', 5: '5.0' }

/**
 * `most` of those connections whose CONNECT was accepted: the first ones, but where there are more, those before all that
 * lose messages or have many to wait for, the worst first.
 */
export function clientStatuses(
  connections: Iterable<AnyConnection | undefined>,
  statisticsOf: (clientId: string) => NativeClientStatistics | null,
  most: number,
): ClientStatus[] {
  const found: ClientStatus[] = []
  for (const connection of connections) {
    if (found.length >= Math.max(most, MOST_EXAMINED)) break
    if (connection?.accepted === undefined) continue
    const { clientId, username, protocol, remoteAddress, accepted } = connection
    const figures = statisticsOf(clientId)
    found.push({
      clientId: clientId.slice(0, LONGEST_NAME),
      ...(username !== undefined && { username: username.slice(0, LONGEST_NAME) }),
      protocol,
      version: versionNames[accepted.version] ?? '',
      remoteAddress,
      connectedSinceMs: accepted.atMs,
      subscriptions: figures?.subscriptions ?? 0,
      queuedMessages: figures?.queuedMessages ?? 0,
      queuedBytes: figures?.queuedBytes ?? 0,
      inflightMessages: figures?.inflightMessages ?? 0,
      outBufferBytes: figures?.outBufferBytes ?? 0,
      droppedMessages: figures?.droppedMessages ?? 0,
    })
  }
  if (found.length <= most) return found
  return found
    .sort(
      (one, other) =>
        other.droppedMessages - one.droppedMessages ||
        other.queuedBytes + other.outBufferBytes - (one.queuedBytes + one.outBufferBytes),
    )
    .slice(0, most)
}
