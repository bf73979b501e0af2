/**
 * `/live`: one WebSocket, any number of topics, JSON. docs/web-protocol.md is the contract; commands.ts reads what
 * comes, answers.ts writes what goes, and packets.ts speaks MQTT with the core for it.
 *
 * What a peer can make grow here: frames that were read before reading stopped (one chunk), packets without an answer
 * (Receive Maximum of the broker), requests (as many), messages that it has not acknowledged (its own Receive Maximum),
 * and what waits in its socket, beyond which neither the core writes nor the peer is read.
 */
import type { ConnackPacket, DisconnectPacket } from '../codec/packets.js'
import type { PublishPacket } from '../codec/publish.js'
import { MqttError } from '../errors.js'
import { reasonCodeName } from '../native.js'
import { frameOf } from '../transports/frame.js'
import type { Transport, TransportSink } from '../transports/transport.js'
import { type WebSocketOrigin, WebSocketPipe } from '../transports/websocket.js'
import { codeOf, errorAnswer, messageMembers, type WebError } from './answers.js'
import { type Command, CommandError, type ConnectCommand, parseCommand, payloadOf } from './commands.js'
import { type Frame, Intake, type IntakeHost } from './intake.js'
import { type Answered, isRefusal, PacketHalf, type PacketListener } from './packets.js'
import { type RequestListener, Requests } from './requests.js'

/** How often a WebSocket ping is sent. By the next one, the last has to be answered. */
export const PING_INTERVAL_MS = 25_000
const DEFAULT_RECEIVE_MAXIMUM = 64
const LARGEST_RECEIVE_MAXIMUM = 65_535
/** What may wait in the socket before the peer is not read any more. */
const BACKLOG_BYTES = 65_536
const EMPTY = Buffer.alloc(0)
const PROTOCOL_ERROR = 0x82
const NO_MATCHING_SUBSCRIBERS = 0x10
const TOPIC_FILTER_INVALID = 0x8f
const PACKET_TOO_LARGE = 0x95

/** What a connection may be told that its commands do not say. */
export interface LiveContext {
  /** From HTTP Basic authentication. */
  readonly username?: string
  readonly password?: Uint8Array
  /** Of the broker. */
  readonly maximumPacketSizeBytes: number
}

/** A message at QoS 1 or 2 that the peer has not acknowledged. */
interface Unacknowledged {
  readonly packetId: number
  readonly qos: number
}

/** See the head of this file. */
export class LiveTransport
  extends WebSocketPipe
  implements Transport, PacketListener, RequestListener, IntakeHost
{
  readonly protocol = 'live'
  readonly #origin: WebSocketOrigin
  readonly #context: LiveContext
  readonly #packets = new PacketHalf(this)
  #sink: TransportSink | undefined
  #state: 'new' | 'connecting' | 'connected' | 'ended' = 'new'
  #connectId: number | undefined
  #clientId = ''
  #receiveMaximum = LARGEST_RECEIVE_MAXIMUM
  #requests: Requests | undefined
  readonly #intake = new Intake(this)
  /** The number of the oldest message that is not acknowledged, minus one. */
  #acknowledged = 0
  #unacknowledged: Unacknowledged[] = []
  readonly #pinger: NodeJS.Timeout
  #isAlive = true

  constructor(origin: WebSocketOrigin, context: LiveContext) {
    super(origin)
    this.#origin = origin
    this.#context = context
    this.#pinger = setInterval(() => this.#ping(), PING_INTERVAL_MS)
    origin.webSocket.on('close', () => this.#end()).on('pong', () => this.#onPong())
  }

  override open(sink: TransportSink): void {
    super.open(sink)
    this.#sink = sink
    this.#packets.open(sink)
  }

  /** Takes packets for the peer. Their memory is free at once; false only says that its socket is full. */
  write(bytes: Uint8Array): boolean {
    const { socket, encrypted } = this.#origin
    socket.cork()
    try {
      this.#packets.take(bytes)
    } finally {
      socket.uncork()
    }
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
    this.#intake.offer({ data, isBinary })
  }

  onConnack({ reasonCode, sessionPresent, properties }: ConnackPacket): void {
    const id = this.#connectId
    if (isRefusal(reasonCode)) {
      const text = properties.reasonString ?? `${reasonCodeName(reasonCode)}.`
      this.#send(
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
    this.#send(JSON.stringify(answer))
    this.#intake.update()
  }

  onMessage(packet: PublishPacket): void {
    if (this.#requests?.takes(packet)) return
    const { packetId, qos } = packet
    let delivery = ''
    if (packetId !== undefined) {
      this.#unacknowledged.push({ packetId, qos })
      delivery = `,"qos":1,"ack":${this.#acknowledged + this.#unacknowledged.length}`
    }
    this.#send(`{"type":"message",${messageMembers(packet, delivery)}}`)
  }

  onDisconnect({ reasonCode, properties }: DisconnectPacket): void {
    const text = properties.reasonString ?? `${reasonCodeName(reasonCode)}.`
    this.#send(errorAnswer({ code: codeOf(reasonCode, 'ERR_MQTT_CONNECTION_LOST'), reasonCode, text }))
  }

  onResponse(id: number, members: string): void {
    this.#send(`{"type":"response","id":${id},${members}}`)
  }

  onRequestFailed(id: number, error: WebError): void {
    this.#send(errorAnswer(error, id))
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
        this.#send(errorAnswer({ ...pick(error), text: error.message }, error.id))
      else if (error instanceof MqttError) this.#send(errorAnswer(refusalOf(error), id))
      else throw error
    }
    this.#intake.update()
  }

  #connect(command: ConnectCommand): void {
    const { username, password } = command
    const isBasic = username === undefined && password === undefined
    const { clientId = '', cleanStart = true, sessionExpiryIntervalSecs, will } = command
    this.#packets.connect({
      clientId,
      cleanStart,
      username: isBasic ? this.#context.username : username,
      password: isBasic ? this.#context.password : password,
      will: will && {
        topicName: will.topic,
        payload: payloadOf(will),
        qos: will.qos,
        retain: will.retain,
        properties: { willDelayIntervalSecs: will.delaySecs },
      },
      properties: {
        sessionExpiryIntervalSecs,
        receiveMaximum: command.receiveMaximum ?? DEFAULT_RECEIVE_MAXIMUM,
      },
    })
    this.#clientId = clientId
    this.#connectId = command.id
    this.#state = 'connecting'
    this.#intake.update()
  }

  #do(command: Command): void {
    const { id } = command
    switch (command.type) {
      case 'publish': {
        const qos = command.qos ?? 0
        const { topic, retain, contentType, responseTopic, messageExpiryIntervalSecs, userProperties } =
          command
        const correlationData =
          command.correlationData === undefined ? undefined : Buffer.from(command.correlationData, 'base64')
        const properties = {
          contentType,
          responseTopic,
          messageExpiryIntervalSecs,
          userProperties,
          correlationData,
        }
        const packet = { topicName: topic, payload: payloadOf(command), qos, retain, properties }
        this.#packets.publish(packet, qos === 0 ? undefined : this.#answered('ERR_MQTT_PUBLISH_REFUSED', id))
        if (qos === 0) this.#ok(id)
        break
      }
      case 'ack':
        this.#acknowledge(command.ack, id)
        break
      case 'subscribe': {
        const { filter, qos = 0, retained = true, noLocal, retainAsPublished } = command
        const retainHandling = retained === 'new' ? 1 : retained ? 0 : 2
        const packet = {
          topicFilter: filter,
          qos,
          retainHandling,
          noLocal: noLocal ?? false,
          retainAsPublished: retainAsPublished ?? false,
        } as const
        this.#packets.subscribe(
          packet,
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
        this.#send(errorAnswer({ code: codeOf(reasonCode, otherwise), reasonCode, text }, id))
      } else if (isGrant) this.#ok(id, `,"qos":${reasonCode}`)
      else {
        const isUnheard = otherwise === 'ERR_MQTT_PUBLISH_REFUSED' && reasonCode === NO_MATCHING_SUBSCRIBERS
        this.#ok(id, isUnheard ? ',"matching":false' : '')
      }
      this.#intake.update()
    }
  }

  #acknowledge(ack: number, id: number | undefined): void {
    const count = ack - this.#acknowledged
    if (count > this.#unacknowledged.length) {
      const text = `There has been no message with the number ${ack} in this connection.`
      throw new CommandError('ERR_MQTT_PROTOCOL_ERROR', PROTOCOL_ERROR, text, id)
    }
    if (count > 0) {
      for (const { packetId, qos } of this.#unacknowledged.splice(0, count))
        this.#packets.acknowledge(packetId, qos)
      this.#acknowledged = ack
    }
    this.#ok(id)
  }

  #ok(id: number | undefined, more = ''): void {
    if (id !== undefined) this.#send(`{"type":"ok","id":${id}${more}}`)
  }

  #send(answer: string): void {
    const { socket, webSocket } = this.#origin
    if (this.#state === 'ended' || webSocket.readyState !== webSocket.OPEN) return
    socket.write(frameOf(Buffer.from(answer), false))
    if (socket.writableLength <= BACKLOG_BYTES || this.#intake.isBacklogged) return
    socket.write(EMPTY, this.#onBacklogGone)
    this.#intake.setBacklogged(true)
  }

  readonly #onBacklogGone = (): void => {
    this.#isAlive = true
    this.#intake.setBacklogged(false)
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
    this.#requests?.close()
    this.#packets.close()
    this.#intake.end()
    this.#unacknowledged = []
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
