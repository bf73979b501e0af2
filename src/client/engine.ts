/**
 * One client's conversation: between a transport, the native client that knows the protocol, and a listener. Chunks go in
 * with one call each, records come out; commands are in `commands.ts`; output leaves when they have been carried out.
 */
import { Buffer } from 'node:buffer'
import { viewOf } from '../codec/publish.js'
import { MqttError } from '../errors.js'
import type { ProtocolVersion } from '../hooks/types.js'
import { fromNative, type NativeClientOptions } from '../native.js'
import { ClientStore, type ClientStoreListener, type ClientStoreOptions } from './client-store.js'
import { flushCommands } from './commands.js'
import type { Closing, EngineListener } from './engine-listener.js'
import * as native from './native-clients.js'
import { type NativeSide, nativeSide, now } from './native-clients.js'
import { type Reader, Records } from './records.js'
import { SentPackets, type ShowSent } from './sent.js'
import type { ClientTransport } from './transport.js'

/** Memory for output. A part that a transport did not take at once is not used again. */
const ARENA_BYTES = 256 * 1024
const LEAST_ARENA_BYTES = 16 * 1024
/** How long a peer may take to close a connection that has ended. */
const LINGER_MS = 2_000
/** The longest time that Node's timers can wait. */
const LONGEST_TIMER_MS = 2_147_483_647

/** All records of the thread are read by one: there is always one at most that reads. */
let reader: Records | undefined
let arena = { bytes: Buffer.alloc(0), memory: new ArrayBuffer(0), used: 0 }
/** Records are being read: what comes meanwhile (a stream of the user's may push) has to wait. */
let isReading = false
const afterReading: (() => void)[] = []

/** Native clients whose JavaScript half was collected without an end. */
const forgotten = new FinalizationRegistry<number>((id) => nativeSide().clients.forget(id))

/** See the head of this file. */
export class Engine implements Reader, ClientStoreListener {
  readonly id: number
  hasNewDeadline = false
  readonly #side: NativeSide
  readonly listener: EngineListener
  #version: ProtocolVersion = 5
  #transport: ClientTransport | undefined
  #sent: SentPackets | undefined
  readonly #store: ClientStore | undefined
  #ending: Promise<void> | undefined
  #isFull = false
  #isClosing = false
  #hasEnded = false
  #timer: NodeJS.Timeout | undefined
  #linger: NodeJS.Timeout | undefined

  /**
   * `store` is where the session is kept, if it is on disk, and whose it is.
   *
   * @throws MqttError ERR_MQTT_STORE_… for a store that cannot be opened.
   */
  constructor(
    options: NativeClientOptions,
    listener: EngineListener,
    store?: { readonly options: ClientStoreOptions; readonly clientId: string },
  ) {
    this.#side = nativeSide()
    this.listener = listener
    if (store === undefined) {
      this.id = this.#side.clients.open(options)
    } else {
      this.#store = new ClientStore(this.#side, options, store.options, store.clientId, this)
      this.id = this.#store.id
    }
    forgotten.register(this, this.id, this)
  }

  /** The session, if one is kept. */
  get sessionClientId(): string | undefined {
    return this.#side.clients.sessionClientId(this.id) ?? undefined
  }

  get queuedCount(): number {
    return this.#side.clients.queuedCount(this.id)
  }

  get inflightCount(): number {
    return this.#side.clients.inflightCount(this.id)
  }

  get keepAliveSecs(): number {
    return this.#side.clients.keepAliveSecs(this.id)
  }

  /** Tickets up to this one are of messages that an earlier process published; 0 without a store. */
  get restoredTickets(): number {
    return this.#store?.restoredTickets ?? 0
  }

  /** Resolves when the store, where there is one, has everything so far. */
  flushStore(): Promise<void> {
    flushCommands()
    return this.#store?.flush() ?? Promise.resolve()
  }

  /** Whether the transport takes more. */
  get isFull(): boolean {
    return this.#isFull
  }

  /** Takes a message back by its ticket; false where it has been sent. */
  withdraw(ticket: number): boolean {
    if (this.#hasEnded || !this.#side.clients.withdraw(this.id, ticket)) return false
    this.#store?.give()
    return true
  }

  restoreSession(clientId: string): void {
    this.#side.clients.restoreSession(this.id, clientId)
  }

  /** A transport has been opened, on which that version will be spoken. CONNECT is the caller's to command. */
  attach(transport: ClientTransport, version: ProtocolVersion, isManual: boolean): void {
    this.#version = version
    this.#transport = transport
    this.#isFull = false
    this.#isClosing = false
    this.#sent?.begin(version)
    this.#side.clients.acknowledgeManually(this.id, isManual)
    transport.onChunk = (chunk, length) => this.#receive(chunk, length)
    transport.onDrain = () => {
      this.#isFull = false
      this.#drain()
    }
    transport.onClose = (error) => this.#onClose(transport, error)
  }

  /** Shows the packets that are sent from now on; where the transport is full, from the next connection on. */
  showSent(show: ShowSent): void {
    this.#sent = new SentPackets(show)
    // Between two calls of `#drain` a packet begins, unless the transport has stopped it.
    if (!this.#isFull) this.#sent.begin(this.#version)
  }

  /** Reads no more until `resume`, but for what has been read already. */
  pause(): void {
    this.#transport?.pause()
  }

  resume(): void {
    this.#transport?.resume()
  }

  /** Gives the transport up at once. */
  destroy(): void {
    this.#transport?.destroy()
  }

  /** Nothing more will be asked of it. Returns what is to be waited for: a store that has to be closed. */
  end(): Promise<void> | undefined {
    if (this.#hasEnded) return this.#ending
    this.#hasEnded = true
    clearTimeout(this.#timer)
    forgotten.unregister(this)
    // What it was told in this turn is still in the buffer; it comes to nothing, and whoever waits hears so.
    flushCommands()
    if (this.#store === undefined) this.#side.clients.forget(this.id)
    else this.#ending = this.#store.close()
    return this.#ending
  }

  storeNews(status: number): void {
    if (this.#hasEnded) return
    if ((status & native.EVENTS) !== 0) this.#collect()
    if ((status & native.OUTPUT) !== 0) this.#drain()
  }

  storeTrouble(error: MqttError): void {
    this.listener.storeTrouble(error)
  }

  afterCommands(): void {
    if (this.#hasEnded) return
    this.#drain()
    this.#store?.give()
    if (!this.hasNewDeadline) return
    this.hasNewDeadline = false
    this.#armTimer()
  }

  refused(code: number, words: string, packet: Buffer, apart: Uint8Array | undefined): void {
    this.listener.refused(code, words, packet, apart)
  }

  #receive(chunk: Uint8Array, length: number): void {
    if (isReading) {
      const own = Buffer.from(chunk.subarray(0, length))
      afterReading.push(() => this.#receive(own, length))
      return
    }
    if (this.#hasEnded) return
    let result: number
    try {
      result = this.#side.receive(this.id, chunk, length, now())
    } catch (error) {
      this.#fail(error)
      return
    }
    this.#read(result, chunk, length)
    flushCommands()
    if (!this.#hasEnded && (result & native.OUTPUT) !== 0) this.#drain()
    this.#store?.give()
    readLater()
  }

  /** Reads the records of a chunk, and those that follow. */
  #read(first: number, chunk: Uint8Array, length: number): void {
    if (isReading) {
      afterReading.push(() => this.#collect())
      return
    }
    isReading = true
    try {
      reader ??= new Records(this.#side)
      reader.begin(this.#version, chunk, length)
      let result = first
      for (;;) {
        reader.read(this, result & native.COUNT)
        if ((result & native.EVENTS) === 0 || this.#hasEnded) break
        result = this.#side.collect(this.id, chunk, length)
      }
      const { hasRare, closing } = reader
      if (hasRare) this.#armTimer()
      if (closing !== undefined) this.#close(closing)
    } finally {
      reader?.finish()
      isReading = false
    }
  }

  /** Events that no chunk has brought. */
  #collect(): void {
    if (isReading) {
      afterReading.push(() => this.#collect())
      return
    }
    if (this.#hasEnded) return
    this.#read(this.#side.collect(this.id, NOTHING, 0), NOTHING, 0)
    readLater()
  }

  #drain(): void {
    const { drain } = this.#side
    let result = native.OUTPUT
    while (
      (result & native.OUTPUT) !== 0 &&
      !this.#isFull &&
      this.#transport !== undefined &&
      !this.#hasEnded
    ) {
      if (arena.bytes.length - arena.used < LEAST_ARENA_BYTES) {
        const bytes = Buffer.allocUnsafeSlow(ARENA_BYTES)
        arena = { bytes, memory: bytes.buffer as ArrayBuffer, used: 0 }
      }
      const { memory, used } = arena
      try {
        result = drain(this.id, viewOf(memory, used, arena.bytes.length - used), now())
      } catch (error) {
        this.#fail(error)
        return
      }
      const length = result & native.COUNT
      this.#sent?.take(viewOf(memory, used, length))
      if (length > 0 && !this.#transport.write(viewOf(memory, used, length))) {
        // It uses that memory until it says that it does not.
        arena.used = used + length
        this.#isFull = true
      }
      if ((result & native.LAST) !== 0) this.#endTransport()
    }
    if ((result & native.EVENTS) !== 0) this.#collect()
    if ((result & native.OUTPUT) === 0 && !this.#isFull) this.listener.written()
  }

  /** The protocol says that it is over: what was written leaves, then the transport is closed. */
  #close(closing: Closing): void {
    if (closing.kind === 'transport') return
    this.#isClosing = true
    this.listener.closing(closing)
    // A server that does not answer takes no farewell either.
    if (closing.kind === 'pingrespTimeout' || closing.kind === 'connackTimeout') this.destroy()
    else this.#drain()
  }

  #endTransport(): void {
    const transport = this.#transport
    if (transport === undefined || this.#linger !== undefined) return
    this.#linger = setTimeout(() => transport.destroy(), LINGER_MS)
    this.#linger.unref()
    transport.end()
  }

  #onClose(transport: ClientTransport, error: MqttError | undefined): void {
    if (this.#transport !== transport) return
    if (isReading) {
      afterReading.push(() => this.#onClose(transport, error))
      return
    }
    clearTimeout(this.#linger)
    this.#linger = undefined
    this.#transport = undefined
    this.#isFull = false
    if (!this.#hasEnded) {
      this.#side.clients.closed(this.id, now())
      this.#collect()
      this.#armTimer()
      this.#store?.give()
    }
    this.listener.gone(this.#isClosing ? undefined : error)
  }

  /** The native client met a bug and is gone. */
  #fail(error: unknown): void {
    const known = fromNative(error)
    this.destroy()
    this.end()
    this.listener.failed(
      known instanceof MqttError ? known : new MqttError('ERR_MQTT_PANIC', undefined, { cause: error }),
    )
  }

  /** Sees that the deadline of the native client is kept. It only moves away while nothing rare happens. */
  #armTimer(): void {
    if (this.#hasEnded) return
    clearTimeout(this.#timer)
    const at = this.#side.clients.nextTimeoutMs(this.id)
    if (at < 0) return
    const delay = Math.min(Math.max(Math.ceil(at - now()), 1), LONGEST_TIMER_MS)
    // A process that was asleep, or a page whose timers are slowed down, has answers waiting: they are read first.
    this.#timer = setTimeout(() => setImmediate(() => this.#tick()), delay)
    this.#timer.unref()
  }

  #tick(): void {
    if (this.#hasEnded) return
    const result = this.#side.clients.tick(this.id, now())
    if ((result & native.EVENTS) !== 0) this.#collect()
    if ((result & native.OUTPUT) !== 0) this.#drain()
    this.#store?.give()
    this.#armTimer()
  }
}

const NOTHING = Buffer.alloc(0)

function readLater(): void {
  for (let next = afterReading.shift(); next !== undefined; next = afterReading.shift()) next()
}
