/** `bench sub`: many subscribers, what arrives at them, and how long it was under way. */
import type { MqttClient } from '../lib/client.js'
import type { ReceivedPacket } from '../lib/client-types.js'
import { EXIT_FAILURE, Exit } from '../lib/exit.js'
import type { Io } from '../lib/io.js'
import type { Clients } from './clients.js'
import { type BenchSettings, fillTopic } from './flags.js'
import { Latencies, latencyText } from './latency.js'
import { type Figures, RateMeter } from './report.js'
import { counted, timeOut, withClients } from './run.js'
import { epochOf, readStamp } from './stamp.js'

/** What is subscribed to. */
export interface SubSettings extends BenchSettings {
  readonly topics: readonly string[]
  readonly qos: 0 | 1 | 2
  /** Messages after which it ends; Infinity where only time or the user ends it. */
  readonly limit: number
  readonly username: string | undefined
}

/** @throws Exit where nobody could connect, or the server refuses the subscription. */
export async function benchSub(settings: SubSettings, io: Io): Promise<void> {
  const subscribers = new Subscribers(settings)
  const onClient = (client: MqttClient, number: number): void => subscribers.add(client, number)
  const figures = (clients: Clients): Figures => subscribers.figures(clients)
  await withClients(settings, io, onClient, figures, async ({ clients, report, ended, isEnded }) => {
    await Promise.race([subscribers.over, timeOut(isEnded ? 0 : settings.forSecs), ended])
    report.finish(subscribers.sentences(clients), figures(clients))
  })
}

class Subscribers {
  readonly #settings: SubSettings
  readonly #latencies = new Latencies()
  readonly #meter = new RateMeter()
  #received = 0
  #bytes = 0
  #subscribed = 0
  #firstMs: number | undefined
  #lastMs = 0
  #end: (error?: Error) => void = () => undefined
  /** Resolves at the limit, rejects when the server refuses a subscription. */
  readonly over: Promise<void>

  constructor(settings: SubSettings) {
    this.#settings = settings
    this.over = new Promise((resolve, reject) => {
      this.#end = (error) => (error === undefined ? resolve() : reject(error))
    })
    // It may come before anybody waits for it.
    this.over.catch(() => undefined)
  }

  add(client: MqttClient, number: number): void {
    const { topics, qos, username } = this.#settings
    const filters = topics.map((topic) => fillTopic(topic, number, client.options.clientId ?? '', username))
    client.on('message', (_topic: string, payload: Buffer, { retain }: ReceivedPacket) =>
      this.#count(payload, retain),
    )
    client.subscribe(filters, { qos }, (error, granted) => {
      const refused = granted?.find((one) => one.qos >= 0x80)
      if (error || refused !== undefined) {
        const reason = refused === undefined ? error?.message : `not allowed: '${refused.topic}'`
        this.#end(new Exit(EXIT_FAILURE, `The server refuses the subscription (${reason}).`))
      } else this.#subscribed += 1
    })
  }

  figures(clients: Clients): Figures {
    return {
      bench: 'sub',
      clients: this.#settings.count,
      connected: clients.connected,
      subscribed: this.#subscribed,
      failed: clients.failed,
      received: this.#received,
      bytes: this.#bytes,
      elapsedSecs: this.#elapsedSecs(),
      ratePerSec: this.#meter.rate(this.#received),
      latencyMs: this.#latencies.summary(),
    }
  }

  sentences(clients: Clients): string[] {
    const rate = this.#received / Math.max(this.#elapsedSecs(), 0.001)
    const latency = this.#latencies.summary()
    return [
      `${counted(this.#subscribed, 'subscriber')}, ${counted(this.#received, 'message')} from the first to the last in ${this.#elapsedSecs().toFixed(2)} s${this.#received > 1 ? `: ${rate.toFixed(1)}/s` : ''}.`,
      ...(latency === undefined
        ? []
        : [`From when due at bench pub until here, by the clocks of both, ms: ${latencyText(latency)}`]),
      ...(clients.trouble === undefined ? [] : [clients.trouble]),
    ]
  }

  #elapsedSecs(): number {
    return this.#firstMs === undefined ? 0 : (this.#lastMs - this.#firstMs) / 1_000
  }

  /** A retained message was published long ago. */
  #count(payload: Buffer, isRetained: boolean): void {
    const nowMs = performance.now()
    this.#firstMs ??= nowMs
    this.#lastMs = nowMs
    this.#received += 1
    this.#bytes += payload.length
    const dueMs = isRetained ? undefined : readStamp(payload)
    if (dueMs !== undefined) this.#latencies.record(epochOf(nowMs) - dueMs)
    if (this.#received >= this.#settings.limit) this.#end()
  }
}
