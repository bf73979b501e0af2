/** One run: a publisher and a subscriber behind proxies that cut, and what came of it. */
import { PacketParser } from '../../../src/index.js'
import { CuttingProxy } from '../../support/cutting-proxy.js'
import { type CutPair, type Handed, qosOf } from './pair.js'
import { Releases } from './releases.js'

export interface CutReport {
  readonly published: number
  /** At the publisher and at the subscriber. */
  readonly cuts: readonly [number, number]
  /** The publisher has been told of every message that it was taken. */
  readonly acknowledged: boolean
  /** Numbers that were published and not handed over. */
  readonly lost: readonly number[]
  /** Numbers of QoS 2 that were handed over more than once. */
  readonly doubled: readonly number[]
  /** Messages of QoS 1 that were handed over again, which QoS 1 allows. */
  readonly repeated: number
  /** Messages of QoS 2 are handed over in the order in which the broker has taken them. */
  readonly inOrder: boolean
  /** Messages of QoS 2 that the publisher sent after a later one. */
  readonly overtaken: number
  /** Messages that the broker itself doubled; the figures above are without them. */
  readonly doubledByBroker: number
  /** The same of the publisher. */
  readonly doubledByPublisher: number
}

/** The broker between the two, and a way to see what it takes. */
export interface CutBroker {
  readonly port: number
  /** Tells of each message of a topic in the order in which the broker has taken them. Returns how to stop. */
  watch(topicName: string, listener: (payload: Buffer) => void): Promise<() => Promise<void>>
  /**
   * Whether the broker has itself sent the PUBLISH of this QoS 2 message again after its PUBREL, which [MQTT-4.3.3-6]
   * forbids: no client can know it for the same one. Left out where a broker does no such thing.
   */
  hasSentAfterRelease?(number: number): boolean
}

export interface CutRun {
  readonly pair: CutPair
  readonly broker: CutBroker
  /** Cuts at the publisher, and as many at the subscriber. */
  readonly cuts: number
  readonly seed: number
  /** See `CutOptions`. */
  readonly mostDelayMs?: number
  /** How long to wait for the last messages after the last cut. */
  readonly patienceMs?: number
}

/** The publisher is not let further ahead of the subscriber, so that what is open stays a window's worth. */
const MOST_AHEAD = 200

export async function runThroughCuts({
  pair,
  broker,
  cuts,
  seed,
  mostDelayMs = 0,
  patienceMs = 10_000,
}: CutRun): Promise<CutReport> {
  const id = `cuts-${seed}-${pair.name.replace(/\W+/g, '-')}`
  const releases = new Releases()
  const [above, below] = [
    await CuttingProxy.listen(broker.port, {
      cuts,
      seed,
      mostDelayMs,
      sparesConnack: pair.needsConnack,
      tap: () => {
        const parser = new PacketParser()
        return (bytes) => {
          for (const packet of parser.push(bytes)) releases.see(packet)
        }
      },
    }),
    await CuttingProxy.listen(broker.port, {
      cuts,
      mostDelayMs,
      seed: seed + 1,
      isPeaceful: pair.needsSuback,
    }),
  ]
  const subscriber = await pair.subscriber(below.port, `${id}-subscriber`, id)
  if (pair.needsSuback) below.start()
  const publisher = await pair.publisher(above.port, `${id}-publisher`, id)
  const arrived = new Arrived(subscriber.handed)
  const taken: number[] = []
  const stopWatching = await broker.watch(id, (payload) => taken.push(Number(payload)))
  try {
    let published = 0
    while (!above.isDone || !below.isDone) {
      published = arrived.distinct() + MOST_AHEAD
      publisher.publishUpTo(published)
      await pause(5)
    }
    const deadline = performance.now() + patienceMs
    const acknowledged = await Promise.race([
      publisher.finished(published).then(() => true),
      pause(patienceMs).then(() => false),
    ])
    while (arrived.distinct() < published && performance.now() < deadline) await pause(20)
    // Time for what should not come.
    await pause(200)
    return {
      published,
      acknowledged,
      cuts: [above.cuts, below.cuts],
      ...compare(
        published,
        taken,
        subscriber.handed,
        (number) => broker.hasSentAfterRelease?.(number) ?? false,
        (number) => releases.published.has(number),
      ),
    }
  } finally {
    await stopWatching()
    await Promise.all([publisher.close(), subscriber.close()])
    await Promise.all([above.close(), below.close()])
  }
}

/** Counts as it grows. */
class Arrived {
  readonly #handed: readonly Handed[]
  readonly #numbers = new Set<number>()
  #seen = 0

  constructor(handed: readonly Handed[]) {
    this.#handed = handed
  }

  distinct(): number {
    for (; this.#seen < this.#handed.length; this.#seen += 1) {
      this.#numbers.add(this.#handed[this.#seen]?.number ?? -1)
    }
    return this.#numbers.size
  }
}

function compare(
  published: number,
  taken: readonly number[],
  handed: readonly Handed[],
  isDoubledByBroker: (number: number) => boolean,
  isDoubledByPublisher: (number: number) => boolean,
): Omit<CutReport, 'published' | 'acknowledged' | 'cuts'> {
  const counts = new Map<number, number>()
  for (const { number } of handed) counts.set(number, (counts.get(number) ?? 0) + 1)
  const again = [...counts].filter(([, count]) => count > 1)
  const isJudged = (number: number) =>
    qosOf(number) === 2 && !isDoubledByBroker(number) && !isDoubledByPublisher(number)
  const takenOnce = taken.filter(isJudged)
  const handedOnce = handed.map(({ number }) => number).filter(isJudged)
  const doubled = again.map(([number]) => number).filter((number) => qosOf(number) === 2)
  return {
    lost: Array.from({ length: published }, (_, number) => number).filter((number) => !counts.has(number)),
    doubled: doubled.filter(isJudged),
    doubledByBroker: doubled.filter(isDoubledByBroker).length,
    doubledByPublisher: doubled.filter(isDoubledByPublisher).length,
    repeated: again.filter(([number]) => qosOf(number) === 1).reduce((sum, [, count]) => sum + count - 1, 0),
    inOrder: takenOnce.length === handedOnce.length && takenOnce.every((it, at) => it === handedOnce[at]),
    overtaken: takenOnce.filter((number, at) => number < (takenOnce[at - 1] ?? 0)).length,
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
