/** A whole run: starts the servers, takes every measure of every way in turn, round after round, and sums up. */
import { EXIT_FAILURE, Exit } from '../lib/exit.js'
import type { Address } from './addresses.js'
import { makeCertificate } from './certificate.js'
import { measureNetworks } from './measures/bad-network.js'
import { measureBytes } from './measures/bytes.js'
import { measureFanOut } from './measures/fan-out.js'
import { measureLatency } from './measures/latency.js'
import { measureMemory } from './measures/memory.js'
import { measureReconnect } from './measures/reconnect.js'
import { nextClientId, nextTopic, type Reachable, type Site } from './measures/site.js'
import { measureThroughput } from './measures/throughput.js'
import { openPeer } from './peer.js'
import type { Plan, StepName } from './plan.js'
import { Collector, machine, type Results } from './results.js'
import { ServerProcess } from './servers.js'
import { type Place, WAYS, type Way } from './ways.js'

/** What is to be compared, and how thoroughly. */
export interface RunOptions {
  readonly plan: Plan
  /** What is measured; undefined: everything. */
  readonly only: readonly StepName[] | undefined
  /** Another broker; without either our own is started. */
  readonly mqtt: Address | undefined
  readonly ws: Address | undefined
  readonly version: string
  readonly command: string
  /** Told what is being done, and how much of it all is done. */
  readonly onStep: (what: string, done: number, all: number) => void
}

/** A measure, of one way or of all at once. */
interface Step {
  readonly id: StepName
  readonly name: string
  /** With TLS only where the plan asks for it; bytes and connecting are about TLS as well. */
  readonly alwaysTls?: boolean
  /** No matter of time: where there is hurry, all ways have their turn at once. */
  readonly isTimeless?: boolean
  readonly run: (site: Site, reachable: Reachable) => Promise<void>
}

const STEPS: readonly Step[] = [
  { id: 'bytes', name: 'bytes on the wire', alwaysTls: true, run: measureBytes },
  { id: 'latency', name: 'latency', run: measureLatency },
  { id: 'throughput', name: 'messages a second', run: measureThroughput },
  { id: 'fan-out', name: 'one to many', run: measureFanOut },
  { id: 'memory', name: 'idle connections', isTimeless: true, run: measureMemory },
  { id: 'reconnect', name: 'connecting again', alwaysTls: true, run: measureReconnect },
]

/** @throws Exit where a server cannot be started or reached. */
export async function runComparison(options: RunOptions): Promise<Results> {
  const { plan, mqtt, ws } = options
  const startedMs = performance.now()
  const collector = new Collector()
  const certificate = makeCertificate()
  const about = machine()
  const isOwnBroker = mqtt === undefined && ws === undefined
  const servers: ServerProcess[] = []
  try {
    const bare = await ServerProcess.start('bare', certificate)
    servers.push(bare)
    const broker = isOwnBroker ? await ServerProcess.start('broker', certificate) : undefined
    if (broker !== undefined) servers.push(broker)
    const places = new Places({ bare, broker, mqtt, ws })
    const reachable = await probe(places, collector, isOwnBroker, options)
    const site: Omit<Site, 'round'> = {
      plan,
      certificate,
      collector,
      server: (way) => (way.protocol === 'bare' ? bare : broker),
    }
    await runRounds(site, reachable, options)
    return {
      kind: 'topicwire compare',
      format: 1,
      version: options.version,
      date: new Date().toISOString(),
      secs: Math.round((performance.now() - startedMs) / 100) / 10,
      command: options.command,
      isQuick: plan.isQuick,
      rounds: plan.rounds,
      machine: about,
      ...(!isOwnBroker && { broker: { ...(mqtt && { mqtt: mqtt.text }), ...(ws && { ws: ws.text }) } }),
      ways: reachable.map(({ way }) => ({ id: way.id, name: way.name })),
      rows: collector.rows(),
      notMeasured: collector.notMeasured,
    }
  } finally {
    for (const server of servers) server.kill()
  }
}

/** Round after round each way has its turn in each measure: what disturbs the machine for a while disturbs all of them. */
async function runRounds(
  site: Omit<Site, 'round'>,
  reachable: readonly Reachable[],
  { plan, only, onStep }: RunOptions,
): Promise<void> {
  const plain = reachable.filter(({ way }) => !way.tls || !reachable.some((one) => isPlain(one.way, way)))
  const isDue = (id: StepName, round: number) =>
    (only === undefined || only.includes(id)) && (round === 0 || !plan.once.includes(id))
  const wanted = ({ id, alwaysTls }: Step, round: number) =>
    isDue(id, round) ? (plan.withTls || alwaysTls ? reachable : plain) : []
  const rounds = Array.from({ length: plan.rounds }, (_, round) => round)
  const all = rounds.reduce(
    (sum, round) => STEPS.reduce((inner, step) => inner + wanted(step, round).length, sum + 1),
    0,
  )
  let done = 0
  for (const round of rounds) {
    const title = `round ${round + 1} of ${plan.rounds}`
    for (const step of STEPS) {
      const turn = wanted(step, round)
      if (plan.isQuick && step.isTimeless && turn.length > 0) {
        onStep(`${title}: ${step.name}, all ways at once`, done, all)
        await Promise.all(
          turn.map((one) => attempt(step.name, one.way, () => step.run({ ...site, round }, one))),
        )
        done += turn.length
        continue
      }
      // Another one begins in each round: being first, or behind a certain one, is no way's lot.
      for (let index = 0; index < turn.length; index++) {
        const one = turn[(index + round) % turn.length]
        if (one === undefined) continue
        onStep(`${title}: ${step.name}, ${one.way.name}`, done, all)
        await attempt(step.name, one.way, () => step.run({ ...site, round }, one))
        done += 1
      }
    }
    if (isDue('network', round)) {
      onStep(`${title}: bad networks, all ways at once`, done, all)
      await measureNetworks({ ...site, round }, plain)
    }
    done += 1
  }
}

/** Whether `one` is `other` without TLS. */
function isPlain(one: Way, other: Way): boolean {
  return !one.tls && `${one.id}-tls` === other.id
}

async function attempt(what: string, way: Way, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (error instanceof Exit) throw error
    throw new Exit(EXIT_FAILURE, `${way.name} failed while ${what} were measured: ${reasonOf(error)}.`)
  }
}

/** Where each way is to be had. */
class Places {
  readonly #servers: {
    readonly bare: ServerProcess
    readonly broker: ServerProcess | undefined
    readonly mqtt: Address | undefined
    readonly ws: Address | undefined
  }

  constructor(servers: {
    readonly bare: ServerProcess
    readonly broker: ServerProcess | undefined
    readonly mqtt: Address | undefined
    readonly ws: Address | undefined
  }) {
    this.#servers = servers
  }

  of(way: Way): Place | undefined {
    const { bare, broker, mqtt, ws } = this.#servers
    const own = way.protocol === 'bare' ? bare : broker
    if (own !== undefined) {
      const path = way.protocol === 'live' ? '/live' : '/mqtt'
      return { host: '127.0.0.1', port: way.tls ? own.ports.tls : own.ports.plain, tls: way.tls, path }
    }
    if (way.protocol !== 'mqtt') return undefined
    const address = way.carrier === 'stream' ? mqtt : ws
    return address?.place.tls === way.tls ? address.place : undefined
  }
}

/** Which ways there are. Another broker that cannot be reached at all is an error; what our own does not have is said. */
async function probe(
  places: Places,
  collector: Collector,
  isOwnBroker: boolean,
  { mqtt, ws }: RunOptions,
): Promise<Reachable[]> {
  const reachable: Reachable[] = []
  for (const way of WAYS) {
    const place = places.of(way)
    if (place === undefined) {
      collector.miss(way.name, whyNotThere(way, mqtt, ws))
      continue
    }
    try {
      const topic = nextTopic(16)
      const peer = await openPeer({ way, place, topic, qos: 0, listens: true, clientId: nextClientId() })
      peer.end()
      reachable.push({ way, place })
    } catch (error) {
      const address = way.carrier === 'stream' ? mqtt : ws
      if (!isOwnBroker && way.protocol === 'mqtt') {
        throw new Exit(EXIT_FAILURE, `${address?.text} cannot be used: ${reasonOf(error)}.`)
      }
      collector.miss(way.name, `our broker does not have it: ${reasonOf(error)}`)
    }
  }
  if (!isOwnBroker) {
    const why = 'it is a process of somebody else; the bare WebSocket server is ours'
    collector.miss("the broker's CPU time and memory", why)
  }
  return reachable
}

function whyNotThere(way: Way, mqtt: Address | undefined, ws: Address | undefined): string {
  if (way.protocol !== 'mqtt') return 'it is our own broker that has it'
  const flag = way.carrier === 'stream' ? '--broker' : '--ws'
  const given = way.carrier === 'stream' ? mqtt : ws
  if (given === undefined) return `${flag} names no address`
  return `${flag} names an address ${given.place.tls ? 'with' : 'without'} TLS`
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  return error instanceof Error ? error.message : String(error)
}
