/**
 * An hour under load: `npm run soak`. Half of what our broker reaches, at every QoS, with clients that come and go; at
 * the end nothing may be lost at QoS 1 and 2, nothing may have come twice at QoS 2, and the memory has to be flat.
 * docs/performance.md says what the figures mean.
 */
import { main, Stop, say } from '../scripts/lib/project.mjs'
import { brokers as allBrokers } from './brokers.mjs'
import { headOf, prepare, withBroker } from './lib/conduct.mjs'
import { writeCharts } from './lib/draw.mjs'
import { measure, runChurn, settledMemory } from './lib/generator.mjs'
import { coreTicks, stealBetween } from './lib/machine.mjs'
import { parseOptions, positive } from './lib/options.mjs'
import { recordOf, resultsPath, writeResults } from './lib/results.mjs'
import { memoryTrend, mixedRate, soakCharts, soakFaults, soakText } from './lib/soak.mjs'
import { voidReason } from './lib/summary.mjs'
import { writeDocs } from './report.mjs'
import { soak as scenario } from './scenarios.mjs'

const usage = `usage: npm run soak -- [options]
  --minutes <n>       how long (60)
  --rate <n>          published messages a second; without it the broker's saturated rate is measured first, and half of it taken
  --json <path>       where the results go (bench/results/<time>-soak.json)
  --write-docs        put the figures into docs/performance.md, and the chart into docs/charts/
  --help              this`

const settings = {
  minutes: { type: 'string', default: '60' },
  rate: { type: 'string' },
  json: { type: 'string' },
  'write-docs': { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
}

/** A line for whoever waits, every five minutes: the generator tells something every five seconds. */
const samplesPerLine = 60

await main(async () => {
  const values = parseOptions(settings, usage)
  if (values.help) return void console.log(usage)
  const seconds = 60 * positive('minutes', values.minutes)
  const asked = values.rate === undefined ? undefined : positive('rate', values.rate)
  const options = { brokers: allBrokers.filter(({ isOurs }) => isOurs), repeats: 1, seconds }
  const bench = await prepare(options)
  const record = recordOf('soak', bench)
  console.log(`${headOf(record)}\n`)

  const [broker] = bench.present
  const rate = asked ?? Math.floor((await saturatedRate(bench, broker)) / 2)
  say(`${scenario.title}: ${rate.toLocaleString('en-GB')} messages a second for ${values.minutes} minutes`)
  const soak = await hold(bench, broker, { ...scenario.churn, rate, seconds })
  const trend = memoryTrend(soak.samples)
  const faults = soakFaults(soak.report, rate)
  Object.assign(record, { soak: { rate, ...soak, trend, faults } })
  record.stealDuringRun = stealBetween(bench.began, coreTicks())

  const path = values.json ?? resultsPath('soak', record.machine.date)
  writeResults(path, record)
  console.log(`${soakText(record)}\n`)
  writeCharts(path.replace(/(\.json)?$/, '-charts'), soakCharts(record))
  console.log(`wrote ${path} and its chart`)
  if (values['write-docs']) writeDocs([path])
  return faults.length > 0 || trend.verdict === 'rises' ? 1 : 0
})

/** What the broker delivers when it is saturated with this load's shares of the three QoS. */
async function saturatedRate(bench, broker) {
  const rates = []
  for (const qos of [0, 1, 2]) {
    const load = { title: `saturated, QoS ${qos}`, load: { groups: scenario.churn.pairs, qos } }
    const report = await withBroker(bench, broker, { canCollect: false, scenario: load }, (target) =>
      measure(bench.loadgen, load, broker, target, { seconds: 5 }),
    )
    const reason = voidReason({ report })
    if (reason !== undefined)
      throw new Stop([`The saturated rate at QoS ${qos} could not be measured: ${reason}.`])
    say(
      `saturated at QoS ${qos}: ${Math.round(report.deliveredPerSecond).toLocaleString('en-GB')} messages a second`,
    )
    rates.push(report.deliveredPerSecond)
  }
  return mixedRate(rates)
}

/** The load itself, with the memory that the generator reads meanwhile, and looked at in peace before and after. */
async function hold(bench, broker, churn) {
  return await withBroker(bench, broker, { canCollect: true, scenario }, async (target) => {
    const beforeBytes = await settledMemory(target.pid, true)
    const samples = []
    const report = await runChurn(bench.loadgen, churn, target, (sample) => {
      samples.push(sample)
      if (samples.length % samplesPerLine === 0) {
        const mebibytes = (sample.residentBytes / 2 ** 20).toFixed(0)
        say(
          `${(sample.seconds / 60).toFixed(0)} min: ${sample.delivered.toLocaleString('en-GB')} delivered, ${mebibytes} MiB`,
        )
      }
    })
    return { samples, beforeBytes, afterBytes: await settledMemory(target.pid, true), report }
  })
}
