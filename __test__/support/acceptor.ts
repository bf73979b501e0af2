/** A stand-in for the Broker where a transport or listener is tested alone: it writes everything down. */
import type { ListenerAddress } from '../../src/listeners/listener.js'
import type { Logger } from '../../src/logger.js'
import { type BrokerOptions, type ResolvedOptions, resolveOptions } from '../../src/options.js'
import type {
  Acceptor,
  PayloadTransport,
  TopicUrlRequest,
  Transport,
  TransportSink,
} from '../../src/transports/transport.js'
import { until } from './until.js'

/** What one transport reported, in order. */
export class RecordedSink implements TransportSink {
  readonly transport: Transport | PayloadTransport
  readonly request: TopicUrlRequest | undefined
  readonly chunks: Buffer[] = []
  drainedCount = 0
  closedCount = 0
  error: Error | undefined
  /** Called with each chunk, for a test that answers. */
  onReceive: (bytes: Buffer) => void = () => {}

  constructor(transport: Transport | PayloadTransport, request?: TopicUrlRequest) {
    this.transport = transport
    this.request = request
  }

  get received(): Buffer {
    return Buffer.concat(this.chunks)
  }

  receive(bytes: Uint8Array): void {
    if (this.closedCount > 0) throw new Error('receive after closed')
    // Bytes are only valid during the call, so a copy.
    const copy = Buffer.from(bytes)
    this.chunks.push(copy)
    this.onReceive(copy)
  }

  drained(): void {
    if (this.closedCount > 0) throw new Error('drained after closed')
    this.drainedCount += 1
  }

  closed(error?: Error): void {
    this.closedCount += 1
    this.error = error
  }

  /** For tests whose transport is one of bytes. */
  write(bytes: Uint8Array): boolean {
    return (this.transport as Transport).write(bytes)
  }
}

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly fields: object
  readonly message: string
}

export class RecordingAcceptor implements Acceptor {
  readonly options: ResolvedOptions
  readonly logger: Logger
  readonly lines: LogLine[] = []
  readonly sinks: RecordedSink[] = []
  addresses: ListenerAddress[] = []
  /** Called with each new sink, before its first byte. */
  onAttach: (sink: RecordedSink) => void = () => {}

  constructor(options: BrokerOptions = {}) {
    const log =
      (level: LogLine['level']) =>
      (fields: object, message: string): void => {
        this.lines.push({ level, fields, message })
      }
    this.logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
    this.options = resolveOptions({ ...options, logger: this.logger })
  }

  attach(transport: Transport): TransportSink {
    return this.#record(new RecordedSink(transport))
  }

  /** What it drives itself would not be recorded. */
  adopt(): boolean {
    return false
  }

  attachTopicUrl(transport: PayloadTransport, request: TopicUrlRequest): TransportSink {
    return this.#record(new RecordedSink(transport, request))
  }

  /** The `index`-th sink, when it is there. */
  async sink(index = 0): Promise<RecordedSink> {
    return until(() => this.sinks[index], `connection ${index}`)
  }

  /** Everything logged at `warn`. */
  get warnings(): string[] {
    return this.lines.filter((line) => line.level === 'warn').map((line) => line.message)
  }

  #record(sink: RecordedSink): RecordedSink {
    this.sinks.push(sink)
    this.onAttach(sink)
    return sink
  }
}

/** More than the buffers of any two kernels between here and a peer. */
const MOST_BYTES = 268_435_456

/**
 * Writes blocks (the n-th is full of n) until the peer, which does not read, takes no more: one block's `drained` has
 * not come for a while. Returns how many were written.
 */
export async function fill(sink: RecordedSink, blockBytes: number): Promise<number> {
  for (let count = 1; count * blockBytes < MOST_BYTES; count += 1) {
    const before = sink.drainedCount
    if (sink.write(Buffer.alloc(blockBytes, count - 1))) continue
    const deadline = performance.now() + 100
    while (sink.drainedCount === before) {
      if (performance.now() > deadline) return count
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }
  throw new Error('a peer that does not read was written to without end')
}
