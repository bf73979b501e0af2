/**
 * The end-to-end bench: this broker beside others, one after the other in one run, each message counted.
 * `npm run bench -- --help` says what can be asked; docs/performance.md says what the figures mean.
 */
import { main, Stop } from '../scripts/lib/project.mjs'
import { brokers as allBrokers } from './brokers.mjs'
import { chartsOf } from './lib/charts.mjs'
import { calmAttempts, headOf, prepare, runScenario } from './lib/conduct.mjs'
import { writeCharts } from './lib/draw.mjs'
import { coreTicks, stealBetween } from './lib/machine.mjs'
import { parseOptions, pick, positive } from './lib/options.mjs'
import { readParts } from './lib/parts.mjs'
import { recordOf, resultsPath, summariesOf, writeResults } from './lib/results.mjs'
import { summarise, voidReason } from './lib/summary.mjs'
import { table } from './lib/table.mjs'
import { judgeRecord, verdictCounts, verdictTable } from './lib/verdicts.mjs'
import { writeDocs } from './report.mjs'
import { scenarios as allScenarios } from './scenarios.mjs'

const usage = `usage: npm run bench -- [options]
  --only <names>      scenarios, separated by commas: ${allScenarios.map(({ name }) => name).join(', ')}
  --brokers <names>   brokers, separated by commas: ${allBrokers.map(({ name }) => name).join(', ')}
  --repeats <n>       how often each broker runs each load, in turns (5)
  --seconds <n>       length of a measurement, after a warm-up of a third of it (3)
  --all               idle connections of the other brokers too, not only of ours
  --calm              for a machine with other users: wait for a calm moment before each run, and repeat a run in which
                      others used more than a tenth of a core, up to ${calmAttempts} times
  --quick             one repeat of one second, 2,000 idle connections: to see that it works, not to quote
  --json <path>       where the results go (bench/results/<time>.json); the charts go beside it
  --write-docs        put the figures into docs/performance.md, and the charts into docs/charts/
  --growth            not this, but how cost grows with clients and subscriptions (bench/growth.mjs)
  --soak              not this, but an hour under load (bench/soak.mjs)
  --parts             not this, but the benches of the parts whose figures the targets name (bench/parts.mjs)
  --store             not this, but what a store on disk costs (bench/store.mjs)
  --help              this`

const settings = {
  only: { type: 'string' },
  brokers: { type: 'string' },
  repeats: { type: 'string' },
  seconds: { type: 'string' },
  all: { type: 'boolean', default: false },
  calm: { type: 'boolean', default: false },
  quick: { type: 'boolean', default: false },
  json: { type: 'string' },
  'write-docs': { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
}

await main(async () => {
  const options = readOptions()
  if (options.help) return void console.log(usage)
  if (options['write-docs'] && isPartial(options)) {
    throw new Stop([
      '--write-docs wants a whole run: parts are put together by node bench/report.mjs, from several results files.',
    ])
  }
  const bench = await prepare(options)
  const record = { ...recordOf('loads', bench), results: [] }
  console.log(`${headOf(record)}\n`)

  const path = options.json ?? resultsPath('loads', record.machine.date)
  for (const scenario of options.scenarios) {
    const runs = await runScenario(bench, scenario)
    if (runs.length === 0) continue
    const summary = summarise(scenario, bench.present, runs)
    console.log(table(summary))
    record.results.push({ scenario, summary: summary.rows, runs })
    record.parts = readParts()
    record.targets = judgeRecord(record)
    record.stealDuringRun = stealBetween(bench.began, coreTicks())
    // After each load, so that a run that is stopped keeps what it has.
    writeResults(path, record)
  }
  if (record.results.length === 0) return 0
  console.log(`### Targets\n\n${verdictTable(record.targets)}\n\n${verdictCounts(record.targets)}\n`)
  writeCharts(path.replace(/(\.json)?$/, '-charts'), chartsOf(summariesOf(record)))
  console.log(`wrote ${path} and its charts`)
  if (options['write-docs']) writeDocs([path])
  return record.results.some(({ runs }) => runs.some((run) => isOurs(run) && voidReason(run) !== undefined))
    ? 1
    : 0
})

/** A message that another broker loses is in the table; one that ours loses fails the command. */
function isOurs(run) {
  return allBrokers.some((broker) => broker.isOurs && broker.name === run.broker)
}

function isPartial({ only, brokers, quick }) {
  return quick || only !== undefined || brokers.length < allBrokers.length
}

function readOptions() {
  const values = parseOptions(settings, usage)
  return {
    ...values,
    repeats: positive('repeats', values.repeats ?? (values.quick ? '1' : '5')),
    seconds: positive('seconds', values.seconds ?? (values.quick ? '1' : '3')),
    scenarios: pick('scenario', allScenarios, values.only),
    brokers: pick('broker', allBrokers, values.brokers),
  }
}
