/** How much is measured: quickly, or for a report. */
import type { NetworkProfile } from './network.js'
import type { Qos } from './ways.js'

/** What can be asked for with `--only`. */
export const STEP_NAMES = [
  'bytes',
  'echo',
  'latency',
  'throughput',
  'fan-out',
  'memory',
  'reconnect',
  'network',
] as const
export type StepName = (typeof STEP_NAMES)[number]

/** A network that is bad in a way of its own. */
export interface NamedNetwork {
  readonly name: string
  readonly profile: NetworkProfile
}

export interface Plan {
  readonly isQuick: boolean
  readonly rounds: number
  /** These are taken in the first round only. */
  readonly once: readonly StepName[]
  /** Of as many messages as it takes, for each way, before a round. */
  readonly warmUpSecs: number
  /** Whether the slower measures are taken with TLS as well. */
  readonly withTls: boolean
  readonly bytes: {
    readonly messages: number
    readonly shapes: readonly { readonly topicBytes: number; readonly payloadBytes: number }[]
  }
  readonly echo: { readonly secs: number; readonly qos: readonly Qos[] }
  readonly latency: {
    readonly ratesPerSec: readonly number[]
    readonly secs: number
    readonly qos: readonly Qos[]
  }
  readonly throughput: { readonly secs: number; readonly qos: readonly Qos[] }
  readonly memory: { readonly connections: number }
  readonly fanOut: { readonly subscribers: readonly number[]; readonly secs: number }
  /** A round trip is twice this. */
  readonly reconnect: { readonly delayMs: number; readonly missed: number }
  readonly network: {
    readonly networks: readonly NamedNetwork[]
    readonly ratePerSec: number
    readonly secs: number
    readonly lateMs: number
  }
}

/** Of the messages whose speed is measured. */
export const PAYLOAD_BYTES = 128
export const TOPIC_BYTES = 16

/** Near, fast, never cut; one segment in twenty is lost. */
const WIFI: NetworkProfile = {
  delayMs: 5,
  jitterMs: 4,
  loss: 0.05,
  retransmitMs: 200,
  bytesPerSec: 1_250_000,
  cutEveryMs: Number.POSITIVE_INFINITY,
  cutForMs: 0,
}

/** Far, slow, and cut in every tunnel. */
const MOBILE: NetworkProfile = {
  delayMs: 50,
  jitterMs: 20,
  loss: 0.01,
  retransmitMs: 300,
  bytesPerSec: 125_000,
  cutEveryMs: 4_000,
  cutForMs: 400,
}

export const QUICK: Plan = {
  isQuick: true,
  rounds: 3,
  once: ['bytes', 'memory', 'reconnect', 'network'],
  warmUpSecs: 0.1,
  withTls: false,
  bytes: {
    messages: 5,
    shapes: [
      { topicBytes: 16, payloadBytes: 16 },
      { topicBytes: 16, payloadBytes: 128 },
    ],
  },
  echo: { secs: 0.2, qos: [0] },
  latency: { ratesPerSec: [500], secs: 0.4, qos: [0] },
  throughput: { secs: 0.3, qos: [0] },
  memory: { connections: 1000 },
  fanOut: { subscribers: [50], secs: 0.2 },
  reconnect: { delayMs: 25, missed: 5 },
  network: {
    networks: [
      { name: 'lossy Wi-Fi', profile: WIFI },
      { name: 'mobile, with cuts', profile: { ...MOBILE, cutEveryMs: 2_000 } },
    ],
    ratePerSec: 20,
    secs: 3,
    lateMs: 1_000,
  },
}

export const FULL: Plan = {
  isQuick: false,
  rounds: 5,
  once: [],
  warmUpSecs: 0.5,
  withTls: true,
  bytes: {
    messages: 10,
    shapes: [
      { topicBytes: 16, payloadBytes: 16 },
      { topicBytes: 16, payloadBytes: 128 },
      { topicBytes: 16, payloadBytes: 1024 },
      { topicBytes: 64, payloadBytes: 128 },
    ],
  },
  echo: { secs: 0.6, qos: [0, 1] },
  latency: { ratesPerSec: [1000, 5000], secs: 1.5, qos: [0, 1] },
  throughput: { secs: 1, qos: [0, 1] },
  memory: { connections: 1000 },
  fanOut: { subscribers: [10, 100, 1000], secs: 0.6 },
  reconnect: { delayMs: 25, missed: 10 },
  network: {
    networks: [
      { name: 'lossy Wi-Fi', profile: WIFI },
      { name: 'mobile, with cuts', profile: MOBILE },
    ],
    ratePerSec: 20,
    secs: 15,
    lateMs: 1_000,
  },
}
