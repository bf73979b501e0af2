/**
 * The store: QoS 1 to durable sessions, kept in memory, by the operating system (`process`) and by the disk (`power`).
 *
 *   npm run bench -- --store [--quick] [--rounds N] [--seconds N] [--kills N] [--json FILE]
 *
 * The rate: ten pairs with a hundred messages in flight each, a thousand together. All modes, Mosquitto and Aedes take turns,
 * round by round, each time as a fresh process with a fresh directory, and a ratio is that of two figures of one round. Beside
 * `power` stands what one fdatasync per message would be: a bare loop of them, before and after each of its runs.
 * What each loses: a few rounds of the kill tests.
 * The wait: one message in flight, how long its acknowledgement takes, beside one fdatasync.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { inRoot, main, Stop } from '../scripts/lib/project.mjs'
import { brokers as allBrokers } from './brokers.mjs'
import { prepare, withBroker } from './lib/conduct.mjs'
import { requireDisk, syncTimes } from './lib/disk.mjs'
import { micros, count as people, times, withSpread } from './lib/format.mjs'
import { runLoad } from './lib/generator.mjs'
import { describeMachine } from './lib/machine.mjs'
import { parseOptions, positive } from './lib/options.mjs'
import { ratioSpread, spread } from './lib/stats.mjs'
import { grid } from './lib/table.mjs'
import { describeLosses, losses } from './store/kills.mjs'
import { acknowledgementTimes } from './store/one-by-one.mjs'

const usage = 'usage: npm run bench -- --store [--quick] [--rounds N] [--seconds N] [--kills N] [--json FILE]'
const load = { groups: 10, qos: 1, window: 100, persistent: true }
const modes = ['memory', 'process', 'power']
/** How many fdatasyncs are timed before and after a run. */
const SYNCS = 50

/** What is to be reached: the rate as a share of ours in memory, and as a multiple of one fsync per message. */
const targets = {
  process: { ofMemory: { must: 0.6, aim: 0.8 } },
  power: { ofMemory: { must: 0.4, aim: 0.7 }, ofSyncs: { must: 20, aim: 50 } },
}
const mostOfSync = 2.5

const ours = allBrokers.find(({ isOurs }) => isOurs)
const [mosquitto, aedes] = ['mosquitto', 'aedes'].map((name) =>
  allBrokers.find((broker) => broker.name === name),
)

/** Our broker with its data in this mode. */
function inMode(mode) {
  return {
    ...ours,
    name: mode,
    start: (setting) => {
      const where = mode === 'memory' ? ['--memory'] : ['--data', setting.data, '--durability', mode]
      const command = ours.start(setting)
      const at = command.indexOf('--memory')
      return [...command.slice(0, at), ...where, ...command.slice(at + 1)]
    },
  }
}

/** Mosquitto, which writes its whole database once a second: what was acknowledged since is lost with it. */
const persistentMosquitto = {
  ...mosquitto,
  start: (setting) => mosquitto.start({ ...setting, scenario: { persistence: setting.data } }),
}

/** Aedes on level, as the kill tests start it. */
const persistentAedes = {
  ...aedes,
  start: ({ port, data }) => [
    process.execPath,
    inRoot('scripts', 'kill', 'aedes.mjs'),
    String(port),
    join(data, 'level'),
  ],
}

/** Theirs, and what they are called in the table. */
const others = [
  [persistentMosquitto, 'Mosquitto, written once a second'],
  [persistentAedes, 'Aedes, on level'],
]

await main(async () => {
  const options = readOptions()
  const bench = await prepare({ ...options, brokers: [ours, mosquitto, aedes] })
  requireDisk(bench.scratch)
  const present = others
    .map(([broker]) => broker)
    .filter(({ name }) => bench.present.some((it) => it.name === name))
  const contestants = [...modes.map(inMode), ...present]
  const rates = Object.fromEntries(contestants.map(({ name }) => [name, new Map()]))
  const syncRates = new Map()
  const faults = []
  for (let round = 0; round < options.rounds; round += 1) {
    for (const contestant of round % 2 === 0 ? contestants : contestants.toReversed()) {
      process.stderr.write(`  rate ${round + 1}/${options.rounds} ${contestant.name} …`)
      const isPower = contestant.name === 'power'
      const syncs = isPower ? syncTimes(bench.scratch, SYNCS) : []
      const report = await withData(bench, contestant, (target) =>
        runLoad(bench.loadgen, { ...load, seconds: options.seconds, warmUpSeconds: 1 }, target),
      )
      if (isPower) {
        syncs.push(...syncTimes(bench.scratch, SYNCS))
        syncRates.set(round, (1e6 * syncs.length) / syncs.reduce((sum, one) => sum + one, 0))
      }
      const fault = report.error ?? (report.clean ? undefined : 'messages were lost')
      if (fault === undefined) rates[contestant.name].set(round, report.deliveredPerSecond)
      else faults.push({ broker: contestant.name, round, fault })
      process.stderr.write(fault === undefined ? ' done\n' : ` VOID: ${fault}\n`)
    }
  }
  const waits = await measureWaits(bench, options)
  const lost = await measureLosses(present, options)
  const result = { ...summarise(rates, syncRates, waits), losses: lost }
  print(bench, options, result, faults)
  const { machine } = bench
  const versions = Object.fromEntries(bench.present.map(({ name, version }) => [name, version]))
  const record = { machine, versions, load, ...options, ...result, faults }
  mkdirSync(dirname(options.json), { recursive: true })
  writeFileSync(options.json, `${JSON.stringify(record, undefined, 2)}\n`)
  console.log(`wrote ${options.json}`)
  return faults.some(({ broker }) => modes.includes(broker)) ? 1 : 0
})

function readOptions() {
  const values = parseOptions(
    {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      kills: { type: 'string' },
      json: { type: 'string' },
    },
    usage,
  )
  return {
    rounds: positive('rounds', values.rounds ?? (values.quick ? '1' : '5')),
    seconds: positive('seconds', values.seconds ?? (values.quick ? '2' : '5')),
    kills: positive('kills', values.kills ?? (values.quick ? '2' : '20')),
    json: values.json ?? inRoot('bench', 'results', 'store.json'),
  }
}

/** A broker for as long as `body` takes, with a directory of its own. */
async function withData(bench, contestant, body) {
  const data = join(bench.scratch, `data-${contestant.name}`)
  mkdirSync(data)
  const broker = { ...contestant, start: (setting) => contestant.start({ ...setting, data }) }
  try {
    return await withBroker(bench, broker, {}, body)
  } catch (error) {
    if (error instanceof Stop) return { clean: false, error: error.message }
    throw error
  } finally {
    rmSync(data, { recursive: true, force: true })
  }
}

/** By mode the time of an acknowledgement, and of one fdatasync, in turns. */
async function measureWaits(bench, { rounds }) {
  const waits = Object.fromEntries(['fdatasync', ...modes].map((name) => [name, new Map()]))
  for (let round = 0; round < rounds; round += 1) {
    process.stderr.write(`  one in flight ${round + 1}/${rounds} …`)
    const syncs = syncTimes(bench.scratch, SYNCS)
    for (const mode of modes) {
      const acknowledged = await withData(bench, inMode(mode), ({ port }) =>
        acknowledgementTimes(port, 4 * SYNCS),
      )
      waits[mode].set(round, spread(acknowledged).median)
    }
    syncs.push(...syncTimes(bench.scratch, SYNCS))
    waits.fdatasync.set(round, spread(syncs).median)
    process.stderr.write(' done\n')
  }
  return waits
}

/** By name what is lost in the kill tests. */
async function measureLosses(present, { kills }) {
  const lost = {}
  for (const mode of modes.slice(1)) lost[mode] = await losses('topicwire', kills, mode)
  for (const { name } of present) lost[name] = await losses(name, kills)
  return lost
}

function summarise(rates, syncRates, waits) {
  const over = (map) => spread([...map.values()])
  return {
    perSecond: Object.fromEntries(Object.entries(rates).map(([name, rate]) => [name, over(rate)])),
    syncsPerSecond: over(syncRates),
    ofMemory: Object.fromEntries(modes.map((mode) => [mode, ratioSpread(rates[mode], rates.memory)])),
    ofSyncs: { power: ratioSpread(rates.power, syncRates) },
    waitMicros: Object.fromEntries(Object.entries(waits).map(([name, wait]) => [name, over(wait)])),
    waitOfSync: { power: ratioSpread(waits.power, waits.fdatasync) },
  }
}

function print(bench, { rounds, seconds }, result, faults) {
  const { perSecond, syncsPerSecond, ofMemory, ofSyncs, waitMicros, waitOfSync } = result
  for (const line of describeMachine(bench.machine)) console.log(`> ${line}\n>`)
  console.log(`> QoS 1, 64-byte payloads to durable sessions, ${rounds} rounds in turns, ${seconds} s each\n`)
  const verdict = (value, { must, aim }) =>
    value === undefined ? '–' : value.median >= aim ? 'aim' : value.median >= must ? 'must' : 'missed'
  const row = (name, what) => {
    const target = targets[name] ?? {}
    const cells = [what, withSpread(perSecond[name], people), withSpread(ofMemory[name], times)]
    cells.push(withSpread(ofSyncs[name], times), withSpread(waitMicros[name], micros))
    cells.push(
      [
        target.ofMemory && verdict(ofMemory[name], target.ofMemory),
        target.ofSyncs && verdict(ofSyncs[name], target.ofSyncs),
      ]
        .filter(Boolean)
        .join(', '),
      describeLosses(result.losses[name]),
    )
    return cells
  }
  const rows = [
    row('memory', 'in memory'),
    row('process', 'process: survives being killed'),
    row('power', 'power: survives power loss'),
    [
      'one fdatasync per message',
      withSpread(syncsPerSecond, people),
      '',
      '',
      withSpread(waitMicros.fdatasync, micros),
      '',
      '',
    ],
    ...others
      .filter(([{ name }]) => result.losses[name] !== undefined)
      .map(([{ name }, what]) => [
        ...[what, withSpread(perSecond[name], people), '', '', '', ''],
        describeLosses(result.losses[name]),
      ]),
  ]
  const head = [
    '',
    'msg/s, 1000 in flight',
    'of in memory',
    'of one fdatasync each',
    'wait of one, µs',
    'verdict',
    'lost when killed',
  ]
  console.log(grid(head, rows, ['', 'verdict', 'lost when killed']))
  const ratio = waitOfSync.power
  const reached = ratio === undefined ? 'not measured' : ratio.median <= mostOfSync ? 'reached' : 'missed'
  console.log(
    `\nOne in flight, power: ${withSpread(ratio, times)} of one fdatasync (at most ${mostOfSync}x: ${reached}).`,
  )
  for (const { broker, round, fault } of faults) console.log(`void: ${broker}, round ${round + 1}: ${fault}`)
}
