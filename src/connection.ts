/**
 * One Network Connection: chunks in, buffers out, back-pressure, close. First and last stop of a PUBLISH in
 * JavaScript: a chunk becomes one native call, and what the core has for this connection one write a turn.
 *
 * The core knows a connection by its number, from `open` until `closed`.
 */
import type { Core } from './core.js'
import type { HookClient, ProtocolVersion } from './hooks/types.js'
import type { Payload } from './transports/frame.js'
import type {
  CloseReason,
  PayloadTransport,
  Protocol,
  TopicUrlRequest,
  Transport,
  TransportSink,
} from './transports/transport.js'

/** What both kinds of connection share. */
abstract class AnyConnection implements TransportSink {
  readonly id: number
  readonly protocol: Protocol
  readonly remoteAddress: string
  /** From CONNECT, for hooks and events. */
  clientId = ''
  username: string | undefined
  /** Its CONNECT, while the client is connected. */
  accepted: { readonly version: ProtocolVersion; readonly atMs: number } | undefined
  /** This client as hooks see it, once one has. */
  hookClient: HookClient | undefined
  /** A hook is deciding about this connection's next packet. */
  isHeld = false
  /** Of the question that may be asked next although it was asked ahead: see answers.ts. */
  nextToken = -1
  /** Why the core is ending the connection, in words, where it has said so. */
  detail: string | undefined
  protected readonly core: Core
  #transport: Pick<Transport, 'close' | 'destroy' | 'pause' | 'resume'>
  #isPaused = false
  /** The transport was full lately: its writes get memory of their own, so that it does not keep an arena. */
  protected isSlow = false

  constructor(core: Core, transport: Transport | PayloadTransport, id: number) {
    this.core = core
    this.#transport = transport
    this.id = id
    this.protocol = transport.protocol
    this.remoteAddress = transport.remoteAddress
  }

  receive(bytes: Uint8Array): void {
    this.core.receive(this, bytes)
  }

  drained(): void {
    this.core.drained(this)
  }

  closed(): void {
    this.core.closed(this)
  }

  /** Hands over a piece of an arena. False: the transport is full, and the memory is in use until `drained`. */
  abstract write(bytes: Buffer): boolean

  /** Stops or goes on reading, while a hook decides. */
  setPaused(isPaused: boolean): void {
    if (isPaused === this.#isPaused) return
    this.#isPaused = isPaused
    if (isPaused) this.#transport.pause()
    else this.#transport.resume()
  }

  end(reason: CloseReason): void {
    this.#transport.close(reason)
  }

  destroy(): void {
    this.#transport.destroy()
  }
}

/** A connection that carries control packets. */
export class Connection extends AnyConnection {
  readonly #transport: Transport

  constructor(core: Core, transport: Transport, id: number) {
    super(core, transport, id)
    this.#transport = transport
  }

  override write(bytes: Buffer): boolean {
    const isTaken = this.#transport.write(this.isSlow ? Buffer.from(bytes) : bytes)
    this.isSlow = !isTaken
    return isTaken
  }
}

/** Length and kind before each payload: `[length: u32 LE] [1 for text]`. `topic_url.rs` writes them. */
const PAYLOAD_HEADER_BYTES = 5

/** A connection of a topic URL: bare payloads in both directions. */
export class TopicConnection extends AnyConnection {
  readonly #transport: PayloadTransport
  readonly #request: TopicUrlRequest
  readonly #canPublish: boolean
  /** The beginning of a payload whose end is in a later piece, as it came. */
  #kept: Buffer[] = []
  #keptBytes = 0
  /** How many of them make it whole. */
  #wantedBytes = 0

  constructor(core: Core, transport: PayloadTransport, id: number, request: TopicUrlRequest) {
    super(core, transport, id)
    this.#transport = transport
    this.#request = request
    this.#canPublish = !/[+#]/.test(request.topicFilter) && !request.topicFilter.startsWith('$share/')
  }

  override receive(bytes: Uint8Array): void {
    if (this.#canPublish) {
      this.core.receive(this, bytes)
      return
    }
    const filter = this.#request.topicFilter
    this.end({ reasonCode: 0x90, text: `${filter} is a filter: it can be subscribed to, not published to` })
  }

  override write(bytes: Buffer): boolean {
    if (this.#keptBytes === 0) return this.#pass(bytes)
    this.#keep(bytes)
    // Put together once, however many pieces there are.
    if (this.#keptBytes < this.#wantedBytes) return true
    const whole = Buffer.concat(this.#kept)
    this.#kept = []
    this.#keptBytes = 0
    return this.#pass(whole)
  }

  /** Hands over the payloads that are whole, and keeps what follows them. */
  #pass(bytes: Buffer): boolean {
    const payloads: Payload[] = []
    let at = 0
    let end = endOf(bytes, at)
    while (end <= bytes.length) {
      payloads.push({ bytes: bytes.subarray(at + PAYLOAD_HEADER_BYTES, end), isText: bytes[at + 4] === 1 })
      at = end
      end = endOf(bytes, at)
    }
    if (at < bytes.length) {
      this.#wantedBytes = end - at
      this.#keep(bytes.subarray(at))
    }
    return this.#transport.write(payloads)
  }

  /** What is kept is copied: it would keep an arena. */
  #keep(bytes: Buffer): void {
    this.#kept.push(Buffer.from(bytes))
    this.#keptBytes += bytes.length
  }
}

/** Where the payload whose header is at `at` ends, or the header itself, where that is cut. */
function endOf(bytes: Buffer, at: number): number {
  const start = at + PAYLOAD_HEADER_BYTES
  return start <= bytes.length ? start + bytes.readUInt32LE(at) : start
}

export type { AnyConnection }
