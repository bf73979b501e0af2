/**
 * Messages on their way out, and who waits for them. The native client sends, queues and repeats QoS 1 and 2; here is who
 * is told, and the backlog: QoS 0 without a connection or with a transport that is full, and with `queueFullPolicy: 'wait'`
 * what the native queue has no room for.
 */
import { Buffer } from 'node:buffer'
import { encodePublish } from '../codec/encode-publish.js'
import type { Packet } from '../codec/packets.js'
import { MqttError } from '../errors.js'
import { command, flushCommands, publish, type Waiter } from './commands.js'
import type { Engine } from './engine.js'
import { abandonment, byServer, REFUSED, refusal } from './failures.js'
import { NOT_CONNECTED, OUT_BUFFER_FULL, QUEUE_FULL } from './native-clients.js'
import type { CheckedOptions } from './options.js'
import { type GivenPublishProperties, ownProperties } from './words.js'

/** What a publish may say beside topic and payload. */
export interface ClientPublishOptions {
  /** Default 0. */
  readonly qos?: 0 | 1 | 2 | undefined
  readonly retain?: boolean | undefined
  /** Set by the client alone, as the standard has it. Accepted and not looked at. */
  readonly dup?: boolean | undefined
  readonly properties?: GivenPublishProperties | undefined
  /** Takes the message back where it still waits in the queue; otherwise it gives up waiting, and the message may arrive. */
  readonly signal?: AbortSignal | undefined
}

/** What settled a QoS 1 or 2 message. */
export interface PublishReceipt {
  readonly cmd: 'puback' | 'pubcomp'
  /** 0x10: the server took it, and nobody is subscribed. */
  readonly reasonCode: number
}

/** How a publish ended. */
export type PublishDone = (error?: MqttError, receipt?: PublishReceipt) => void

/** Commands that are carried out before the next are looked at. */
const RELEASED_AT_ONCE = 1_000
/** Their bytes: less than the buffer of commands holds. */
const RELEASED_BYTES = 128 * 1024

/** One message that somebody waits for, or that waits itself. */
export class Publication implements Waiter {
  readonly #outgoing: Outgoing
  readonly qos: number
  done: PublishDone | undefined
  packet: Buffer | undefined
  apart: Uint8Array | undefined
  /** In the native client; 0 while it is not there, and with QoS 0. */
  ticket = 0
  /** It is in the backlog. */
  isWaiting = false
  /** It was taken back: it is left out when its turn comes. */
  isWithdrawn = false

  constructor(outgoing: Outgoing, qos: number, done: PublishDone | undefined) {
    this.#outgoing = outgoing
    this.qos = qos
    this.done = done
    this.packet = undefined
    this.apart = undefined
  }

  get bytes(): number {
    return (this.packet?.length ?? 0) + (this.apart?.length ?? 0)
  }

  accepted(ticket: number): void {
    this.packet = undefined
    this.apart = undefined
    this.#outgoing.onAccepted(this, ticket)
  }

  refused(code: number, words: string, packet: Buffer, apart: Uint8Array | undefined): void {
    this.packet ??= Buffer.from(packet)
    this.apart = apart
    this.#outgoing.onRefused(this, code, words)
  }

  fail(error: MqttError): void {
    if (this.done !== undefined) process.nextTick(this.done, error)
  }
}

/** See the head of this file. */
export class Outgoing {
  readonly #engine: Engine
  readonly #options: CheckedOptions
  /** Made with the first: an empty Map takes as much as the rest of this. */
  #byTicket: Map<number, Publication> | undefined
  /** QoS 0 that the native client has written, and that the transport has not taken yet. */
  #unwritten: Publication[] = []
  #backlog: Publication[] = []
  #backlogAt = 0
  #backlogBytes = 0
  /** How many of the backlog were taken back. */
  #withdrawnCount = 0
  /** Those of the release under way that were refused once more. */
  #returned: Publication[] | undefined
  isConnected = false

  constructor(engine: Engine, options: CheckedOptions) {
    this.#engine = engine
    this.#options = options
  }

  /** Messages that wait here. */
  get backlogCount(): number {
    return this.#backlog.length - this.#backlogAt - this.#withdrawnCount
  }

  /** Whether everything that was published has arrived, or left. */
  get isEmpty(): boolean {
    const engine = this.#engine
    return (
      this.backlogCount === 0 &&
      this.#unwritten.length === 0 &&
      engine.queuedCount === 0 &&
      engine.inflightCount === 0
    )
  }

  /**
   * Returns what `withdraw` takes, where there is somebody to be told.
   *
   * @throws MqttError for a message that no packet can carry.
   */
  publish(
    topic: string,
    payload: Uint8Array | string,
    options: ClientPublishOptions | undefined,
    done: PublishDone | undefined,
  ): Publication | undefined {
    const qos = options?.qos ?? 0
    const retain = options?.retain === true
    const properties = options?.properties
    const waiter = done === undefined ? undefined : new Publication(this, qos, done)
    // What was commanded before goes before, and may have to wait itself.
    if (this.#mustWait(qos)) flushCommands()
    const mustWait = this.#mustWait(qos)
    if (!mustWait && properties === undefined && typeof topic === 'string' && isQos(qos)) {
      const isPlain = typeof payload === 'string' || payload instanceof Uint8Array
      if (isPlain && publish(this.#engine, topic, payload, (qos << 1) | (retain ? 1 : 0), waiter)) {
        return waiter
      }
    }
    const packet = encodePublish(
      {
        type: 'publish',
        topicName: topic,
        payload,
        qos,
        retain,
        packetId: qos === 0 ? undefined : 1,
        properties: ownProperties(properties),
      },
      5,
    )
    if (!mustWait) {
      command(this.#engine, packet, waiter)
      return waiter
    }
    const publication = waiter ?? new Publication(this, qos, undefined)
    publication.packet = Buffer.from(packet)
    this.#wait(publication)
    return waiter
  }

  /**
   * Nobody wants the message any more: it is taken out of the queue, here or in the native client. What has left that goes
   * its way, and nobody is told.
   */
  withdraw(publication: Publication): void {
    // What this turn has commanded stands in neither of them yet.
    flushCommands()
    if (publication.isWaiting || this.#returned?.includes(publication) === true) {
      publication.isWithdrawn = true
      if (publication.isWaiting) {
        this.#withdrawnCount += 1
        this.#backlogBytes -= publication.bytes
      }
      publication.packet = undefined
      publication.apart = undefined
      if (this.backlogCount === 0) this.#emptyBacklog()
    } else if (publication.ticket !== 0 && this.#engine.withdraw(publication.ticket)) {
      this.#byTicket?.delete(publication.ticket)
      // There is room in its place.
      if (this.isConnected && this.backlogCount > 0) this.release()
    }
    publication.done = undefined
  }

  #mustWait(qos: number): boolean {
    return this.backlogCount > 0 && (this.isConnected || qos === 0)
  }

  onAccepted(publication: Publication, ticket: number): void {
    if (publication.done === undefined) return
    publication.ticket = ticket
    if (ticket === 0) {
      this.#unwritten.push(publication)
      return
    }
    this.#byTicket ??= new Map()
    this.#byTicket.set(ticket, publication)
  }

  onRefused(publication: Publication, code: number, words: string): void {
    const isOffline = code === NOT_CONNECTED
    const canWait =
      (isOffline && this.#options.queueQoSZero) ||
      code === OUT_BUFFER_FULL ||
      (code === QUEUE_FULL && this.#options.queueFullPolicy === 'wait')
    if (!canWait) publication.fail(refusal(code, words, 'ERR_MQTT_INVALID_TOPIC_NAME'))
    else if (this.#returned === undefined) this.#wait(publication)
    else this.#returned.push(publication)
  }

  /** A message that nobody waits for was refused. */
  onRefusedUnawaited(
    code: number,
    words: string,
    packet: Buffer,
    apart: Uint8Array | undefined,
  ): MqttError | undefined {
    const qos = ((packet[apart === undefined ? 0 : 1] ?? 0) >> 1) & 3
    let problem: MqttError | undefined
    const publication = new Publication(this, qos, undefined)
    publication.fail = (error) => {
      problem = error
    }
    publication.refused(code, words, packet, apart)
    return problem
  }

  onPublished(ticket: number, reasonCode: number, packet: () => Packet | undefined): void {
    const publication = this.#byTicket?.get(ticket)
    if (publication === undefined) return
    this.#byTicket?.delete(ticket)
    const { done, qos } = publication
    if (reasonCode < 0x80) done?.(undefined, { cmd: qos === 1 ? 'puback' : 'pubcomp', reasonCode })
    else done?.(byServer('ERR_MQTT_PUBLISH_REFUSED', REFUSED, reasonCode, packet()))
  }

  /** True where it was a message. */
  onAbandoned(ticket: number, cause: number, words: string): boolean {
    const publication = this.#byTicket?.get(ticket)
    this.#byTicket?.delete(ticket)
    publication?.fail(abandonment(cause, words))
    return publication !== undefined
  }

  /** The transport has taken everything. */
  onWritten(): void {
    if (this.#unwritten.length > 0) {
      const written = this.#unwritten
      this.#unwritten = []
      process.nextTick(() => {
        for (const { done } of written) done?.()
      })
    }
    if (this.backlogCount > 0) this.release()
  }

  /** The connection is gone, and with it what QoS 0 had not left. */
  onLost(): void {
    this.isConnected = false
    const lost = this.#unwritten
    this.#unwritten = []
    for (const publication of lost) publication.fail(new MqttError('ERR_MQTT_CONNECTION_LOST'))
  }

  /** Nothing more comes: whoever waits hears why. */
  failAll(error: MqttError): void {
    const underWay = this.#byTicket?.values() ?? []
    const all = [...this.#unwritten, ...this.#backlog.slice(this.#backlogAt), ...underWay]
    this.#unwritten = []
    this.#emptyBacklog()
    this.#byTicket = undefined
    for (const publication of all) publication.fail(error)
  }

  /** Offers the backlog to the native client, in its order, until that refuses or all is gone. */
  release(): void {
    if (this.#returned !== undefined) return
    flushCommands()
    while (this.isConnected && this.backlogCount > 0 && !this.#engine.isFull) {
      const batch = this.#takeBatch()
      this.#returned = []
      for (const publication of batch) {
        this.#backlogBytes -= publication.bytes
        if (publication.packet !== undefined) {
          command(this.#engine, publication.packet, publication, publication.apart)
        }
      }
      flushCommands()
      const returned: Publication[] = this.#returned.filter(({ isWithdrawn }) => !isWithdrawn)
      this.#returned = undefined
      if (returned.length === 0) continue
      for (const publication of returned) {
        publication.isWaiting = true
        this.#backlogBytes += publication.bytes
      }
      this.#backlog = [...returned, ...this.#backlog.slice(this.#backlogAt)]
      this.#backlogAt = 0
      return
    }
  }

  /**
   * What is carried out in one go, so that nothing is drained between two of it: of two messages the first might be
   * refused and the second not, and overtake it.
   */
  #takeBatch(): Publication[] {
    const start = this.#backlogAt
    let end = start
    let bytes = 0
    for (; end < this.#backlog.length && end - start < RELEASED_AT_ONCE; end += 1) {
      const publication = this.#backlog[end] as Publication
      bytes += publication.bytes
      if (end > start && (publication.apart !== undefined || bytes > RELEASED_BYTES)) break
      if (publication.apart !== undefined || bytes > RELEASED_BYTES) {
        end += 1
        break
      }
    }
    const batch: Publication[] = []
    for (let at = start; at < end; at += 1) {
      const publication = this.#backlog[at] as Publication
      publication.isWaiting = false
      if (publication.isWithdrawn) this.#withdrawnCount -= 1
      else batch.push(publication)
    }
    this.#backlogAt = end
    if (end === this.#backlog.length || end > 10 * RELEASED_AT_ONCE) {
      this.#backlog = this.#backlog.slice(end)
      this.#backlogAt = 0
    }
    return batch
  }

  #emptyBacklog(): void {
    this.#backlog = []
    this.#backlogAt = 0
    this.#backlogBytes = 0
    this.#withdrawnCount = 0
  }

  #wait(publication: Publication): void {
    const { queueFullPolicy, maximumQueuedMessages, maximumQueuedBytes } = this.#options
    const isFull = (): boolean =>
      this.backlogCount > 0 &&
      (this.backlogCount >= maximumQueuedMessages ||
        this.#backlogBytes + publication.bytes > maximumQueuedBytes)
    if (queueFullPolicy === 'reject' && isFull()) {
      publication.fail(new MqttError('ERR_MQTT_QUEUE_FULL'))
      return
    }
    while (queueFullPolicy === 'dropOldest' && isFull()) {
      const oldest = this.#backlog[this.#backlogAt] as Publication
      this.#backlogAt += 1
      oldest.isWaiting = false
      if (oldest.isWithdrawn) {
        this.#withdrawnCount -= 1
        continue
      }
      this.#backlogBytes -= oldest.bytes
      oldest.fail(abandonment(3, ''))
    }
    publication.isWaiting = true
    this.#backlog.push(publication)
    this.#backlogBytes += publication.bytes
  }
}

function isQos(qos: unknown): boolean {
  return qos === 0 || qos === 1 || qos === 2
}
