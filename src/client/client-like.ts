/**
 * What the helpers of this folder need of a client: ours has it, and so does MQTT.js's. Their words are MQTT.js's.
 */

/** A message as a client emits it with `message`. */
export interface ReceivedPacket {
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly properties?:
    | {
        readonly subscriptionIdentifier?: number | number[] | undefined
        readonly responseTopic?: string | undefined
        readonly correlationData?: Buffer | undefined
      }
    | undefined
}

/** How a filter is subscribed to. */
export interface FilterOptions {
  /** The highest QoS of its messages. Default 0. */
  readonly qos?: 0 | 1 | 2
  /** No Local: without what this client has published itself. */
  readonly nl?: boolean
  /** Retain As Published: `retain` of a message is what its publisher said. */
  readonly rap?: boolean
  /** Retain Handling: 0 sends the retained messages, 1 only for a new subscription, 2 none. */
  readonly rh?: 0 | 1 | 2
}

/** A client of MQTT.js's shape. */
export interface ClientLike {
  readonly connected: boolean
  readonly options: {
    readonly protocolVersion?: number | undefined
    readonly clientId?: string | undefined
  }
  /** What the server said in CONNACK. */
  readonly serverProperties?:
    | {
        readonly responseInformation?: string | undefined
        readonly subscriptionIdentifiersAvailable?: boolean | undefined
      }
    | undefined
  publishAsync(topicName: string, payload: string | Buffer, options?: ClientPublishOptions): Promise<unknown>
  subscribeAsync(
    topicFilter: string,
    options: FilterOptions & {
      readonly qos: 0 | 1 | 2
      readonly properties?: { readonly subscriptionIdentifier: number }
    },
  ): Promise<unknown>
  unsubscribeAsync(topicFilter: string): Promise<unknown>
  on(event: 'message', listener: MessageListener): unknown
  on(event: 'connect' | 'end', listener: () => void): unknown
  off(event: 'message', listener: MessageListener): unknown
  off(event: 'connect' | 'end', listener: () => void): unknown
}

export type MessageListener = (topicName: string, payload: Buffer, packet: ReceivedPacket) => void

/** How a message is published. */
export interface ClientPublishOptions {
  /** Default 0. */
  readonly qos?: 0 | 1 | 2
  readonly retain?: boolean
  readonly properties?: {
    readonly payloadFormatIndicator?: boolean
    /** Seconds. */
    readonly messageExpiryInterval?: number
    readonly responseTopic?: string
    readonly correlationData?: Buffer
    readonly userProperties?: { [name: string]: string | string[] }
    readonly contentType?: string
  }
  /** Ours takes a message back that still waits; MQTT.js does not look at it. */
  readonly signal?: AbortSignal
}

/** A message that a client has received, for one of its handlers. */
export class ReceivedMessage {
  readonly topicName: string
  readonly payload: Buffer
  /** The packet as the client emits it, with its properties. */
  readonly packet: ReceivedPacket

  constructor(topicName: string, payload: Buffer, packet: ReceivedPacket) {
    this.topicName = topicName
    this.payload = payload
    this.packet = packet
  }

  get qos(): 0 | 1 | 2 {
    return this.packet.qos
  }

  /** True for a message that was retained before the subscription. */
  get retain(): boolean {
    return this.packet.retain
  }

  /** The payload as UTF-8 text; bytes that are none become U+FFFD. */
  text(): string {
    return this.payload.toString('utf8')
  }

  /**
   * The payload as JSON.
   *
   * @throws SyntaxError when it is none.
   */
  json(): unknown {
    return JSON.parse(this.text())
  }
}
