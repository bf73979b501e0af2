/**
 * A client of a command: connects, says in one sentence why it could not, comes back after an interruption, and ends in
 * order. Everything that ends a command early is one rejection, `over`.
 */
import { reasonCodeName } from '../../native.js'
import { onShutdownSignals } from '../signals.js'
import {
  connect,
  type MqttClient,
  type PacketInWords,
  type PublishInWords,
  type ReceivedPublish,
} from './client.js'
import type { ConnectionSettings } from './connection-flags.js'
import { EXIT_FAILURE, Exit } from './exit.js'
import { connectionExit, refusalCode } from './failure.js'
import { type Io, whenReaderGone } from './io.js'

/** mosquitto_sub's exit code for -W. */
export const EXIT_TIMED_OUT = 27

/** A server says so when it, or the way to it, has a problem that passes. After anything else we do not come back. */
const PASSING: ReadonlySet<number> = new Set([0x80, 0x83, 0x88, 0x89, 0x8b, 0x8d, 0x97, 0x9f, 0xa0])

const RECONNECT_MS = 1_000

/** Where messages go. */
export interface MessageSink {
  take(topic: string, payload: Buffer, packet: ReceivedPublish): void
  /** Calls back when there is room for more; the server waits until then. */
  whenReady(ready: () => void): void
}

export class Session {
  readonly client: MqttClient
  /** Rejects with the `Exit` that ends the command early; never resolves. */
  readonly over: Promise<never>
  readonly #settings: ConnectionSettings
  readonly #io: Io
  #end: (reason: unknown) => void = () => {}
  #isUp = false
  /** The connection was there and is lost. */
  #isDown = false
  #isEnding = false
  #timer: NodeJS.Timeout | undefined

  /**
   * Connects; `connected` waits for it. `sink` is there from the start: a session that is resumed has messages
   * before there is a subscription. `timeoutSecs` bounds it all.
   */
  constructor(settings: ConnectionSettings, io: Io, sink?: MessageSink, timeoutSecs?: number) {
    this.#settings = settings
    this.#io = io
    this.over = new Promise((_, reject) => {
      this.#end = reject
    })
    // Whoever waits for something waits for this too; until then it is nobody's unhandled rejection.
    this.over.catch(() => {})
    this.client = connect(settings.url, {
      ...settings.options,
      reconnectPeriod: RECONNECT_MS,
      connectTimeout: 30_000,
    })
    this.#watch()
    if (sink !== undefined) {
      this.client.on('message', (topic, payload, packet) => sink.take(topic, payload, packet))
      this.client.handleMessage = (_packet, done) => sink.whenReady(done)
    }
    if (timeoutSecs !== undefined) {
      const timedOut = () => this.#end(new Exit(EXIT_TIMED_OUT, this.#said('Timed out.')))
      this.#timer = setTimeout(timedOut, timeoutSecs * 1_000)
    }
    if (settings.debug) this.#debug()
  }

  /** Resolves when the server has accepted us. */
  async connected(): Promise<void> {
    const connack = new Promise<void>((resolve) => this.client.once('connect', () => resolve()))
    await this.race(connack)
  }

  /** What `work` gives, unless the command is over before. */
  race<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.over])
  }

  /** Ends the command with this. */
  stop(exit: unknown): void {
    this.#end(exit)
  }

  /** Says goodbye to the server, if it is there, and lets go of everything. */
  async close(): Promise<void> {
    this.#isEnding = true
    clearTimeout(this.#timer)
    const { client } = this
    if (!client.connected) {
      client.end(true)
      return
    }
    const properties = this.#settings.properties.get('disconnect')
    const goodbye = client.endAsync(false, properties === undefined ? {} : { reasonCode: 0, properties })
    // A server that takes no more bytes does not keep us.
    const impatience = new Promise<void>((resolve) => setTimeout(resolve, 3_000).unref())
    await Promise.race([goodbye, impatience])
    client.end(true)
  }

  /** A sentence about what happened while running; `--quiet` leaves it out. */
  warn(text: string): void {
    if (!this.#settings.quiet) this.#io.error(`topicwire: ${text}\n`)
  }

  /** The `Exit` for a refusal or another failure. */
  failure(error: unknown): Exit {
    if (error instanceof Exit) return error
    const { exitCode, message } = connectionExit(this.#settings.server, error, this.client.protocolVersion)
    return new Exit(exitCode, this.#said(message))
  }

  #said(text: string): string {
    return this.#settings.quiet ? '' : text
  }

  #watch(): void {
    const { client } = this
    client.on('connect', () => {
      if (this.#isUp) this.warn('Connected again.')
      this.#isUp = true
      this.#isDown = false
    })
    client.on('error', (error) => {
      // Once we have been connected, a failed attempt to come back is followed by the next.
      if (this.#isUp && refusalCode(error, client.protocolVersion) === undefined) return
      this.#end(this.failure(error))
    })
    client.on('disconnect', ({ reasonCode = 0, properties }) => {
      if (PASSING.has(reasonCode)) return
      const name = reasonCode === 0 ? 'Normal disconnection' : reasonCodeName(reasonCode)
      const reason = properties?.reasonString
      const text = `The server ended the connection: ${name} (${reasonCode})${reason ? `, «${reason}»` : ''}.`
      this.#end(new Exit(reasonCode === 0 ? EXIT_FAILURE : reasonCode, this.#said(text)))
    })
    client.on('close', () => {
      // An attempt that failed has been told of as an error.
      if (this.#isEnding || !this.#isUp) return
      if (!client.disconnecting && !this.#isDown) this.warn('The connection is lost; trying again.')
      this.#isDown = true
    })
  }

  #debug(): void {
    const show = (arrow: string) => (packet: PacketInWords | PublishInWords | ReceivedPublish) =>
      this.#io.error(`${arrow} ${describePacket(packet)}\n`)
    this.client.on('packetsend', show('->'))
    this.client.on('packetreceive', show('<-'))
  }
}

/** Ctrl+C and a closed pipe are ends like others: in order. Answers the signal that the process is to end by then. */
export function endOnSignals(session: Session): { readonly signal: NodeJS.Signals | undefined } {
  const state: { signal: NodeJS.Signals | undefined } = { signal: undefined }
  onShutdownSignals({
    close: (signal) => {
      state.signal = signal
      session.stop(new Exit(signal === 'SIGINT' ? 130 : 143))
    },
    force: dieOf,
  })
  whenReaderGone(() => session.stop(new Exit(0)))
  return state
}

/**
 * Ends by the signal itself, so that whoever started us knows: a loop of a shell stops only then. The shell's exit code
 * is 130 for Ctrl+C and 143 for SIGTERM.
 */
export function dieOf(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
}

function describePacket(packet: PacketInWords | PublishInWords | ReceivedPublish): string {
  const { cmd, messageId } = packet
  const rest = packet as unknown as Record<string, unknown>
  const shown = [
    'clientId',
    'topic',
    'qos',
    'retain',
    'dup',
    'reasonCode',
    'sessionPresent',
    'granted',
    'unsubscriptions',
  ]
  const details = shown
    .filter((key) => rest[key] !== undefined && rest[key] !== null && rest[key] !== false)
    .map((key) => `${key}=${String(rest[key])}`)
  const payload = rest.payload as Uint8Array | undefined
  const subscriptions = cmd === 'subscribe' ? (packet.subscriptions ?? []) : []
  return [
    cmd.toUpperCase(),
    ...(messageId ? [`packetId=${messageId}`] : []),
    ...details,
    ...subscriptions.map(({ topic, qos }) => `topic=${topic} qos=${qos}`),
    ...(cmd === 'publish' && payload !== undefined ? [`bytes=${payload.length}`] : []),
  ].join(' ')
}
