/**
 * `npm run kill -- --rounds N --seed N --durability process`: the broker is killed again and again, and what it has
 * acknowledged is compared with what it still knows. docs/durability.md says what is proved.
 */
import { parseArgs } from 'node:util'
import { ensure } from './ensure.mjs'
import { brokers } from './kill/brokers.mjs'
import { KINDS } from './kill/ledger.mjs'
import { runKills } from './kill/run.mjs'
import { main, Stop, say } from './lib/project.mjs'

const usage = `usage: npm run kill -- [options]
  --rounds <n>        starts of the broker, each of which ends with a kill (100)
  --seed <n>          the choices; without it another one each time
  --broker <name>     ${Object.keys(brokers).join(', ')} (topicwire)
  --durability <mode> process or power, or memory, which must fail; for topicwire (process)
  --settle <n>        rounds after which everything is brought to its end and judged (8)
  --fresh <n>         rounds after which an empty directory is taken (100)
  --patient           goes on after a fault; otherwise it stops, and keeps the directory and the broker's log
  --json              the figures as JSON
  --help              this`

const settings = {
  rounds: { type: 'string', default: '100' },
  seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  broker: { type: 'string', default: 'topicwire' },
  durability: { type: 'string', default: 'process' },
  settle: { type: 'string', default: '8' },
  fresh: { type: 'string', default: '100' },
  patient: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
}

await main(async () => {
  const options = optionsOf(process.argv.slice(2))
  if (options === undefined) return void console.log(usage)
  const broker = brokers[options.broker]
  if (options.broker === 'topicwire') await ensure()
  const missing = broker.missing()
  if (missing) throw new Stop([missing])
  const total = await runKills({ ...options, onProgress: say })
  const isGood = total.first.length === 0
  if (options.isJson) console.log(JSON.stringify(total, null, 2))
  else tell(total)
  // What others lose is a measurement.
  return isGood || options.broker !== 'topicwire' ? 0 : 1
})

/** Undefined where only help is wanted. */
function optionsOf(args) {
  let values
  try {
    values = parseArgs({ args, options: settings }).values
  } catch (error) {
    throw new Stop([error.message, usage], 2)
  }
  if (values.help) return undefined
  if (!(values.broker in brokers)) throw new Stop([`There is no broker ${values.broker}.`, usage], 2)
  return {
    broker: values.broker,
    durability: values.durability,
    rounds: positive('rounds', values.rounds),
    seed: Number(values.seed),
    settleEvery: positive('settle', values.settle),
    freshEvery: positive('fresh', values.fresh),
    isPatient: values.patient || values.broker !== 'topicwire',
    isJson: values.json,
  }
}

function positive(name, text) {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    throw new Stop([`--${name} wants a whole number above 0, not ${text}.`], 2)
  return value
}

function tell(total) {
  const { broker, durability, seed, rounds, kills, stops, counts, faults, first, directory } = total
  console.log(
    [
      `${broker}${durability ? ` (${durability})` : ''}: ${rounds} rounds, ${kills} kills and ${stops} clean stops, seed ${seed}`,
      `${counts.acknowledged} messages acknowledged (${total.acknowledgedPerSecond} a second under load), ${counts.owed} deliveries owed`,
      `${counts.subscriptions} SUBACKs, ${counts.sessions} CONNACKs, ${counts.repeated} repeated at QoS 1, a start takes ${total.startMs} ms`,
      ...Object.entries(faults).map(
        ([kind, count]) => `${String(count).padStart(8)}  ${kind}: ${KINDS[kind]}`,
      ),
      `${total.seconds.toFixed(0)} s`,
    ].join('\n'),
  )
  for (const fault of first.slice(0, 5)) console.log(JSON.stringify(fault))
  if (first.length > 0 && directory !== undefined)
    console.log(`The data, the broker's log and all faults are kept in ${directory}`)
}
