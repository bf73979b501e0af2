/** A client of MQTT.js's shape without a server: a test says what comes, and sees what was asked for. */
import { EventEmitter } from 'node:events'
import type { ClientLike, ClientPublishOptions, ReceivedPacket } from '../../src/client/client-like.js'

export interface Published {
  readonly topicName: string
  readonly payload: Buffer
  readonly options: ClientPublishOptions
}

export class FakeClient extends EventEmitter implements ClientLike {
  connected = true
  readonly options: { protocolVersion: number; clientId: string }
  serverProperties: ClientLike['serverProperties']
  readonly subscribed: {
    topicFilter: string
    qos: number
    id: number | undefined
    rh: number | undefined
  }[] = []
  readonly unsubscribed: string[] = []
  readonly published: Published[] = []
  /** What the next calls come to. */
  onSubscribe: (topicFilter: string) => Promise<unknown> = () => Promise.resolve()
  onPublish: (published: Published) => Promise<unknown> = () => Promise.resolve()
  onUnsubscribe: () => Promise<unknown> = () => Promise.resolve()

  constructor(protocolVersion = 5, clientId = 'me') {
    super()
    this.options = { protocolVersion, clientId }
  }

  subscribeAsync(
    topicFilter: string,
    options: Parameters<ClientLike['subscribeAsync']>[1],
  ): Promise<unknown> {
    const { qos, rh, properties } = options
    this.subscribed.push({ topicFilter, qos, id: properties?.subscriptionIdentifier, rh })
    return this.onSubscribe(topicFilter)
  }

  unsubscribeAsync(topicFilter: string): Promise<unknown> {
    this.unsubscribed.push(topicFilter)
    return this.onUnsubscribe()
  }

  publishAsync(
    topicName: string,
    payload: string | Buffer,
    options: ClientPublishOptions = {},
  ): Promise<unknown> {
    const published = { topicName, payload: Buffer.from(payload), options }
    this.published.push(published)
    return this.onPublish(published)
  }

  /** The Subscription Identifier that a filter was subscribed to with. */
  idOf(topicFilter: string): number {
    const found = this.subscribed.findLast((one) => one.topicFilter === topicFilter)?.id
    if (found === undefined) throw new Error(`${topicFilter} has no identifier`)
    return found
  }

  /** A message comes, for the subscriptions with these identifiers. */
  receive(
    topicName: string,
    text: string,
    ids: readonly number[] = [],
    packet: Partial<ReceivedPacket> = {},
  ): void {
    const subscriptionIdentifier = ids.length === 1 ? ids[0] : [...ids]
    const properties = { ...packet.properties, ...(ids.length > 0 && { subscriptionIdentifier }) }
    this.emit('message', topicName, Buffer.from(text), { qos: 0, retain: false, ...packet, properties })
  }
}
