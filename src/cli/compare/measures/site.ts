/** What every measure works with: where the servers are, what they use, and where its samples go. */
import { setTimeout as sleep } from 'node:timers/promises'
import { ECHO_TOPICS } from '../bare-server.js'
import type { Certificate } from '../certificate.js'
import { openPeer, type Peer, type PeerOptions } from '../peer.js'
import { type Plan, TOPIC_BYTES } from '../plan.js'
import type { Collector, Sample } from '../results.js'
import type { ServerProcess } from '../servers.js'
import type { Place, Qos, Way } from '../ways.js'

/** Everything that a run needs. */
export interface Site {
  readonly plan: Plan
  readonly round: number
  /** The process behind a way, where it is ours: another one's memory and CPU time are not for us to read. */
  server(way: Way): ServerProcess | undefined
  readonly certificate: Certificate
  readonly collector: Collector
}

/** A way with its address. */
export interface Reachable {
  readonly way: Way
  readonly place: Place
}

let clients = 0

/** Unique among all runs at once, and always of the same length. */
export function nextClientId(): string {
  clients += 1
  return `compare-${process.pid.toString(36).padStart(5, '0')}-${clients.toString(36).padStart(5, '0')}`
}

let topics = 0

/** A topic of so many bytes (16 at least) that nobody has had before. */
export function nextTopic(bytes: number): string {
  topics += 1
  return `compare/${topics.toString(36).padStart(8, '0')}`.padEnd(bytes, 'x')
}

/** A topic on which a peer of that way hears itself. Brokers have no others; the bare server has a path for it. */
export function nextEchoTopic(way: Way): string {
  const topic = nextTopic(TOPIC_BYTES)
  return way.protocol === 'bare' ? topic.replace(/^compare\//, ECHO_TOPICS) : topic
}

/** A pair that talks about one topic, open. */
export async function openPair(
  { way, place }: Reachable,
  topic: string,
  qos: Qos,
  events: Pick<PeerOptions, 'onMessage' | 'onAcknowledged'>,
): Promise<{ publisher: Peer; subscriber: Peer }> {
  const { onMessage, onAcknowledged } = events
  const subscriber = await openPeer({
    way,
    place,
    topic,
    qos,
    listens: true,
    clientId: nextClientId(),
    ...(onMessage && { onMessage }),
  })
  const publisher = await openPeer({
    way,
    place,
    topic,
    qos,
    listens: false,
    clientId: nextClientId(),
    ...(onAcknowledged && { onAcknowledged }),
  })
  return { publisher, subscriber }
}

/** CPU time and wall time between two moments, of a server (where it is ours) and of this process. */
export class Stopwatch {
  readonly #server: ServerProcess | undefined
  #serverMicros = 0
  #ownMicros = 0
  #startedMs = 0

  constructor(server: ServerProcess | undefined) {
    this.#server = server
  }

  async start(): Promise<void> {
    this.#serverMicros = (await this.#server?.usage())?.cpuMicros ?? 0
    this.#ownMicros = ownMicros()
    this.#startedMs = performance.now()
  }

  /** For `count` of something. */
  async stop(count: () => number): Promise<Sample['values']> {
    const ms = performance.now() - this.#startedMs
    const counted = count()
    const own = ownMicros() - this.#ownMicros
    const usage = await this.#server?.usage()
    const server = usage && usage.cpuMicros - this.#serverMicros
    return {
      perSecond: (counted * 1_000) / ms,
      cpuMicros: server === undefined ? undefined : server / Math.max(counted, 1),
      serverBusy: server === undefined ? undefined : server / (ms * 1_000),
      generatorBusy: own / (ms * 1_000),
    }
  }
}

function ownMicros(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** Waits until `probe` says so. @returns whether it did in time */
export async function waitUntil(probe: () => boolean, patienceMs: number, everyMs = 2): Promise<boolean> {
  const deadline = performance.now() + patienceMs
  while (!probe()) {
    if (performance.now() > deadline) return false
    await sleep(everyMs)
  }
  return true
}

/** Waits until a number has not changed for so long. */
export async function waitUntilStill(read: () => number, stillMs: number, patienceMs = 5_000): Promise<void> {
  const deadline = performance.now() + patienceMs
  let last = read()
  let sinceMs = performance.now()
  while (performance.now() - sinceMs < stillMs && performance.now() < deadline) {
    await sleep(2)
    const value = read()
    if (value !== last) sinceMs = performance.now()
    last = value
  }
}
