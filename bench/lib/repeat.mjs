/**
 * Whether two runs of `topicwire compare` say the same: a figure repeats where the medians of both runs are no further
 * apart than the wider of the spreads that they print, or read the same with as many digits as are printed.
 */
import { withSpread } from './format.mjs'
import { wrap } from './page.mjs'
import { grid } from './table.mjs'

const DIGITS = 3

/** @returns {{ count: number, apart: object[], missing: string[] }} `missing` is what only one of them has. */
export function repeats(one, other) {
  const [first, second] = [one, other].map(figuresOf)
  const both = [...first.keys()].filter((key) => second.has(key))
  const apart = both.flatMap((key) => {
    const [mine, theirs] = [first.get(key), second.get(key)]
    const difference = Math.abs(mine.median - theirs.median)
    const isSame =
      difference <= Math.max(mine.max - mine.min, theirs.max - theirs.min) ||
      mine.median.toPrecision(DIGITS) === theirs.median.toPrecision(DIGITS)
    return isSame ? [] : [{ what: key, first: mine, second: theirs }]
  })
  const missing = [...first.keys(), ...second.keys()].filter((key) => !(first.has(key) && second.has(key)))
  return { count: both.length, apart, missing }
}

/** For docs/comparison.md. */
export function repeatText(one, other) {
  const { count, apart, missing } = repeats(one, other)
  if (missing.length > 0) throw new Error(`only one of the runs has ${missing[0]}`)
  const gap = ((Date.parse(other.date) - Date.parse(one.date)) / 60_000).toFixed(0)
  const text = wrap(
    `A second run ended ${gap} minutes after the first (${other.rounds} rounds, load average ${other.machine.loadAverage.toFixed(2)} before it began). ${count} figures of both were compared, all that the JSON has: ${verdict(count, apart.length)}`,
  )
  if (apart.length === 0) return text
  const lines = apart.map(({ what, first, second }) => [
    what,
    ...[first, second].map((s) => withSpread(s, short)),
  ])
  return `${text}\n\n${grid(['apart', 'this run', 'the second run'], lines)}`
}

function verdict(count, apart) {
  const within = 'differ by no more than the wider of the spreads that are printed with them'
  if (apart === 0) return `the medians of all of them ${within}.`
  return `the medians of ${count - apart} ${within}, those of ${apart} by more.`
}

const short = (value) => Number(value.toPrecision(DIGITS)).toString()

/** By what it is, in words: every figure of a run. */
function figuresOf({ ways, rows }) {
  const names = new Map(ways.map(({ id, name }) => [id, name]))
  return new Map(
    rows.flatMap(({ measure, way, conditions, figures }) =>
      Object.entries(figures).map(([name, spread]) => [
        `${names.get(way)}: ${measure} ${Object.entries(conditions)
          .map(([key, value]) => `${key} ${value}`)
          .join(', ')}: ${name}`,
        spread,
      ]),
    ),
  )
}
