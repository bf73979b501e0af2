/**
 * How cost grows: `npm run bench -- --growth`. The same loads with 10 to 10,000 clients, and one pair beside 100 to
 * 1,000,000 subscriptions; the rows are in bench/scenarios.mjs. docs/performance.md says what the figures mean.
 */
import { readFileSync } from 'node:fs'
import { main, Stop } from '../scripts/lib/project.mjs'
import { brokers as allBrokers } from './brokers.mjs'
import { headOf, prepare, requireLinux, runScenario } from './lib/conduct.mjs'
import { writeCharts } from './lib/draw.mjs'
import { bendText, curves, growthCharts, growthTables } from './lib/growth.mjs'
import { coreTicks, machine, stealBetween } from './lib/machine.mjs'
import { parseOptions, pick, positive } from './lib/options.mjs'
import { voidText } from './lib/page.mjs'
import { recordOf, resultsPath, summariesOf, writeResults } from './lib/results.mjs'
import { summarise, voidReason } from './lib/summary.mjs'
import { writeDocs } from './report.mjs'
import { growth as allPoints } from './scenarios.mjs'

const usage = `usage: npm run bench -- --growth [options]
  --curves <names>    some of the curves: ${Object.keys(curves).join(', ')}
  --most <n>          no point with more clients or subscriptions than this
  --all               the other brokers too, not only ours
  --brokers <names>   these brokers
  --repeats <n>       how often each broker runs each load, in turns (3)
  --seconds <n>       length of a measurement (3)
  --calm              wait for calm moments, repeat disturbed runs
  --quick             one repeat of one second
  --json <path>       where the results go (bench/results/<time>-growth.json)
  --write-docs        put the figures into docs/performance.md, and the charts into docs/charts/
  --help              this`

const settings = {
  curves: { type: 'string' },
  most: { type: 'string' },
  all: { type: 'boolean', default: false },
  brokers: { type: 'string' },
  repeats: { type: 'string' },
  seconds: { type: 'string' },
  calm: { type: 'boolean', default: false },
  quick: { type: 'boolean', default: false },
  json: { type: 'string' },
  'write-docs': { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
}

/** Open files beside those of the clients, and what a client and a subscription may cost both processes together. */
const spareFiles = 100
const subscriptionsPerClient = 1_000
const bytesPerClient = 64 * 1024
const bytesPerSubscription = 1024
const spareBytes = 512 * 2 ** 20

await main(async () => {
  const options = readOptions()
  if (options.help) return void console.log(usage)
  requireLinux()
  if (options.points.length === 0) throw new Stop(['There is no point as small as that.'], 2)
  if (options['write-docs'] && options.points.length < allPoints.length) {
    throw new Stop(['--write-docs wants all curves with all their points.'])
  }
  checkLimits(options.points)
  const bench = await prepare(options)
  const record = { ...recordOf('growth', bench), results: [] }
  console.log(`${headOf(record)}\n`)

  const path = options.json ?? resultsPath('growth', record.machine.date)
  for (const scenario of options.points) {
    const runs = await runScenario(bench, scenario)
    if (runs.length === 0) continue
    record.results.push({ scenario, summary: summarise(scenario, bench.present, runs).rows, runs })
    record.stealDuringRun = stealBetween(bench.began, coreTicks())
    writeResults(path, record)
  }
  const summaries = summariesOf(record)
  for (const { heading, text } of growthTables(summaries)) console.log(`### ${heading}\n\n${text}\n`)
  console.log(`${bendText(summaries, record.ours)}\n\n${voidText(summaries)}\n`)
  writeCharts(path.replace(/(\.json)?$/, '-charts'), growthCharts(summaries))
  console.log(`wrote ${path} and its charts`)
  if (options['write-docs']) writeDocs([path])
  const own = record.results.flatMap(({ runs }) => runs.filter((run) => run.broker === record.ours))
  return own.some((run) => voidReason(run) !== undefined) ? 1 : 0
})

/** One sentence before an hour of runs, instead of a failure in the middle. */
function checkLimits(points) {
  const most = (pick) => Math.max(0, ...points.map(pick))
  const clients = most(
    ({ load }) => 2 * (load.groups ?? 1) + (load.backgroundSubscriptions ?? 0) / subscriptionsPerClient,
  )
  const subscriptions = most(({ load }) => load.backgroundSubscriptions ?? 0)
  const { openFiles } = machine()
  if (openFiles < clients + spareFiles) {
    throw new Stop([
      `${clients.toLocaleString('en-GB')} clients need a hard limit of ${clients + spareFiles} open files, and it is ${openFiles}: raise it (ulimit -Hn), or leave them out with --most ${openFiles - spareFiles}.`,
    ])
  }
  const needed = spareBytes + clients * bytesPerClient + subscriptions * bytesPerSubscription
  const available = Number(/^MemAvailable:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))[1]) * 1024
  if (available < needed) {
    const [want, have] = [needed, available].map((bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`)
    throw new Stop([
      `This needs about ${want} of free memory, and there are ${have}: leave the largest points out with --most.`,
    ])
  }
}

function readOptions() {
  const values = parseOptions(settings, usage)
  const named = values.curves?.split(',')
  for (const name of named ?? []) {
    if (!(name in curves))
      throw new Stop([`There is no curve ${name}: ${Object.keys(curves).join(', ')}.`], 2)
  }
  const most = positive('most', values.most ?? '1e9')
  const points = allPoints.filter(({ curve, x }) => (named ?? [curve]).includes(curve) && x <= most)
  const brokers =
    values.all || values.brokers !== undefined ? allBrokers : allBrokers.filter(({ isOurs }) => isOurs)
  return {
    ...values,
    points,
    repeats: positive('repeats', values.repeats ?? (values.quick ? '1' : '3')),
    seconds: positive('seconds', values.seconds ?? (values.quick ? '1' : '3')),
    brokers: pick('broker', brokers, values.brokers).filter(({ isCeiling }) => !isCeiling),
  }
}
