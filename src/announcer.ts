/**
 * Turns the core's events into the broker's: who came, who went, who was refused, what was dropped. Messages and
 * questions, which are many, have ways of their own (broker.ts, hooks/runner.ts).
 */
import type { EventEmitter } from 'node:events'
import type {
  BrokerEvents,
  ClientInfo,
  ConnectEvent,
  DisconnectEvent,
  ReauthenticateEvent,
  RefuseEvent,
} from './broker-events.js'
import type { AnyConnection } from './connection.js'
import { MqttError } from './errors.js'
import { EventKind, type EventReader } from './events.js'
import type { ProtocolVersion } from './hooks/types.js'
import { dropReasonNames, reasonCodeName } from './native.js'

/** Finds the connection that an event is about. */
export type FindConnection = (id: number) => AnyConnection | undefined

/** Hears each event before the broker's owner does. */
export type Hear = <Name extends keyof BrokerEvents>(name: Name, event: BrokerEvents[Name][0]) => void

/**
 * Calls code that is not ours. What it throws is the process's affair, as from any event listener, but not before the
 * rest of this turn's events have been read.
 */
export function tell(call: () => void): void {
  try {
    call()
  } catch (error) {
    process.nextTick(() => {
      throw error
    })
  }
}

/** See the head of this file. */
export class Announcer {
  readonly #emitter: EventEmitter<BrokerEvents>
  readonly #find: FindConnection
  readonly #hear: Hear

  constructor(emitter: EventEmitter<BrokerEvents>, find: FindConnection, hear: Hear) {
    this.#emitter = emitter
    this.#find = find
    this.#hear = hear
  }

  /** Reads one event to its end and emits it. */
  announce(kind: number, reader: EventReader): void {
    if (kind === EventKind.connected) this.#connected(reader)
    else if (kind === EventKind.disconnected) this.#disconnected(reader)
    else if (kind === EventKind.reAuthenticated) this.#reAuthenticated(reader)
    else if (kind === EventKind.refused) this.#refused('refuse', reader)
    else if (kind === EventKind.protocolError) this.#refused('protocolError', reader)
    else if (kind === EventKind.subscribed) this.#subscribed(reader)
    else if (kind === EventKind.unsubscribed) this.#unsubscribed(reader)
    else if (kind === EventKind.dropped) this.#dropped(reader)
    else throw new MqttError('ERR_MQTT_NATIVE_STALE')
  }

  #connected(reader: EventReader): void {
    const connection = this.#find(reader.word())
    const version = reader.byte() as ProtocolVersion
    const flags = reader.byte()
    const keepAliveSecs = reader.short()
    const clientId = reader.string()
    const username = reader.string()
    if (connection !== undefined) {
      connection.clientId = clientId
      connection.accepted = { version, atMs: Date.now() }
      if ((flags & 4) !== 0) connection.username = username
    }
    const event: ConnectEvent = {
      ...clientInfo(connection, clientId),
      version,
      cleanStart: (flags & 1) !== 0,
      sessionPresent: (flags & 2) !== 0,
      keepAliveSecs,
    }
    this.#emit('connect', event)
  }

  #reAuthenticated(reader: EventReader): void {
    const connection = this.#find(reader.word())
    const reasonCode = reader.byte()
    const clientId = reader.string()
    const detail = reader.string()
    const event: ReauthenticateEvent = {
      ...clientInfo(connection, clientId),
      reasonCode,
      reason: reasonCodeName(reasonCode),
      ...(detail !== '' && { detail }),
    }
    this.#emit('reauthenticate', event)
  }

  #disconnected(reader: EventReader): void {
    const connection = this.#find(reader.word())
    const hasReason = reader.byte() === 1
    const reasonCode = reader.byte()
    const clientId = reader.string()
    const detail = reader.string()
    if (connection !== undefined) connection.accepted = undefined
    // For transports that have words of their own for the end.
    if (connection !== undefined && detail !== '') connection.detail = detail
    const event: DisconnectEvent = {
      ...clientInfo(connection, clientId),
      ...(hasReason && { reasonCode }),
      reason: hasReason ? disconnectReason(reasonCode) : 'Connection lost',
      ...(detail !== '' && { detail }),
    }
    this.#emit('disconnect', event)
  }

  #refused(name: 'refuse' | 'protocolError', reader: EventReader): void {
    const connection = this.#find(reader.word())
    const reasonCode = reader.byte()
    const clientId = reader.string()
    const detail = reader.string()
    if (connection !== undefined) connection.detail = detail
    const reason = reasonCodeName(reasonCode)
    const event: RefuseEvent = { ...clientInfo(connection, clientId), reasonCode, reason, detail }
    this.#emit(name, event)
  }

  #subscribed(reader: EventReader): void {
    const qos = reader.byte() as 0 | 1 | 2
    this.#emit('subscribe', { clientId: reader.string(), topicFilter: reader.string(), qos })
  }

  #unsubscribed(reader: EventReader): void {
    this.#emit('unsubscribe', { clientId: reader.string(), topicFilter: reader.string() })
  }

  #dropped(reader: EventReader): void {
    const count = reader.word()
    const reason = dropReasonNames()[reader.byte()] ?? 'unknown'
    this.#emit('drop', { clientId: reader.string(), count, reason })
  }

  #emit<Name extends keyof BrokerEvents>(name: Name, event: BrokerEvents[Name][0]): void {
    this.#hear(name, event)
    // The emitter's own types cannot tell that a generic name and its event belong together.
    const emitter = this.#emitter as EventEmitter
    tell(() => emitter.emit(name, event))
  }
}

function clientInfo(connection: AnyConnection | undefined, clientId: string): ClientInfo {
  const { username, remoteAddress = 'unknown', protocol = 'mqtt' } = connection ?? {}
  return { clientId, ...(username !== undefined && { username }), remoteAddress, protocol }
}

/** 0x00 has several names; in a DISCONNECT it is this one. */
function disconnectReason(reasonCode: number): string {
  return reasonCode === 0 ? 'Normal disconnection' : reasonCodeName(reasonCode)
}
