/**
 * The end-to-end bench: this broker beside others, one after the other in one run, each message counted.
 * `npm run bench -- --help` says what can be asked; docs/performance.md says what the figures mean.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { inRoot, main, Stop, say } from '../scripts/lib/project.mjs'
import { brokers as allBrokers, canServe } from './brokers.mjs'
import { cores, freePort, startBroker, stop, tieChildren } from './lib/children.mjs'
import { freeze } from './lib/frozen.mjs'
import { buildGenerator, measure, selfCosts } from './lib/generator.mjs'
import { calm, describeMachine, machine } from './lib/machine.mjs'
import { disturbedAbove, otherCpu, summarise, voidReason } from './lib/summary.mjs'
import { table } from './lib/table.mjs'
import { scenarios as allScenarios } from './scenarios.mjs'

/** With `--calm`, so often a run is tried, and so long a calm moment is waited for. */
const calmAttempts = 6
const calmPatienceMs = 60_000

const usage = `usage: npm run bench -- [options]
  --only <names>      scenarios, separated by commas: ${allScenarios.map(({ name }) => name).join(', ')}
  --brokers <names>   brokers, separated by commas: ${allBrokers.map(({ name }) => name).join(', ')}
  --repeats <n>       how often each broker runs each load, in turns (3)
  --seconds <n>       length of a measurement, after a warm-up of a third of it (3)
  --all               idle connections of the other brokers too, not only of ours
  --calm              for a machine with other users: wait for a calm moment before each run, and repeat a run in which
                      others used more than a tenth of a core, up to ${calmAttempts} times
  --quick             one repeat of one second, 2,000 idle connections: to see that it works, not to quote
  --help              this`

const settings = {
  only: { type: 'string' },
  brokers: { type: 'string' },
  repeats: { type: 'string' },
  seconds: { type: 'string' },
  all: { type: 'boolean', default: false },
  calm: { type: 'boolean', default: false },
  quick: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
}

await main(async () => {
  const options = readOptions()
  if (options.help) return void console.log(usage)
  if (process.platform !== 'linux') throw new Stop(['The bench reads /proc, so it runs on Linux only.'])
  tieChildren()
  const scratch = mkdtempSync(join(tmpdir(), 'topicwire-bench-'))
  process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))

  const loadgen = buildGenerator()
  const present = findBrokers(options.brokers)
  const bench = {
    options,
    present,
    loadgen,
    scratch,
    machine: machine(),
    generator: await selfCosts(loadgen),
  }
  printHead(bench)

  const results = []
  let path
  for (const scenario of options.scenarios) {
    const runs = await runScenario(bench, scenario)
    if (runs.length === 0) continue
    const summary = summarise(scenario, present, runs)
    console.log(table(summary))
    results.push({ scenario, summary: summary.rows, runs })
    // After each load, so that a run that is stopped keeps what it has.
    path = writeResults(bench, results)
  }
  if (path !== undefined) console.log(`wrote ${path}`)
  return results.some(({ runs }) => runs.some((run) => isOurs(run) && voidReason(run) !== undefined)) ? 1 : 0
})

/** A message that another broker loses is in the table; one that ours loses fails the command. */
function isOurs(run) {
  return allBrokers.some((broker) => broker.isOurs && broker.name === run.broker)
}

function readOptions() {
  let values
  try {
    values = parseArgs({ options: settings }).values
  } catch (error) {
    throw new Stop([error.message, usage], 2)
  }
  return {
    ...values,
    repeats: positive('repeats', values.repeats ?? (values.quick ? '1' : '3')),
    seconds: positive('seconds', values.seconds ?? (values.quick ? '1' : '3')),
    scenarios: pick('scenario', allScenarios, values.only),
    brokers: pick('broker', allBrokers, values.brokers),
  }
}

function positive(name, text) {
  const value = Number(text)
  if (!(value > 0)) throw new Stop([`--${name} wants a number above 0, not ${text}.`], 2)
  return value
}

/** The named ones of a list, in the list's order; all of it when none are named. */
function pick(what, list, names) {
  if (names === undefined) return list
  const wanted = names.split(',')
  for (const name of wanted) {
    if (list.some((entry) => entry.name === name)) continue
    throw new Stop([`There is no ${what} ${name}: ${list.map((entry) => entry.name).join(', ')}.`], 2)
  }
  return list.filter((entry) => wanted.includes(entry.name))
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

function printHead({ options, present, machine, generator }) {
  const versions = present
    .filter((broker) => !broker.isCeiling)
    .map(({ name, version }) => `${name} ${version}`)
  const lines = [
    ...describeMachine(machine),
    versions.join(', '),
    `QoS 0, 64-byte payloads, 3.1.1 unless a title says otherwise; ${options.repeats} repeats in turns, ${options.seconds} s each`,
    generator.error === undefined
      ? `the generator's own cost of a message: encode ${generator.encodeNanos.toFixed(1)} ns, decode and check ` +
        `${generator.decodeNanos.toFixed(1)} ns, both with sockets ${generator.loopbackNanos.toFixed(0)} ns`
      : `the generator could not measure itself: ${generator.error}`,
  ]
  console.log(`${lines.map((line) => `> ${line}`).join('\n>\n')}\n`)
}

/** All runs of one scenario: A B C A B C …, each on a fresh process. */
async function runScenario(bench, scenario) {
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

/** The ceiling needs no repeats and has no memory worth reading; idle memory hardly varies between repeats. */
function takesPart(broker, scenario, repeat, options) {
  if (!canServe(broker, scenario) || (broker.isCeiling && repeat > 0)) return false
  const isSaturated = scenario.load !== undefined && scenario.load.rate === undefined
  if (scenario.idle === undefined) return !broker.isSaturatedOnly || isSaturated
  return repeat === 0 && !broker.isCeiling && !broker.isSaturatedOnly && (broker.isOurs || options.all)
}

/**
 * A run; with `--calm` the first that nobody disturbed, or else the last. How fast it was plays no part in that, and a
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

async function runOnce({ options, loadgen, scratch }, scenario, broker) {
  const canCollect = scenario.idle !== undefined && broker.isNode === true
  const port = await freePort()
  let child
  let release
  try {
    child = await startBroker(broker, { port, scratch, loadgen, canCollect, scenario })
    if (scenario.frozen !== undefined) release = await freeze(port, scenario.frozen)
    return await measure(loadgen, scenario, broker, { port, pid: child.pid, canCollect }, options)
  } catch (error) {
    if (error instanceof Stop) return { clean: false, error: error.message }
    throw error
  } finally {
    release?.()
    if (child !== undefined) await stop(child)
  }
}

/** Everything that was measured, as one file named after the time. */
function writeResults({ options, present, machine, generator }, results) {
  const directory = inRoot('bench', 'results')
  mkdirSync(directory, { recursive: true })
  const path = join(directory, `${machine.date.replaceAll(':', '-').slice(0, 19)}.json`)
  const versions = Object.fromEntries(present.map(({ name, version }) => [name, version]))
  const { repeats, seconds, quick } = options
  const record = { machine, versions, options: { repeats, seconds, quick }, generator, results }
  writeFileSync(
    path,
    `${JSON.stringify(record, (_, value) => (value instanceof Map ? [...value] : value), 1)}\n`,
  )
  return path
}
