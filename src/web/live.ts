/**
 * `/live`: one WebSocket, any number of topics, JSON. docs/web-protocol.md is the contract; commands.ts reads what
 * comes, answers.ts writes what goes, and packets.ts speaks MQTT with the core for it.
 *
 * What a peer can make grow here: its first frame (`maximumFirstBytes`), frames that were read before reading stopped
 * (one chunk), packets without an answer (Receive Maximum of the broker), requests (as many), messages that it has not
 * acknowledged (its own Receive Maximum), and what waits in its socket, beyond which neither the core writes nor the
 * peer is read.
 */
import type { ConnackPacket, DisconnectPacket } from '../codec/packets.js'
import type { PublishPacket } from '../codec/publish.js'
import { MqttError } from '../errors.js'
import { reasonCodeName } from '../native.js'
import type { Transport, TransportSink } from '../transports/transport.js'
import { type WebSocketOrigin, WebSocketPipe } from '../transports/websocket.js'
import { codeOf, errorAnswer, messageMembers, type WebError } from './answers.js'
import { type Command, CommandError, type ConnectCommand, parseCommand } from './commands.js'
import { Deliveries } from './deliveries.js'
import { type Frame, Intake, type IntakeHost } from './intake.js'
import { BACKLOG_BYTES, Outlet } from './outlet.js'
import { type Answered, isRefusal, PacketHalf, type PacketListener } from './packets.js'
import { isResponseTopic, type RequestListener, Requests } from './requests.js'
import { type Credentials, connectPacketOf, publishPacketOf, subscribeFilterOf } from './translation.js'

/** How often a WebSocket ping is sent. By the next one, the last has to be answered. */
export const PING_INTERVAL_MS = 25_000
const LARGEST_RECEIVE_MAXIMUM = 65_535
const EMPTY = Buffer.alloc(0)
const PROTOCOL_ERROR = 0x82
const NO_MATCHING_SUBSCRIBERS = 0x10
const TOPIC_FILTER_INVALID = 0x8f
const PACKET_TOO_LARGE = 0x95

/** What a connection may be told that its commands do not say: a log-in, from HTTP Basic authentication. */
export interface LiveContext extends Credentials {
  /** Of the broker. */
  readonly maximumPacketSizeBytes: number
  /** What may come before the first frame is whole: nobody has been let in yet. */
  readonly maximumFirstBytes: number
}

/** See the head of this file. */
export class LiveTransport
  extends WebSocketPipe
  implements Transport, PacketListener, RequestListener, IntakeHost
{
  readonly protocol = 'live'
  readonly #origin: WebSocketOrigin
  readonly #outlet: Outlet
  readonly #context: LiveContext
  readonly #packets = new PacketHalf(this)
  #sink: TransportSink | undefined
  #state: 'new' | 'connecting' | 'connected' | 'ended' = 'new'
  #connectId: number | undefined
  #clientId = ''
  #receiveMaximum = LARGEST_RECEIVE_MAXIMUM
  #requests: Requests | undefined
  readonly #intake = new Intake(this)
  readonly #deliveries = new Deliveries(this.#packets)
  readonly #pinger: NodeJS.Timeout
  #isAlive = true
  /** A frame, whatever is in it. */
  #hasHeard = false
  #firstBytes = 0

  constructor(origin: WebSocketOrigin, context: LiveContext) {
    super(origin)
    this.#origin = origin
    this.#context = context
    this.#outlet = new Outlet(origin, (isBacklogged) => {
      if (!isBacklogged) this.#isAlive = true
      this.#intake.setBacklogged(isBacklogged)
    })
    this.#pinger = setInterval(() => this.#ping(), PING_INTERVAL_MS)
    origin.webSocket.on('close', () => this.#end()).on('pong', () => this.#onPong())
    origin.socket.on('data', this.#onFirstBytes)
  }

  override open(sink: TransportSink): void {
    super.open(sink)
    this.#sink = sink
    this.#packets.open(sink)
  }

  /** Takes packets for the peer. Their memory is free at once; false only says that its socket is full. */
  write(bytes: Uint8Array): boolean {
    const { socket, encrypted } = this.#origin
    this.#outlet.pass(bytes, this.#packets)
    if (this.#state === 'ended' || socket.writableLength <= (encrypted ? BACKLOG_BYTES : 0)) return true
    socket.write(EMPTY, this.#onWritten)
    return false
  }

  readonly #onWritten = (error?: Error | null): void => {
    this.#isAlive = true
    if (!error && this.#state !== 'ended') this.#sink?.drained()
  }

  override pause(): void {
    this.#intake.setStopped(true)
  }

  override resume(): void {
    this.#intake.setStopped(false)
  }

  isBusy(): boolean {
    return this.#state === 'connecting' || this.#packets.pendingCount >= this.#receiveMaximum
  }

  setReading(isReading: boolean): void {
    if (isReading) super.resume()
    else super.pause()
  }

  protected override closeWith(code: number, reason: string): void {
    this.#end()
    super.closeWith(code, reason)
  }

  override destroy(): void {
    this.#end()
    super.destroy()
  }

  protected receive(_sink: TransportSink, data: Buffer, isBinary: boolean): void {
    this.#isAlive = true
    this.#hasHeard = true
    this.#intake.offer({ data, isBinary })
  }

  /** `ws` holds a frame until it is whole: of somebody who has not been let in yet, not any length of it. */
  readonly #onFirstBytes = (chunk: Buffer): void => {
    const { socket } = this.#origin
    if (this.#hasHeard) {
      socket.off('data', this.#onFirstBytes)
      return
    }
    this.#firstBytes += chunk.length
    if (this.#firstBytes <= this.#context.maximumFirstBytes) return
    this.closeWith(1009, `The first frame may have ${this.#context.maximumFirstBytes} bytes.`)
    // What still comes is thrown away: unread, it would reset the connection, and the reason be lost with it.
    socket.removeAllListeners('data')
  }

  onConnack({ reasonCode, sessionPresent, properties }: ConnackPacket): void {
    const id = this.#connectId
    if (isRefusal(reasonCode)) {
      const text = properties.reasonString ?? `${reasonCodeName(reasonCode)}.`
      this.#outlet.send(
        errorAnswer({ code: codeOf(reasonCode, 'ERR_MQTT_CONNECTION_REFUSED'), reasonCode, text }, id),
      )
      return
    }
    this.#state = 'connected'
    this.#clientId = properties.assignedClientId ?? this.#clientId
    this.#receiveMaximum = properties.receiveMaximum ?? LARGEST_RECEIVE_MAXIMUM
    this.#requests = new Requests(this.#packets, this, this.#clientId, this.#receiveMaximum)
    const answer = {
      type: 'connected',
      ...(id !== undefined && { id }),
      clientId: this.#clientId,
      sessionPresent,
      receiveMaximum: this.#receiveMaximum,
      maximumPacketSizeBytes: properties.maximumPacketSize ?? this.#context.maximumPacketSizeBytes,
      retainAvailable: properties.retainAvailable ?? true,
    }
    this.#outlet.send(JSON.stringify(answer))
    this.#intake.update()
  }

  onMessage(packet: PublishPacket): void {
    if (isResponseTopic(packet.topicName)) this.#outlet.keepPrivate()
    if (this.#requests?.takes(packet)) return
    const { packetId, qos } = packet
    let delivery = ''
    if (packetId !== undefined) delivery = `,"qos":1,"ack":${this.#deliveries.add(packetId, qos)}`
    this.#outlet.send(`{"type":"message",${messageMembers(packet, delivery)}}`)
  }

  onDisconnect({ reasonCode, properties }: DisconnectPacket): void {
    const text = properties.reasonString ?? `${reasonCodeName(reasonCode)}.`
    this.#outlet.send(errorAnswer({ code: codeOf(reasonCode, 'ERR_MQTT_CONNECTION_LOST'), reasonCode, text }))
  }

  onResponse(id: number, members: string): void {
    this.#outlet.send(`{"type":"response","id":${id},${members}}`)
  }

  onRequestFailed(id: number, error: WebError): void {
    this.#outlet.send(errorAnswer(error, id))
  }

  /** Deals with one frame. */
  take(frame: Frame): void {
    let id: number | undefined
    try {
      const command = parseCommand(frame.data, frame.isBinary)
      id = command.id
      if (this.#state === 'new') {
        if (command.type === 'connect') {
          this.#connect(command)
          return
        }
        this.#connect({ type: 'connect' })
        this.#intake.putBack(frame)
        return
      }
      this.#do(command)
    } catch (error) {
      if (error instanceof CommandError)
        this.#outlet.send(errorAnswer({ ...pick(error), text: error.message }, error.id))
      else if (error instanceof MqttError) this.#outlet.send(errorAnswer(refusalOf(error), id))
      else throw error
    }
    this.#intake.update()
  }

  #connect(command: ConnectCommand): void {
    this.#packets.connect(connectPacketOf(command, this.#context))
    this.#clientId = command.clientId ?? ''
    this.#connectId = command.id
    this.#state = 'connecting'
    this.#intake.update()
  }

  #do(command: Command): void {
    const { id } = command
    switch (command.type) {
      case 'publish': {
        const packet = publishPacketOf(command)
        const { qos } = packet
        this.#packets.publish(packet, qos === 0 ? undefined : this.#answered('ERR_MQTT_PUBLISH_REFUSED', id))
        if (qos === 0) this.#ok(id)
        break
      }
      case 'ack':
        this.#acknowledge(command.ack, id)
        break
      case 'subscribe': {
        this.#packets.subscribe(
          subscribeFilterOf(command),
          command.subscription,
          this.#answered('ERR_MQTT_SUBSCRIBE_REFUSED', id, true),
        )
        break
      }
      case 'unsubscribe':
        this.#packets.unsubscribe(command.filter, this.#answered('ERR_MQTT_SUBSCRIBE_REFUSED', id))
        break
      case 'request':
        this.#requests?.request(command)
        break
      case 'ping':
        this.#packets.ping(() => this.#ok(id))
        break
      case 'disconnect':
        this.#packets.disconnect(command.sessionExpiryIntervalSecs)
        this.#ok(id)
        break
      case 'connect':
        throw new CommandError(
          'ERR_MQTT_PROTOCOL_ERROR',
          PROTOCOL_ERROR,
          'connect comes once, and first.',
          id,
        )
      default:
    }
  }

  /** What an answer of the core's becomes: `ok`, with the QoS that was granted where it is about a subscription. */
  #answered(
    otherwise: 'ERR_MQTT_PUBLISH_REFUSED' | 'ERR_MQTT_SUBSCRIBE_REFUSED',
    id?: number,
    isGrant = false,
  ): Answered {
    return (reasonCode, reasonString) => {
      if (isRefusal(reasonCode)) {
        const text = reasonString ?? `${reasonCodeName(reasonCode)}.`
        this.#outlet.send(errorAnswer({ code: codeOf(reasonCode, otherwise), reasonCode, text }, id))
      } else if (isGrant) this.#ok(id, `,"qos":${reasonCode}`)
      else {
        const isUnheard = otherwise === 'ERR_MQTT_PUBLISH_REFUSED' && reasonCode === NO_MATCHING_SUBSCRIBERS
        this.#ok(id, isUnheard ? ',"matching":false' : '')
      }
      this.#intake.update()
    }
  }

  #acknowledge(ack: number, id: number | undefined): void {
    if (!this.#deliveries.acknowledge(ack)) {
      const text = `There has been no message with the number ${ack} in this connection.`
      throw new CommandError('ERR_MQTT_PROTOCOL_ERROR', PROTOCOL_ERROR, text, id)
    }
    this.#ok(id)
  }

  #ok(id: number | undefined, more = ''): void {
    if (id !== undefined) this.#outlet.send(`{"type":"ok","id":${id}${more}}`)
  }

  /** A peer that is not read for a reason of ours cannot be heard either. */
  #ping(): void {
    const { webSocket } = this.#origin
    if (!this.#isAlive && !this.#intake.isDeaf) {
      this.destroy()
      return
    }
    this.#isAlive = false
    webSocket.ping()
  }

  /** Where the broker caps the keep alive, the core wants to hear of its clients as well. */
  #onPong(): void {
    this.#isAlive = true
    if (this.#state === 'connected') this.#packets.ping()
  }

  #end(): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    clearInterval(this.#pinger)
    this.#outlet.end()
    this.#requests?.close()
    this.#packets.close()
    this.#intake.end()
    this.#deliveries.clear()
  }
}

function pick({ code, reasonCode }: CommandError): { code: CommandError['code']; reasonCode: number } {
  return { code, reasonCode }
}

/** What the codec does not encode: the only thing left for it to refuse is a filter, or a size. */
function refusalOf(error: MqttError): WebError {
  const { code, message: text, reasonCode } = error
  if (code === 'ERR_MQTT_PACKET_TOO_LARGE') return { code, reasonCode: PACKET_TOO_LARGE, text }
  return { code: 'ERR_MQTT_INVALID_TOPIC_FILTER', reasonCode: reasonCode ?? TOPIC_FILTER_INVALID, text }
}
