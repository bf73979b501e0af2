/** A peer that speaks MQTT 5.0, on a stream or in a WebSocket. */
import {
  acknowledgement,
  connectPacket,
  DISCONNECT,
  PacketCutter,
  PUBACK,
  PUBCOMP,
  PUBREC,
  PUBREL,
  publishPacket,
  readPublish,
  subscribePacket,
} from './mqtt-wire.js'
import { indexIn, type Peer, type PeerOptions } from './peer.js'
import { openStream, openWebSocket, type Pipe } from './pipe.js'

const CONNACK = 0x20
const SUBACK = 0x90
const LARGEST_PACKET_ID = 65_535

export class MqttPeer implements Peer {
  readonly #options: PeerOptions
  readonly #topic: Buffer
  readonly #cutter = new PacketCutter((firstByte, body) => this.#receive(firstByte, body))
  #pipe: Pipe | undefined
  #packetId = 0
  /** The numbers of the messages that are not acknowledged, by packet id. */
  readonly #unacknowledged = new Map<number, number>()
  /** What the next CONNACK or SUBACK is for. */
  #answered: (reasonCode: number) => void = () => undefined
  #failed: (error: Error) => void = () => undefined

  private constructor(options: PeerOptions) {
    this.#options = options
    this.#topic = Buffer.from(options.topic)
  }

  static async open(options: PeerOptions): Promise<Peer> {
    const peer = new MqttPeer(options)
    await peer.#open()
    return peer
  }

  publish(payload: Buffer): void {
    const { qos } = this.#options
    if (qos > 0) {
      this.#packetId = (this.#packetId % LARGEST_PACKET_ID) + 1
      this.#unacknowledged.set(this.#packetId, indexIn(payload))
    }
    this.#pipe?.send(publishPacket(this.#topic, payload, qos, this.#packetId))
  }

  together(work: () => void): void {
    this.#pipe?.together(work)
  }

  end(): void {
    this.#pipe?.send(DISCONNECT)
    this.#pipe?.end()
  }

  destroy(): void {
    this.#pipe?.destroy()
  }

  async #open(): Promise<void> {
    const { way, place, listens, clientId, keepsSession = false, topic, qos } = this.#options
    const events = {
      onData: (data: Buffer) => this.#cutter.take(data),
      onClose: () => {
        this.#failed(new Error('the server has closed the connection'))
        this.#options.onClose?.()
      },
    }
    this.#pipe =
      way.carrier === 'stream' ? await openStream(place, events) : await openWebSocket(place, 'mqtt', events)
    const { username, password } = place
    const connect = connectPacket({
      clientId,
      cleanStart: !keepsSession,
      sessionExpirySecs: keepsSession ? 300 : 0,
      username,
      password,
    })
    await this.#ask(connect, 'the connection')
    if (listens) await this.#ask(subscribePacket(topic, qos), 'the subscription')
  }

  async #ask(packet: Buffer, what: string): Promise<void> {
    const reasonCode = await new Promise<number>((resolve, reject) => {
      this.#answered = resolve
      this.#failed = reject
      this.#pipe?.send(packet)
    })
    this.#failed = () => undefined
    if (reasonCode >= 0x80) {
      this.destroy()
      throw new Error(`the server refuses ${what} (0x${reasonCode.toString(16)})`)
    }
  }

  #receive(firstByte: number, body: Buffer): void {
    const type = firstByte & 0xf0
    if (type === 0x30) this.#receivePublish(firstByte, body)
    else if (type === CONNACK) this.#answered(body[1] ?? 0xff)
    else if (type === SUBACK) this.#answered(body.at(-1) ?? 0xff)
    else if (type === PUBACK || type === PUBCOMP) this.#acknowledge(body.readUInt16BE(0))
    else if (type === PUBREC) this.#pipe?.send(acknowledgement(PUBREL, body.readUInt16BE(0)))
    else if (type === (PUBREL & 0xf0)) this.#pipe?.send(acknowledgement(PUBCOMP, body.readUInt16BE(0)))
  }

  #receivePublish(firstByte: number, body: Buffer): void {
    const { packetId, payload } = readPublish(firstByte, body)
    const qos = (firstByte >> 1) & 3
    if (qos > 0) this.#pipe?.send(acknowledgement(qos === 1 ? PUBACK : PUBREC, packetId))
    this.#options.onMessage?.(indexIn(payload))
  }

  #acknowledge(packetId: number): void {
    const index = this.#unacknowledged.get(packetId)
    this.#unacknowledged.delete(packetId)
    if (index !== undefined) this.#options.onAcknowledged?.(index)
  }
}
