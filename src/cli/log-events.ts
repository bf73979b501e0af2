/**
 * The broker's events as log lines: one for each client that comes, goes or is refused. What listeners and hooks have
 * to say they log themselves. Dropped messages are summed up, because there is no end to them when there is one.
 */
import type { Broker } from '../broker.js'
import type { ClientInfo, DropEvent } from '../broker-events.js'
import type { ProtocolVersion } from '../hooks/types.js'
import type { Logger } from '../logger.js'

/** How often dropped messages are reported, and for how many clients by name. */
const DROP_REPORT_MS = 10_000
const DROP_REPORT_CLIENTS = 20

const versionNames: Readonly<Record<ProtocolVersion, string>> = { 3: '3.1', 4: '3.1.1', 5: '5.0' }

/** Connects the broker's events with the log; it stays so until the broker closes. */
export function logEvents(broker: Pick<Broker, 'on'>, logger: Logger): void {
  broker.on('connect', (event) => {
    const { version, cleanStart, sessionPresent, keepAliveSecs } = event
    const session = sessionPresent ? 'resumed' : 'new'
    logger.info({ ...who(event), version: versionNames[version], session }, 'Client connected.')
    logger.debug({ clientId: event.clientId, cleanStart, keepAliveSecs }, 'Connection options.')
  })
  broker.on('disconnect', (event) => {
    const { reason, detail } = event
    logger.info({ ...who(event), reason, ...(detail !== undefined && { detail }) }, 'Client disconnected.')
  })
  broker.on('reauthenticate', (event) => {
    const { reasonCode, reason, detail } = event
    if (reasonCode === 0) logger.info(who(event), 'Client authenticated again.')
    else logger.warn({ ...who(event), reason, detail }, 'Client failed to authenticate again.')
  })
  broker.on('refuse', (event) => {
    logger.warn({ ...who(event), reason: event.reason, detail: event.detail }, 'Client refused.')
  })
  broker.on('protocolError', (event) => {
    logger.warn({ ...who(event), reason: event.reason, detail: event.detail }, 'Client broke the protocol.')
  })
  broker.on('subscribe', ({ clientId, topicFilter, qos }) => {
    logger.debug({ clientId, topicFilter, qos }, 'Subscribed.')
  })
  broker.on('unsubscribe', ({ clientId, topicFilter }) => {
    logger.debug({ clientId, topicFilter }, 'Unsubscribed.')
  })
  logDrops(broker, logger)
}

function who({ clientId, username, remoteAddress, protocol }: ClientInfo): object {
  return { clientId, ...(username === undefined ? {} : { username }), peer: remoteAddress, protocol }
}

function logDrops(broker: Pick<Broker, 'on'>, logger: Logger): void {
  const drops = new Map<string, DropEvent>()
  let timer: NodeJS.Timeout | undefined
  const report = () => {
    timer = undefined
    for (const drop of [...drops.values()].slice(0, DROP_REPORT_CLIENTS)) {
      logger.warn(drop, 'Messages for a client were dropped.')
    }
    if (drops.size > DROP_REPORT_CLIENTS) {
      logger.warn({ clients: drops.size - DROP_REPORT_CLIENTS }, 'Messages for further clients were dropped.')
    }
    drops.clear()
  }
  broker.on('drop', (event) => {
    const count = (drops.get(event.clientId)?.count ?? 0) + event.count
    drops.set(event.clientId, { ...event, count })
    timer ??= setTimeout(report, DROP_REPORT_MS).unref()
  })
  broker.on('close', () => {
    clearTimeout(timer)
    report()
  })
}
