/**
 * The requests of one connection of `/live`. All share one subscription, to a Response Topic of the client's own;
 * Correlation Data says which request an answer belongs to. src/client/request.ts does the same for MQTT clients.
 */
import { createHmac, randomBytes } from 'node:crypto'
import type { PublishProperties } from '../codec/properties.js'
import type { PublishPacket } from '../codec/publish.js'
import { codeOf, messageMembers, type WebError } from './answers.js'
import { payloadOf, type RequestCommand } from './commands.js'
import { isRefusal, type PacketHalf } from './packets.js'

const DEFAULT_TIMEOUT_MS = 30_000
const NO_MATCHING_SUBSCRIBERS = 0x10
const UNSPECIFIED = 0x80
const QUOTA_EXCEEDED = 0x97
const PREFIX = 'responses/'
/** Makes Response Topics that nobody guesses, and the same one each time that a session is resumed. */
const SECRET = randomBytes(32)

/** Where requests are answered. */
export interface RequestListener {
  onResponse(id: number, members: string): void
  onRequestFailed(id: number, error: WebError): void
}

interface Pending {
  readonly id: number
  readonly timer: NodeJS.Timeout
}

/** See the head of this file. Made once the Client Identifier is known. */
export class Requests {
  readonly #packets: PacketHalf
  readonly #listener: RequestListener
  readonly #most: number
  readonly #responseTopic: string
  readonly #pending = new Map<number, Pending>()
  #lastNumber = 0
  /** Requests that wait for the subscription; undefined once it is there, or before it is asked for. */
  #waiting: (() => void)[] | undefined
  #isSubscribed = false

  /** @param most how many may wait for their answers. */
  constructor(packets: PacketHalf, listener: RequestListener, clientId: string, most: number) {
    this.#packets = packets
    this.#listener = listener
    this.#most = most
    const secret = createHmac('sha256', SECRET).update(clientId).digest('base64url').slice(0, 22)
    this.#responseTopic = `${PREFIX}${cutName(clientId)}/${secret}`
  }

  request(command: RequestCommand): void {
    if (this.#pending.size >= this.#most) {
      const text = `${this.#most} requests wait for their answers already.`
      this.#listener.onRequestFailed(command.id, {
        code: 'ERR_MQTT_QUOTA_EXCEEDED',
        reasonCode: QUOTA_EXCEEDED,
        text,
      })
      return
    }
    const { timeoutMs = DEFAULT_TIMEOUT_MS } = command
    this.#lastNumber += 1
    const number = this.#lastNumber
    const timer = setTimeout(() => {
      const text = `Nobody answered in ${timeoutMs} ms.`
      this.#fail(number, { code: 'ERR_MQTT_REQUEST_TIMEOUT', reasonCode: UNSPECIFIED, text })
    }, timeoutMs)
    this.#pending.set(number, { id: command.id, timer })
    if (this.#isSubscribed) this.#send(command, number)
    else this.#subscribeFirst(() => this.#send(command, number))
  }

  /** Takes what came to the Response Topic. False for any other message. */
  takes(packet: PublishPacket): boolean {
    if (packet.topicName !== this.#responseTopic) return false
    if (packet.packetId !== undefined) this.#packets.acknowledge(packet.packetId, packet.qos)
    const data = packet.properties.correlationData
    const number = data?.length === 6 ? data.readUIntBE(0, 6) : 0
    const pending = this.#end(number)
    if (pending !== undefined) this.#listener.onResponse(pending.id, messageMembers(packet, ''))
    return true
  }

  close(): void {
    for (const { timer } of this.#pending.values()) clearTimeout(timer)
    this.#pending.clear()
    this.#waiting = undefined
  }

  #subscribeFirst(then: () => void): void {
    if (this.#waiting !== undefined) {
      this.#waiting.push(then)
      return
    }
    this.#waiting = [then]
    const filter = { topicFilter: this.#responseTopic, qos: 1, retainHandling: 2 } as const
    this.#packets.subscribe(filter, undefined, (reasonCode, reasonString) => {
      const waiting = this.#waiting ?? []
      this.#waiting = undefined
      this.#isSubscribed = !isRefusal(reasonCode)
      if (this.#isSubscribed) {
        for (const send of waiting) send()
        return
      }
      const text = reasonString ?? `The subscription to ${this.#responseTopic} is refused.`
      const error: WebError = { code: codeOf(reasonCode, 'ERR_MQTT_SUBSCRIBE_REFUSED'), reasonCode, text }
      // Without a subscription all of them have waited for it.
      for (const number of [...this.#pending.keys()]) this.#fail(number, error)
    })
  }

  #send(command: RequestCommand, number: number): void {
    // It may have timed out while the subscription was on its way.
    if (!this.#pending.has(number)) return
    const correlationData = Buffer.alloc(6)
    correlationData.writeUIntBE(number, 0, 6)
    const { contentType, messageExpiryIntervalSecs, userProperties } = command
    const properties: PublishProperties<Uint8Array> = {
      responseTopic: this.#responseTopic,
      correlationData,
      contentType,
      messageExpiryIntervalSecs,
      userProperties,
    }
    const packet = { topicName: command.topic, payload: payloadOf(command), qos: 1, properties } as const
    this.#packets.publish(packet, (reasonCode, reasonString) => {
      if (reasonCode === NO_MATCHING_SUBSCRIBERS) {
        const text = `Nobody subscribes to ${command.topic}, so nobody can answer.`
        this.#fail(number, { code: 'ERR_MQTT_NO_RESPONDER', reasonCode, text })
      } else if (isRefusal(reasonCode)) {
        const text = reasonString ?? 'The broker does not take the request.'
        this.#fail(number, { code: codeOf(reasonCode, 'ERR_MQTT_PUBLISH_REFUSED'), reasonCode, text })
      }
    })
  }

  #fail(number: number, error: WebError): void {
    const pending = this.#end(number)
    if (pending !== undefined) this.#listener.onRequestFailed(pending.id, error)
  }

  #end(number: number): Pending | undefined {
    const pending = this.#pending.get(number)
    clearTimeout(pending?.timer)
    this.#pending.delete(number)
    return pending
  }
}

/** Whether it may be the Response Topic of a client of `/live`. */
export function isResponseTopic(topicName: string): boolean {
  return topicName.startsWith(PREFIX)
}

/** A Client Identifier as one level of a topic, and not a long one. */
function cutName(clientId: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: U+0000 has no place in a topic name
  return clientId.slice(0, 128).replace(/[/+#\u0000]|\p{Surrogate}/gu, '_')
}
