/** `bench pub`: messages by schedule, from many clients, measured from when each was due. */
import type { MqttClient } from '../lib/client.js'
import type { Io } from '../lib/io.js'
import type { Clients } from './clients.js'
import { type BenchSettings, fillTopic } from './flags.js'
import { Latencies, latencyText } from './latency.js'
import { type Figures, RateMeter } from './report.js'
import { counted, timeOut, withClients } from './run.js'
import { Pump } from './schedule.js'
import { epochOf, stamp, stampedPayload } from './stamp.js'

/** What is published. */
export interface PubSettings extends BenchSettings {
  readonly topic: string
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  /** Between two messages of one client. */
  readonly messageIntervalMs: number
  /** Messages of all clients together; Infinity where only time or the user ends it. */
  readonly limit: number
  /** As given; otherwise `payloadBytes` with the time in it. */
  readonly message: string | undefined
  readonly payloadBytes: number
  readonly username: string | undefined
}

/** Unanswered messages of all clients. What is due beyond that waits, and its wait is measured. */
const MAXIMUM_OUTSTANDING = 65_536
/** Of one client: Packet Identifiers are 16 bits. */
const MAXIMUM_OUTSTANDING_OF_CLIENT = 32_768
/** How long the answers to the last messages may take. */
const LAST_ANSWERS_MS = 5_000

/** @throws Exit where nobody could connect. */
export async function benchPub(settings: PubSettings, io: Io): Promise<void> {
  const publishers: Publisher[] = []
  const onClient = (client: MqttClient, number: number): void => {
    const topic = fillTopic(settings.topic, number, client.options.clientId ?? '', settings.username)
    publishers.push({ client, topic, outstanding: 0 })
  }
  const connecting = ({ connected, failed }: Clients): Figures => ({
    clients: settings.count,
    connected,
    failed,
  })
  await withClients(settings, io, onClient, connecting, async ({ clients, report, ended, isEnded }) => {
    if (isEnded) return
    const load = new Load(settings, publishers)
    report.follow(() => load.figures(clients))
    await load.run(ended)
    report.finish(load.sentences(clients), load.figures(clients))
  })
}

interface Publisher {
  readonly client: MqttClient
  readonly topic: string
  outstanding: number
}

class Load {
  readonly #settings: PubSettings
  readonly #publishers: readonly Publisher[]
  readonly #payload: Buffer
  readonly #isStamped: boolean
  readonly #latencies = new Latencies()
  readonly #pump: Pump
  readonly #meter = new RateMeter()
  #outstanding = 0
  #answered = 0
  #failed = 0
  #startedMs = 0
  #endedMs: number | undefined
  #lastAnswerMs = 0
  #behindAtEnd = 0
  #onAnswer: () => void = () => undefined

  constructor(settings: PubSettings, publishers: readonly Publisher[]) {
    this.#settings = settings
    this.#publishers = publishers
    this.#isStamped = settings.message === undefined
    this.#payload =
      settings.message === undefined ? stampedPayload(settings.payloadBytes) : Buffer.from(settings.message)
    this.#pump = new Pump({
      // One schedule for all: client by client, evenly over the interval.
      intervalMs: settings.messageIntervalMs / publishers.length,
      limit: settings.limit,
      isFull: () => this.#outstanding >= MAXIMUM_OUTSTANDING,
      run: (index, dueMs) => this.#publish(index, dueMs),
    })
  }

  /** Until the limit, the time, or `ended`; then for the last answers. */
  async run(ended: Promise<unknown>): Promise<void> {
    this.#startedMs = performance.now()
    this.#pump.start()
    await Promise.race([this.#pump.finished, timeOut(this.#settings.forSecs), ended])
    this.#endedMs = performance.now()
    this.#behindAtEnd = this.#pump.behind
    this.#pump.stop()
    const answered = new Promise<void>((resolve) => {
      this.#onAnswer = () => this.#outstanding === 0 && resolve()
      this.#onAnswer()
    })
    await Promise.race([answered, timeOut(LAST_ANSWERS_MS / 1_000), ended])
    // A server that answers late has taken longer for them.
    this.#endedMs = Math.max(this.#endedMs, this.#lastAnswerMs)
  }

  figures(clients: Clients): Figures {
    const { qos, messageIntervalMs } = this.#settings
    const nowMs = this.#endedMs ?? performance.now()
    const elapsedSecs = (nowMs - this.#startedMs) / 1_000
    const isOver = this.#endedMs !== undefined
    return {
      bench: 'pub',
      clients: this.#publishers.length,
      connected: clients.connected,
      qos,
      elapsedSecs,
      sent: this.#pump.begun - this.#failed,
      answered: this.#answered,
      failed: this.#failed,
      unanswered: this.#outstanding,
      behind: isOver ? this.#behindAtEnd : this.#pump.behind,
      askedRatePerSec: (1_000 * this.#publishers.length) / messageIntervalMs,
      ratePerSec: isOver ? this.#answered / Math.max(elapsedSecs, 0.001) : this.#meter.rate(this.#answered),
      latencyMs: this.#latencies.summary(),
    }
  }

  sentences(clients: Clients): string[] {
    const { qos, messageIntervalMs } = this.#settings
    const elapsedSecs = ((this.#endedMs ?? 0) - this.#startedMs) / 1_000
    const asked = (1_000 * this.#publishers.length) / messageIntervalMs
    const rate = this.#answered / Math.max(elapsedSecs, 0.001)
    const latency = this.#latencies.summary()
    const until = ['it was handed to the socket', 'PUBACK', 'PUBCOMP'][qos]
    return [
      `${counted(this.#publishers.length, 'client')}, ${counted(this.#answered, 'message')} at QoS ${qos} in ${elapsedSecs.toFixed(2)} s: ${rate.toFixed(1)}/s of ${asked.toFixed(1)}/s.`,
      ...(latency === undefined ? [] : [`From when due until ${until}, ms: ${latencyText(latency)}`]),
      ...(this.#outstanding === 0
        ? []
        : [`${counted(this.#outstanding, 'message')} unanswered: not among the latencies.`]),
      ...(this.#behindAtEnd === 0
        ? []
        : [
            `${counted(this.#behindAtEnd, 'message')} due and not begun: the server or this machine did not keep up.`,
          ]),
      ...(this.#failed === 0 ? [] : [`${counted(this.#failed, 'message')} failed.`]),
      ...(clients.trouble === undefined ? [] : [clients.trouble]),
    ]
  }

  #publish(index: number, dueMs: number): void {
    const publisher = this.#publishers[index % this.#publishers.length]
    if (publisher === undefined) return
    if (!publisher.client.connected || publisher.outstanding >= MAXIMUM_OUTSTANDING_OF_CLIENT) {
      this.#failed += 1
      return
    }
    const { qos, retain } = this.#settings
    const payload = this.#isStamped ? stamp(this.#payload, epochOf(dueMs)) : this.#payload
    this.#outstanding += 1
    publisher.outstanding += 1
    publisher.client.publish(publisher.topic, payload, { qos, retain }, (error) => {
      this.#outstanding -= 1
      publisher.outstanding -= 1
      if (error) this.#failed += 1
      else {
        this.#answered += 1
        this.#lastAnswerMs = performance.now()
        this.#latencies.record(this.#lastAnswerMs - dueMs)
      }
      this.#onAnswer()
    })
  }
}
