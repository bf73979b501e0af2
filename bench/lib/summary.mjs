/** From runs to figures: one summary per scenario, with a row per broker. */
import { ratioSpread, spread } from './stats.mjs'

/** A fixed rate is held when so much of it arrives within the measurement. */
const leastShareOfRate = 0.95

/** When others use more of a core than this, a run is called disturbed. */
export const disturbedAbove = 0.1

/** What a scenario is about, which decides what is read from its report and how it is shown. */
export function kindOf({ idle, connects, retained, load }) {
  if (idle !== undefined) return 'idle'
  if (connects !== undefined) return 'connects'
  if (retained !== undefined) return 'retained'
  return load.rate === undefined ? 'saturated' : 'fixedRate'
}

/** Why a run does not count, as a short phrase; undefined for one that does. */
export function voidReason(run) {
  const { report } = run
  if (report.error !== undefined) return report.error
  if (!report.clean) {
    const faults = Object.entries(report.tally).filter(([name, count]) => name !== 'delivered' && count > 0)
    return faults.map(([name, count]) => `${count.toLocaleString('en-GB')} ${name}`).join(', ')
  }
  const { rate, subscribers } = report.scenario ?? {}
  if (rate != null && report.deliveredPerSecond < rate * subscribers * leastShareOfRate) {
    return `the rate was not held: ${report.deliveredPerSecond.toFixed(0)} msg/s`
  }
  if (report.unsent > 0) return `${report.unsent.toLocaleString('en-GB')} messages could not be sent in time`
  return undefined
}

/** @param runs all runs of one scenario, of all brokers */
export function summarise(scenario, brokers, runs) {
  const rows = brokers.map((broker) => {
    const own = runs.filter((run) => run.broker === broker.name)
    const good = own.filter((run) => voidReason(run) === undefined)
    const figures = figuresOf[kindOf(scenario)](good)
    const voids = own.map(voidReason).filter((reason) => reason !== undefined)
    // A message that was lost or doubled, or a run that broke off: it speaks against the broker, not the machine.
    const faults = own.filter(({ report }) => report.error !== undefined || !report.clean).length
    return { broker: broker.name, runs: own.length, voids, faults, ...figures }
  })
  const ours = rows.find((row) => brokers.some((broker) => broker.isOurs && broker.name === row.broker))
  for (const row of rows) {
    if (ours === undefined || row === ours) continue
    const judged = judgedBy[kindOf(scenario)]
    row.ratio = ratioSpread(ours.byRepeat[judged], row.byRepeat[judged])
    if (ours.byRepeat.cpuMicros !== undefined)
      row.cpuRatio = ratioSpread(ours.byRepeat.cpuMicros, row.byRepeat.cpuMicros)
  }
  return { scenario, rows: rows.filter((row) => row.runs > 0) }
}

/** By what brokers are compared first. */
const judgedBy = {
  saturated: 'perSecond',
  fixedRate: 'perSecond',
  connects: 'perSecond',
  retained: 'perSecond',
  idle: 'bytesPerConnection',
}

const figuresOf = {
  saturated: loadFigures,
  fixedRate: loadFigures,
  connects: connectFigures,
  retained: retainedFigures,
  idle: idleFigures,
}

/** What `pick` finds in each run, by repeat; runs in which it finds nothing are left out. */
function valuesBy(runs) {
  return (pick) => new Map(runs.map((run) => [run.repeat, pick(run)]).filter(([, value]) => value != null))
}

function loadFigures(runs) {
  const by = valuesBy(runs)
  const byRepeat = {
    perSecond: by(({ report }) => report.deliveredPerSecond),
    bytesPerSecond: by(({ report }) => report.payloadBytesPerSecond),
    cpuMicros: by(({ report }) => report.broker?.cpuMicrosPerMessage),
    messagesPerRead: by(({ report }) => report.generator.messagesPerRead),
    lag: by(({ report }) => lagOf(report.scenario)),
    ...busy(by),
    p50: by(({ report }) => report.latencyMicros?.p50),
    p99: by(({ report }) => report.latencyMicros?.p99),
  }
  return { byRepeat, ...spreads(byRepeat) }
}

function connectFigures(runs) {
  const by = valuesBy(runs)
  const byRepeat = {
    perSecond: by(({ report }) => report.connectionsPerSecond),
    cpuMicros: by(({ report }) => report.broker?.cpuMicrosPerConnection),
    p50: by(({ report }) => report.handshakeMicros?.p50),
    p99: by(({ report }) => report.handshakeMicros?.p99),
    ...busy(by),
  }
  return { byRepeat, ...spreads(byRepeat) }
}

function retainedFigures(runs) {
  const by = valuesBy(runs)
  const byRepeat = {
    perSecond: by(({ report }) => report.deliveredPerSecond),
    cpuMicros: by(({ report }) => report.broker?.cpuMicrosPerMessage),
    answerMicros: by(({ report }) => report.latencyMicros?.p50),
    answerP99: by(({ report }) => report.latencyMicros?.p99),
    storeSeconds: by(({ report }) => report.storeSeconds),
    residentBytes: by(({ report }) => report.broker?.residentBytes),
    ...busy(by),
  }
  return { byRepeat, ...spreads(byRepeat) }
}

/** How many deliveries may be outstanding: so many, and no more than so many bytes of payload. */
function lagOf({ lagMessages, lagBytes = Number.POSITIVE_INFINITY, payloadBytes = 1 }) {
  return Math.min(lagMessages, Math.floor(lagBytes / payloadBytes))
}

/** Who worked how much of the time. */
function busy(by) {
  return {
    brokerBusy: by(({ report }) => report.broker && report.broker.cpuSeconds / report.seconds),
    generatorBusy: by(({ report }) => report.generator.busy),
    otherCpu: by(otherCpu),
  }
}

function idleFigures(runs) {
  const byRepeat = {
    // The slope between the first and the last step: what a process costs without connections is not in it.
    bytesPerConnection: new Map(
      runs.map(({ repeat, report: { steps } }) => {
        const [, first] = steps
        const last = steps[steps.length - 1]
        const from = last === first ? steps[0] : first
        return [repeat, (last.residentBytes - from.residentBytes) / (last.connections - from.connections)]
      }),
    ),
    residentBytes: new Map(runs.map(({ repeat, report }) => [repeat, report.steps.at(-1).residentBytes])),
    baseBytes: new Map(runs.map(({ repeat, report }) => [repeat, report.steps[0].residentBytes])),
    dialSeconds: new Map(runs.map(({ repeat, report }) => [repeat, report.dialSeconds])),
  }
  return { byRepeat, ...spreads(byRepeat) }
}

/**
 * The busiest of both cores, not counting what broker and generator used, as a share of the measurement: whether
 * somebody else was at work. Interrupts that are charged to nobody are in it.
 */
export function otherCpu({ report, pinned }) {
  if (pinned === null || report.broker == null) return undefined
  const others = [
    report.cores[pinned.broker].busy - report.broker.cpuSeconds,
    report.cores[pinned.generator].busy - report.generator.cpuSeconds,
  ]
  return Math.max(0, ...others) / report.seconds
}

function spreads(byRepeat) {
  return Object.fromEntries(
    Object.entries(byRepeat).map(([name, values]) => [name, spread([...values.values()])]),
  )
}
