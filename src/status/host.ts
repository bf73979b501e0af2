/** What the status topics ask of the broker, answered by its core. */
import type { Core } from '../core.js'
import { MqttError } from '../errors.js'
import type { ProblemRegistry } from '../problems/registry.js'
import { clientStatuses } from './clients.js'
import type { StatusHost } from './topics.js'

/** @param metrics see `Broker.metrics` */
export function statusHost(
  core: Core,
  problems: ProblemRegistry,
  metrics: StatusHost['metrics'],
): StatusHost {
  return {
    hasListener: (topicName) => !core.hasFailed && core.hasListener(topicName),
    publish: (topicName, json) => {
      try {
        core.publish(topicName, Buffer.from(json), 0, false, undefined)
        return true
      } catch (error) {
        // A packet of this size may not be allowed. Whatever else is wrong is told where it belongs.
        if (error instanceof MqttError) return false
        throw error
      }
    },
    metrics,
    clients: (most) => {
      const clients = clientStatuses(core.connections, (clientId) => core.clientStatistics(clientId), most)
      return { count: metrics().clientsConnected ?? 0, clients }
    },
    get problems() {
      return problems.list
    },
    get problemsRevision() {
      return problems.revision
    },
  }
}
