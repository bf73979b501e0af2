/**
 * Whether the targets were reached. A target becomes one check for each of its loads and opponents; a check has a
 * measured value (a ratio, or a figure of ours) and a verdict: `aim`, `must`, `missed` or `not measured`.
 */
import { scenarios } from '../scenarios.mjs'
import { opponents as allOpponents, targets as allTargets } from '../targets.mjs'
import { kibibytes, times, withSpread } from './format.mjs'
import { summariesOf } from './results.mjs'
import { ratioSpread } from './stats.mjs'
import { grid } from './table.mjs'

/** What a median is worth. */
export function verdictOf({ must, aim, better }, value) {
  if (value === undefined) return 'not measured'
  const reaches = (bound) => (better === 'more' ? value >= bound : value <= bound)
  return reaches(aim) ? 'aim' : reaches(must) ? 'must' : 'missed'
}

/**
 * All checks with what was measured.
 * @param targets,opponents the data of bench/targets.mjs
 * @param measured `{ results, scenarios, ours, parts }`: summaries with their scenarios, all scenarios that there are, the
 *   name of our broker, and the figures of the benches of the parts by name
 */
export function judge({ targets, opponents }, measured) {
  return targets.flatMap((target) => checksOf(target, opponents, measured))
}

/** The product's own targets, judged by a results record. */
export function judgeRecord(record) {
  const { ours = 'topicwire', parts = {} } = record
  return judge(
    { targets: allTargets, opponents: allOpponents },
    { results: summariesOf(record), scenarios, ours, parts },
  )
}

function checksOf(target, opponents, { results, scenarios, ours, parts }) {
  const { row, what, figure, better } = target
  if (target.part !== undefined) {
    const { must, aim, unit, says: against } = target
    const found = parts[target.part] ?? [{ label: 'its bench has not run', value: undefined }]
    return found.map(({ label, value }) =>
      finish({ row, what: `${what}: ${label}`, against, must, aim, unit, better }, value),
    )
  }
  return target.loads.flatMap((name) => {
    const load = results.find(({ scenario }) => scenario.name === name)
    const { title } = scenarios.find((scenario) => scenario.name === name)
    const rowOf = (broker, from) => from?.rows.find((entry) => entry.broker === broker)
    const own = rowOf(ours, load)
    const base = { row, what: `${what}: ${title}`, better }
    const check = (against, { must, aim, unit }, value, theirs) =>
      finish({ ...base, against, must, aim, unit }, value, own, theirs)

    const checks = []
    if (target.absolute !== undefined) {
      checks.push(check('absolute', target.absolute, own?.[figure], []))
    }
    if (target.againstLoad !== undefined) {
      const other = results.find(({ scenario }) => scenario.name === target.againstLoad.name)
      const theirs = rowOf(ours, other)
      checks.push(check(target.againstLoad.says, target.againstLoad, ratioOf(figure, own, theirs), [theirs]))
    }
    for (const [opponent, bounds] of Object.entries(target.against ?? {})) {
      const theirs = (opponents[opponent] ?? [opponent]).map((broker) => rowOf(broker, load))
      const ratios = theirs.map((entry) => ratioOf(figure, own, entry))
      checks.push(check(opponent, bounds, worst(ratios, better), theirs))
    }
    return checks
  })
}

/** Without a figure there is a reason, when runs were void; and a fault of ours is a miss, whatever was measured. */
function finish(check, value, own, others = []) {
  const verdict = own?.faults > 0 ? 'missed' : verdictOf(check, value?.median)
  const voids = [own, ...others].flatMap((row) => row?.voids ?? [])
  const isVoid = value === undefined || own?.faults > 0
  return {
    ...check,
    value,
    verdict,
    ...(isVoid && voids.length > 0 ? { reason: voids[0] } : {}),
    ...(own?.voids.length > 0 ? { voids: own.voids.length } : {}),
  }
}

function ratioOf(figure, own, theirs) {
  const [a, b] = [own?.byRepeat[figure], theirs?.byRepeat[figure]]
  return a === undefined || b === undefined ? undefined : ratioSpread(a, b)
}

/** The ratio that speaks least for us. */
function worst(ratios, better) {
  const known = ratios.filter((ratio) => ratio !== undefined)
  known.sort((a, b) => (better === 'more' ? a.median - b.median : b.median - a.median))
  return known[0]
}

/** By the unit of an absolute figure. A check without a unit is a ratio. */
const formats = {
  KiB: (value) => `${kibibytes(value)} KiB`,
  B: (value) => `${value.toFixed(0)} B`,
  ns: (value) => `${value.toFixed(0)} ns`,
  µs: (value) => `${value.toFixed(value < 10 ? 1 : 0)} µs`,
}

/** Bounds are round numbers, and are shown as they stand in the data. */
function bound({ better, unit }, value) {
  const sign = better === 'more' ? '≥' : '≤'
  return unit === undefined ? `${sign} ${value}x` : `${sign} ${unit === 'KiB' ? value / 1024 : value} ${unit}`
}

/** The checks as a table. */
export function verdictTable(checks) {
  const rows = checks.map((check) => {
    const format = formats[check.unit] ?? times
    const measured = check.reason === undefined ? withSpread(check.value, format) : `void: ${check.reason}`
    const voids = check.reason === undefined && check.voids > 0 ? `, ${check.voids} void` : ''
    return [
      String(check.row),
      check.what,
      check.against,
      bound(check, check.must),
      bound(check, check.aim),
      `${measured}${voids}`,
      check.verdict,
    ]
  })
  return grid(['#', 'what', 'against', 'must', 'aim', 'measured', 'verdict'], rows, [
    'what',
    'against',
    'verdict',
  ])
}

/** How many checks there are of each verdict, in a line. */
export function verdictCounts(checks) {
  const counted = ['aim', 'must', 'missed', 'not measured'].map((verdict) => {
    const count = checks.filter((check) => check.verdict === verdict).length
    return `${count} ${verdict}`
  })
  return counted.join(', ')
}
