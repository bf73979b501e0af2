/**
 * The results file: everything that was measured, as one JSON file. docs/performance.md tells its shape.
 *
 * In memory a figure's repeats are a Map from repeat to value; JSON knows no such thing, so they become lists of pairs
 * and are made Maps again when a file is read.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { inRoot, Stop } from '../../scripts/lib/project.mjs'

/** Raised when a reader of older files would misunderstand newer ones. */
const format = 1

/** A file named after the time, where nobody has asked for another. */
export function resultsPath(kind, date) {
  const time = date.replaceAll(':', '-').slice(0, 19)
  return join(inRoot('bench', 'results'), `${time}${kind === 'loads' ? '' : `-${kind}`}.json`)
}

/**
 * What every results file begins with.
 * @param kind `loads`, `growth` or `soak`
 */
export function recordOf(kind, { options, present, machine, generator }) {
  const versions = Object.fromEntries(
    present.filter(({ isCeiling }) => !isCeiling).map(({ name, version }) => [name, version]),
  )
  const ours = present.find(({ isOurs }) => isOurs)?.name
  const { repeats, seconds, quick } = options
  const command = [...(kind === 'loads' ? [] : [`--${kind}`]), ...measuring(process.argv.slice(2))].join(' ')
  return { format, kind, machine, versions, ours, options: { command, repeats, seconds, quick }, generator }
}

/** Of the arguments those that have to do with what was measured, and not with where it went. */
export function measuring(args) {
  return args.filter((arg, at) => !/^--(json|write-docs)\b/.test(arg) && args[at - 1] !== '--json')
}

export function writeResults(path, record) {
  mkdirSync(dirname(path), { recursive: true })
  const text = JSON.stringify(record, (_, value) => (value instanceof Map ? [...value] : value), 1)
  writeFileSync(path, `${text}\n`)
}

/** @throws Stop with a sentence for a file that is not there or not ours */
export function readResults(path) {
  let record
  try {
    record = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new Stop([`${path} cannot be read: ${error.message}`])
  }
  if (record.format !== format) {
    throw new Stop([`${path} is no results file of this bench (format ${format}).`])
  }
  for (const row of (record.results ?? []).flatMap(({ summary }) => summary)) {
    row.byRepeat = Object.fromEntries(
      Object.entries(row.byRepeat).map(([figure, pairs]) => [figure, new Map(pairs)]),
    )
  }
  return record
}

/** The results of a record as summaries: a scenario and its rows. */
export function summariesOf({ results }) {
  return results.map(({ scenario, summary }) => ({ scenario, rows: summary }))
}
