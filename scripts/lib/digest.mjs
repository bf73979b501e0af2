/**
 * What a log of `npm run check` or `npm test` says of its failures, in few lines: whoever reads the end of a long
 * run's output should not have to look for them.
 */

import { withoutColor } from './text.mjs'

/** Of each thing that failed; the log has the rest. */
const LINES_OF_ONE = 45

/**
 * @param {string} log all that the command printed
 * @param {number} exitCode how it ended
 * @returns {string[]} lines; none where nothing failed
 */
export function whatFailed(log, exitCode) {
  // What tests print of other programs may look like a failure.
  if (exitCode === 0) return []
  const sections = sectionsOf(withoutColor(log).split(/\r?\n/))
  const failed = [...log.matchAll(/^FAILED (\S+)/gm)].map(([, name]) => name)
  const told = sections
    .map(({ name, lines }) => ({ name, lines: failuresIn(lines, failed.includes(name)) }))
    .filter(({ lines }) => lines.length > 0)
  // It was ended, or stopped before it had begun: its last words are what there is.
  if (told.length === 0) told.push({ ...sections.at(-1), isLast: true })
  return told.flatMap(({ name, lines, isLast }) => [
    `${name}:`,
    ...clip(lines, isLast).map((line) => `  ${line}`),
  ])
}

/** The steps of a check, each with its lines; what has no steps is one section. */
function sectionsOf(lines) {
  const sections = [{ name: 'before the first step', lines: [] }]
  for (const line of lines) {
    const name = /^\[topicwire\] check: (\S+)$/.exec(line)?.[1]
    if (name !== undefined) sections.push({ name, lines: [] })
    else sections.at(-1).lines.push(line)
  }
  if (sections.length === 1) sections[0].name = 'tests'
  return sections
}

function failuresIn(lines, isFailedStep) {
  const tests = [...cargoFailures(lines), ...vitestFailures(lines)]
  if (tests.length > 0 || !isFailedStep) return tests
  return lines.filter((line) => line.trim() !== '').slice(-LINES_OF_ONE)
}

/** What libtest prints of the failed tests of each binary, and what the compiler says. */
function cargoFailures(lines) {
  const failures = []
  let isInside = false
  for (const line of lines) {
    if (line === 'failures:') isInside = true
    if (isInside || /^error(\[E\d+\])?: /.test(line)) failures.push(line)
    if (line.startsWith('test result: ')) isInside = false
  }
  return failures
}

/** What vitest prints after its last file: failed suites, failed tests, errors that nobody caught. */
function vitestFailures(lines) {
  const start = lines.findIndex((line) =>
    /⎯ (Failed (Suites|Tests)|Unhandled (Errors?|Rejections?)) /.test(line),
  )
  if (start < 0) return []
  const end = lines.findIndex((line, index) => index > start && /^ *Test Files /.test(line))
  return lines.slice(start, end < 0 ? undefined : end)
}

function clip(lines, isLast) {
  const kept = lines.filter((line) => line.trim() !== '')
  if (kept.length <= LINES_OF_ONE) return kept
  const left = kept.length - LINES_OF_ONE
  if (isLast) return kept.slice(-LINES_OF_ONE)
  return [...kept.slice(0, LINES_OF_ONE), `(${left} lines more, above)`]
}
