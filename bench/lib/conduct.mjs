/** Conducts runs: brokers in turns, each time a fresh process, and with `calm` only what nobody disturbed. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Stop, say } from '../../scripts/lib/project.mjs'
import { canServe } from '../brokers.mjs'
import { cores, freePort, startBroker, stop, tieChildren } from './children.mjs'
import { freeze } from './frozen.mjs'
import { buildGenerator, measure, selfCosts } from './generator.mjs'
import { calm, coreTicks, describeMachine, machine } from './machine.mjs'
import { disturbedAbove, otherCpu, voidReason } from './summary.mjs'

/** With `calm`, so often a run is tried, and so long a calm moment is waited for. */
export const calmAttempts = 6
const calmPatienceMs = 60_000

export function requireLinux() {
  if (process.platform !== 'linux') throw new Stop(['The bench reads /proc, so it runs on Linux only.'])
}

/**
 * What all runs need: the generator, the brokers that are there, the machine, a directory for configuration files.
 * @param options `brokers` (rows of bench/brokers.mjs), `repeats`, `seconds`, and `all`, `calm`, `quick`
 */
export async function prepare(options) {
  requireLinux()
  tieChildren()
  const scratch = mkdtempSync(join(tmpdir(), 'topicwire-bench-'))
  process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
  const loadgen = buildGenerator()
  const present = findBrokers(options.brokers)
  const generator = await selfCosts(loadgen)
  return { options, present, loadgen, scratch, generator, machine: machine(), began: coreTicks() }
}

/** Those of the brokers that are on this machine; who is missing is said, and left out of the tables. */
function findBrokers(brokers) {
  const present = []
  for (const broker of brokers) {
    const version = broker.find()
    if (version === undefined) say(`${broker.missing}. It is left out.`)
    else present.push({ ...broker, version })
  }
  if (!present.some((broker) => !broker.isCeiling)) throw new Stop(['There is no broker to measure.'])
  return present
}

/** Where and with what it was measured, as a Markdown quotation. */
export function headOf({ options, versions, machine, generator }) {
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  const lines = [
    ...describeMachine(machine),
    named.join(', '),
    `QoS 0, 64-byte payloads, 3.1.1 unless a title says otherwise; ${options.repeats} repeats in turns, ${options.seconds} s each`,
    generator.error === undefined
      ? `the generator's own cost of a message: encode ${generator.encodeNanos.toFixed(1)} ns, decode and check ` +
        `${generator.decodeNanos.toFixed(1)} ns, both with sockets ${generator.loopbackNanos.toFixed(0)} ns`
      : `the generator could not measure itself: ${generator.error}`,
  ]
  return lines.map((line) => `> ${line}`).join('\n>\n')
}

/** All runs of one scenario: A B C A B C …, each on a fresh process. */
export async function runScenario(bench, scenario) {
  const { options, present } = bench
  const runs = []
  for (let repeat = 0; repeat < options.repeats; repeat++) {
    for (const broker of present) {
      if (!takesPart(broker, scenario, repeat, options)) continue
      process.stderr.write(`  ${scenario.name} ${repeat + 1}/${options.repeats} ${broker.name} …`)
      const run = { broker: broker.name, repeat, ...(await runCalmly(bench, scenario, broker)) }
      const reason = voidReason(run)
      process.stderr.write(reason === undefined ? ' done\n' : ` VOID: ${reason}\n`)
      runs.push(run)
    }
  }
  return runs
}

/** The ceiling needs no repeats and has no memory worth reading; that of other brokers is read when it is asked for. */
function takesPart(broker, scenario, repeat, options) {
  if (!canServe(broker, scenario) || (broker.isCeiling && repeat > 0)) return false
  const isSaturated = scenario.load !== undefined && scenario.load.rate === undefined
  if (scenario.idle === undefined) return !broker.isSaturatedOnly || isSaturated
  return !broker.isCeiling && !broker.isSaturatedOnly && (broker.isOurs || options.all)
}

/**
 * A run; with `calm` the first that nobody disturbed, or else the last. How fast it was plays no part in that, and a
 * run with a lost message is kept whatever disturbed it.
 */
async function runCalmly(bench, scenario, broker) {
  for (let attempt = 1; ; attempt++) {
    if (bench.options.calm) await calm(calmPatienceMs)
    const run = { pinned: cores ?? null, attempt, report: await runOnce(bench, scenario, broker) }
    const isDisturbed = (otherCpu(run) ?? 0) > disturbedAbove
    const isFinal = !isDisturbed || attempt === calmAttempts || run.report.clean === false
    if (!bench.options.calm || isFinal) return run
  }
}

async function runOnce(bench, scenario, broker) {
  const canCollect = scenario.idle !== undefined && broker.isNode === true
  let release
  try {
    return await withBroker(bench, broker, { canCollect, scenario }, async (target) => {
      if (scenario.frozen !== undefined) release = await freeze(target.port, scenario.frozen)
      return await measure(bench.loadgen, scenario, broker, target, bench.options)
    })
  } catch (error) {
    if (error instanceof Stop) return { clean: false, error: error.message }
    throw error
  } finally {
    release?.()
  }
}

/** Starts a broker for as long as `body` takes. */
export async function withBroker({ scratch, loadgen }, broker, { canCollect, scenario }, body) {
  const port = await freePort()
  const child = await startBroker(broker, { port, scratch, loadgen, canCollect, scenario })
  try {
    return await body({ port, pid: child.pid, canCollect })
  } finally {
    await stop(child)
  }
}
