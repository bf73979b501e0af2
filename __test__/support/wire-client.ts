/**
 * A client of hand-made bytes that keeps every packet it gets. It does nothing by itself: no acknowledgement, no
 * PINGREQ, no reconnecting, so that a test can be exactly as slow, silent or rude as it has to be.
 */
import { connect, type Socket } from 'node:net'
import { packet, string } from './mqtt-bytes.js'
import { until } from './until.js'
import { type as packetType, property, readPackets, type WirePacket } from './wire-packets.js'

type Bytes = Uint8Array | readonly number[]

export interface WireWill {
  readonly topicName: string
  readonly payload: string
  readonly qos?: 0 | 1 | 2
  readonly properties?: Bytes
}

export interface WireConnect {
  readonly clientId: string
  /** Default 5. */
  readonly version?: 4 | 5
  /** Clean Start, or Clean Session. Default true. */
  readonly clean?: boolean
  /** Default 60. */
  readonly keepAliveSecs?: number
  /** 5.0 only. */
  readonly properties?: Bytes
  readonly will?: WireWill
}

export interface WirePublish {
  readonly qos?: 0 | 1 | 2
  readonly retain?: boolean
  readonly dup?: boolean
  /** Default: the next. */
  readonly packetId?: number
  readonly properties?: Bytes
}

/** Properties without their length; `WireClient` puts that before them. */
export const properties = {
  messageExpiryInterval: (secs: number) => long(property.messageExpiryInterval, secs),
  sessionExpiryInterval: (secs: number) => long(property.sessionExpiryInterval, secs),
  willDelayInterval: (secs: number) => long(property.willDelayInterval, secs),
  maximumPacketSize: (bytes: number) => long(property.maximumPacketSize, bytes),
  receiveMaximum: (count: number) => [property.receiveMaximum, count >> 8, count & 0xff],
  topicAlias: (alias: number) => [property.topicAlias, alias >> 8, alias & 0xff],
  /** Up to 127. */
  subscriptionIdentifier: (id: number) => [property.subscriptionIdentifier, id],
}

export class WireClient {
  readonly #socket: Socket
  readonly #isV5: boolean
  readonly #packets: WirePacket[] = []
  readonly #waiting = new Set<() => void>()
  #unread = Buffer.alloc(0)
  #lastPacketId = 0
  isClosed = false

  private constructor(socket: Socket, isV5: boolean) {
    this.#socket = socket
    this.#isV5 = isV5
    socket.on('data', (bytes) => this.#take(bytes))
    // What was sent to a broker that has closed already ends in a reset.
    socket.on('error', () => {})
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        this.isClosed = true
        this.#wake()
      })
    }
  }

  /** A transport on which nothing has been said. */
  static async dial(port: number, isV5 = true): Promise<WireClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    const client = new WireClient(socket, isV5)
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    return client
  }

  /** A client that has been let in; `connack` is what it was told. */
  static async connect(port: number, options: WireConnect): Promise<WireClient & { connack: WirePacket }> {
    const client = await WireClient.dial(port, options.version !== 4)
    client.send(connectBytes(options))
    const connack = await client.next(packetType.connack)
    if (connack.reasonCodes[0] !== 0) throw new Error(`refused: ${connack.reasonCodes[0]}`)
    return Object.assign(client, { connack })
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }

  /** Sends a SUBSCRIBE with one filter a line, `[filter, options byte]`, and gives what SUBACK says. */
  async subscribe(
    filters: readonly (readonly [string, number])[],
    subscribeProperties: Bytes = [],
  ): Promise<number[]> {
    const lines = filters.map(([filter, options]) => Buffer.concat([string(filter), Buffer.of(options)]))
    const id = this.nextPacketId()
    this.send(packet(0x82, word(id), this.#section(subscribeProperties), ...lines))
    const suback = await this.#answer(packetType.suback, id)
    return [...suback.reasonCodes]
  }

  async unsubscribe(...filters: readonly string[]): Promise<void> {
    const id = this.nextPacketId()
    this.send(packet(0xa2, word(id), this.#section([]), ...filters.map(string)))
    await this.#answer(packetType.unsuback, id)
  }

  /** Sends a PUBLISH and waits for nothing; its identifier, 0 with QoS 0. */
  publish(topicName: string, payload: string | Uint8Array, options: WirePublish = {}): number {
    const packetId = options.packetId ?? (options.qos ? this.nextPacketId() : 0)
    this.send(this.publishBytes(topicName, payload, { ...options, packetId }))
    return packetId
  }

  publishBytes(
    topicName: string,
    payload: string | Uint8Array,
    options: WirePublish & { packetId: number },
  ): Buffer {
    const { qos = 0, retain = false, dup = false, packetId } = options
    const firstByte = 0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0)
    const id = qos === 0 ? [] : word(packetId)
    return packet(
      firstByte,
      string(topicName),
      id,
      this.#section(options.properties ?? []),
      Buffer.from(payload as string),
    )
  }

  /** Publishes with QoS 1 and gives the Reason Code of its PUBACK. */
  async publishAcknowledged(
    topicName: string,
    payload: string | Uint8Array,
    options: WirePublish = {},
  ): Promise<number> {
    const id = this.publish(topicName, payload, { ...options, qos: 1 })
    return (await this.#answer(packetType.puback, id)).reasonCodes[0] ?? 0
  }

  /** PUBACK, PUBREC, PUBREL or PUBCOMP. */
  acknowledge(type: number, packetId: number): void {
    this.send(packet((type << 4) | (type === packetType.pubrel ? 2 : 0), word(packetId)))
  }

  /** PINGREQ and its answer: the broker has read what was sent before. */
  async ping(): Promise<void> {
    this.send(Buffer.of(0xc0, 0))
    await this.next(packetType.pingresp)
  }

  /** DISCONNECT, and the end. */
  async disconnect(): Promise<void> {
    this.send(Buffer.of(0xe0, 0))
    await this.closed()
  }

  /** The connection is gone without a word. */
  cut(): void {
    this.#socket.destroy()
  }

  /** Stops reading, and goes on. */
  freeze(): void {
    this.#socket.pause()
  }

  thaw(): void {
    this.#socket.resume()
  }

  nextPacketId(): number {
    this.#lastPacketId = (this.#lastPacketId % 65_535) + 1
    return this.#lastPacketId
  }

  /** Takes the oldest packet of this type, which may be still to come. */
  next(type: number): Promise<WirePacket> {
    return this.#find((it) => it.type === type, `a packet of type ${type}`)
  }

  /** Takes the oldest PUBLISHes, which may be still to come. */
  async publishes(count: number): Promise<WirePacket[]> {
    const taken: WirePacket[] = []
    while (taken.length < count) taken.push(await this.next(packetType.publish))
    return taken
  }

  /** Takes the payloads of all PUBLISHes that are here, as text. */
  texts(): string[] {
    const texts: string[] = []
    for (const it of this.#packets.splice(0)) {
      if (it.type === packetType.publish) texts.push(it.payload.toString())
      else this.#packets.push(it)
    }
    return texts
  }

  /** Everything that is here and was not taken. */
  rest(): WirePacket[] {
    return this.#packets.splice(0)
  }

  /** Waits for the broker to close the connection. */
  async closed(): Promise<void> {
    await until(() => this.isClosed, 'the end of the connection')
    this.#socket.destroy()
  }

  #answer(type: number, packetId: number): Promise<WirePacket> {
    return this.#find((it) => it.type === type && it.packetId === packetId, `the answer to ${packetId}`)
  }

  #find(fits: (it: WirePacket) => boolean, what: string): Promise<WirePacket> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const at = this.#packets.findIndex(fits)
        if (at < 0 && !this.isClosed) return
        this.#waiting.delete(look)
        clearTimeout(timer)
        const [found] = at < 0 ? [] : this.#packets.splice(at, 1)
        if (found === undefined) reject(new Error(`the connection has ended, and ${what} has not come`))
        else resolve(found)
      }
      const timer = setTimeout(() => {
        this.#waiting.delete(look)
        const here = this.#packets.map((it) => it.type).slice(0, 20)
        reject(new Error(`${what} has not come; here are packets of types ${here}`))
      }, 5_000)
      this.#waiting.add(look)
      look()
    })
  }

  #take(bytes: Buffer): void {
    const all = this.#unread.length === 0 ? bytes : Buffer.concat([this.#unread, bytes])
    const { packets, length } = readPackets(all, this.#isV5)
    this.#unread = Buffer.from(all.subarray(length))
    for (const it of packets) this.#packets.push(it)
    this.#wake()
  }

  #wake(): void {
    for (const look of [...this.#waiting]) look()
  }

  #section(bytes: Bytes): Buffer {
    return this.#isV5 ? section(bytes) : Buffer.alloc(0)
  }
}

/** A CONNECT. */
export function connectBytes(options: WireConnect): Buffer {
  const { clientId, version = 5, clean = true, keepAliveSecs = 60, will } = options
  const flags = (clean ? 0x02 : 0) | (will === undefined ? 0 : 0x04 | ((will.qos ?? 0) << 3))
  const inV5 = (bytes: Bytes) => (version === 5 ? section(bytes) : Buffer.alloc(0))
  const body = [
    string('MQTT'),
    [version, flags],
    word(keepAliveSecs),
    inV5(options.properties ?? []),
    string(clientId),
  ]
  if (will !== undefined) body.push(inV5(will.properties ?? []), string(will.topicName), string(will.payload))
  return packet(0x10, ...body)
}

function section(bytes: Bytes): Buffer {
  if (bytes.length > 127) throw new Error('a property section of more than 127 bytes')
  return Buffer.of(bytes.length, ...bytes)
}

function word(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff)
}

function long(id: number, value: number): number[] {
  return [id, value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff]
}
