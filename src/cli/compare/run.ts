/**
 * A whole run: round after round, with servers of its own each, every measure of every way in turn; then it is summed up.
 * Servers that stay would make the rounds of one run more alike than two runs are, and its spreads too small.
 */
import { EXIT_FAILURE, Exit } from '../lib/exit.js'
import { makeCertificate } from './certificate.js'
import { measureNetworks } from './measures/bad-network.js'
import { measureBytes } from './measures/bytes.js'
import { measureEcho } from './measures/echo.js'
import { measureFanOut } from './measures/fan-out.js'
import { measureLatency } from './measures/latency.js'
import { measureMemory } from './measures/memory.js'
import { measureReconnect } from './measures/reconnect.js'
import type { Reachable, Site } from './measures/site.js'
import { measureThroughput, warmUp } from './measures/throughput.js'
import { type Elsewhere, isOurs, Places, reasonOf } from './places.js'
import type { Plan, StepName } from './plan.js'
import { Collector, machine, type Results } from './results.js'
import { WAYS, type Way } from './ways.js'

/** What is to be compared, and how thoroughly. */
export interface RunOptions extends Elsewhere {
  readonly plan: Plan
  /** What is measured; undefined: everything. */
  readonly only: readonly StepName[] | undefined
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
  /** It is about time, and a cold server is slow. */
  readonly needsWarmth?: boolean
  readonly run: (site: Site, reachable: Reachable) => Promise<void>
}

const STEPS: readonly Step[] = [
  { id: 'bytes', name: 'bytes on the wire', alwaysTls: true, run: measureBytes },
  { id: 'echo', name: 'there and back', needsWarmth: true, run: measureEcho },
  { id: 'latency', name: 'latency', needsWarmth: true, run: measureLatency },
  { id: 'throughput', name: 'messages a second', needsWarmth: true, run: measureThroughput },
  { id: 'fan-out', name: 'one to many', needsWarmth: true, run: measureFanOut },
  { id: 'memory', name: 'idle connections', isTimeless: true, run: measureMemory },
  { id: 'reconnect', name: 'connecting again', alwaysTls: true, run: measureReconnect },
]

/** @throws Exit where a server cannot be started or reached. */
export async function runComparison(options: RunOptions): Promise<Results> {
  const { plan, mqtt, ws } = options
  const startedMs = performance.now()
  const collector = new Collector()
  const about = machine()
  const ways = await runRounds(collector, options)
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
    ...(!isOurs(options) && { broker: { ...(mqtt && { mqtt: mqtt.text }), ...(ws && { ws: ws.text }) } }),
    ways: ways.map(({ id, name }) => ({ id, name })),
    rows: collector.rows(),
    notMeasured: collector.notMeasured,
  }
}

/** @returns the ways that there were */
async function runRounds(collector: Collector, options: RunOptions): Promise<readonly Way[]> {
  const { plan } = options
  const certificate = makeCertificate()
  const found = new Set<Way>()
  for (let round = 0; round < plan.rounds; round++) {
    const places = await Places.open(certificate, options)
    try {
      const reachable = await places.probe(collector)
      for (const { way } of reachable) found.add(way)
      const site = { plan, round, certificate, collector, server: (way: Way) => places.server(way) }
      await runRound(site, reachable, options)
    } finally {
      places.close()
    }
  }
  return WAYS.filter((way) => found.has(way))
}

/** Each way has its turn in each measure: what disturbs the machine for a while disturbs all of them. */
async function runRound(site: Site, reachable: readonly Reachable[], options: RunOptions): Promise<void> {
  const { plan, onStep } = options
  const { round } = site
  const turns = turnsIn(round, reachable, options)
  const all = countTurns(plan.rounds, reachable, options)
  let done = countTurns(round, reachable, options)
  const tell = (what: string) => onStep(`round ${round + 1} of ${plan.rounds}: ${what}`, done, all)
  if (turns.some(({ step }) => step.needsWarmth)) {
    for (const one of reachable) {
      tell(`warming up, ${one.way.name}`)
      await attempt('warming up', one.way, () => warmUp(site, one))
    }
  }
  for (const { step, ways } of turns) {
    if (plan.isQuick && step.isTimeless) {
      tell(`${step.name}, all ways at once`)
      await Promise.all(ways.map((one) => attempt(step.name, one.way, () => step.run(site, one))))
      done += ways.length
      continue
    }
    // Another one begins in each round: being first, or behind a certain one, is no way's lot.
    const first = round % Math.max(ways.length, 1)
    for (const one of [...ways.slice(first), ...ways.slice(0, first)]) {
      tell(`${step.name}, ${one.way.name}`)
      await attempt(step.name, one.way, () => step.run(site, one))
      done += 1
    }
  }
  if (isDue('network', round, options)) {
    tell('bad networks, all ways at once')
    await measureNetworks(site, withoutTls(reachable))
  }
}

/** The measures of a round but the bad networks, and of which ways each is taken. */
function turnsIn(round: number, reachable: readonly Reachable[], options: RunOptions): Turn[] {
  return STEPS.filter(({ id }) => isDue(id, round, options)).map((step) => ({
    step,
    ways: options.plan.withTls || step.alwaysTls ? reachable : withoutTls(reachable),
  }))
}

/** What there is to do in so many rounds; bad networks are worth as much as a way. */
function countTurns(rounds: number, reachable: readonly Reachable[], options: RunOptions): number {
  let count = 0
  for (let round = 0; round < rounds; round++) {
    for (const { ways } of turnsIn(round, reachable, options)) count += ways.length
    count += 1
  }
  return count
}

interface Turn {
  readonly step: Step
  readonly ways: readonly Reachable[]
}

function isDue(id: StepName, round: number, { plan, only }: RunOptions): boolean {
  return (only === undefined || only.includes(id)) && (round === 0 || !plan.once.includes(id))
}

/** Each way without TLS, or with it where there is no other. */
function withoutTls(reachable: readonly Reachable[]): Reachable[] {
  return reachable.filter(
    ({ way }) => !way.tls || !reachable.some(({ way: one }) => !one.tls && `${one.id}-tls` === way.id),
  )
}

async function attempt(what: string, way: Way, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (error instanceof Exit) throw error
    throw new Exit(EXIT_FAILURE, `${way.name} failed at "${what}": ${reasonOf(error)}.`)
  }
}
