/** Reads the ledger and the lists of ids, and checks the form of each row; what the rows claim is checked elsewhere. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'smol-toml'
import { keyOf, versions } from './citations.mjs'
import { packetKinds } from './packets.mjs'

/**
 * @typedef {object} Row
 * @property {string} id
 * @property {'5.0' | '3.1.1'} version
 * @property {'server' | 'client' | 'both' | 'codec'} applies_to whom the statement binds; `codec` is the form of
 *   bytes, which the codec keeps for both ends
 * @property {string} level
 * @property {string} summary our own words
 * @property {string[]} implemented files that cite the id, or `file#name` where the code is too general to cite it
 * @property {string[]} packets the kinds of packet that the rule is about
 * @property {string} proof
 * @property {string[]} tests `file: name`
 * @property {string} [why] why no test can see it, or how it is impossible to break
 */

const allowed = {
  version: versions,
  applies_to: ['server', 'client', 'both', 'codec'],
  level: ['must', 'must not', 'should', 'should not', 'may'],
  proof: ['wire', 'codec', 'core', 'client', 'construction', 'unobservable'],
}
const lists = ['implemented', 'packets', 'tests']
const known = ['id', 'summary', 'why', ...Object.keys(allowed), ...lists]

/** Proofs that are words instead of tests. */
export const inWords = ['construction', 'unobservable']

/** @returns {{ rows: Row[], ids: Record<string, string[]> }} */
export function readLedger(root) {
  const below = (name) => readFileSync(join(root, '__test__/conformance', name), 'utf8')
  return {
    rows: parse(below('requirements.toml')).requirement ?? [],
    ids: Object.fromEntries(
      versions.map((version) => [version, below(`ids-${version}.txt`).split('\n').filter(Boolean)]),
    ),
  }
}

/** Every id of the standard has one row, in the standard's order, and no row has another id. */
export function checkIds({ rows, ids }) {
  const problems = []
  const seen = new Set()
  for (const row of rows) {
    const key = keyOf(row)
    if (seen.has(key)) problems.push(`${key}: has two rows`)
    if (!ids[row.version]?.includes(row.id)) problems.push(`${key}: is no statement of the standard`)
    seen.add(key)
  }
  const wanted = versions.flatMap((version) => ids[version].map((id) => keyOf({ version, id })))
  problems.push(...wanted.filter((key) => !seen.has(key)).map((key) => `${key}: has no row`))
  if (problems.length > 0) return problems
  const place = rows.findIndex((row, index) => keyOf(row) !== wanted[index])
  return place === -1 ? [] : [`${keyOf(rows[place])}: stands where ${wanted[place]} belongs`]
}

/** The fields of a row: all there, of the right type, and of the values that there are. */
export function checkForm(row) {
  const problem = (text) => `${keyOf(row)}: ${text}`
  const problems = Object.keys(row)
    .filter((name) => !known.includes(name))
    .map((name) => problem(`knows no field ${name}`))
  for (const [name, values] of Object.entries(allowed)) {
    if (!values.includes(row[name])) problems.push(problem(`${name} is none of ${values.join(', ')}`))
  }
  for (const name of lists) {
    const value = row[name]
    const isList = Array.isArray(value) && value.every((entry) => typeof entry === 'string')
    if (!isList) problems.push(problem(`${name} is no list of texts`))
    else if (new Set(value).size !== value.length) problems.push(problem(`${name} says something twice`))
  }
  if (problems.length > 0) return problems

  if (typeof row.summary !== 'string' || row.summary === '') problems.push(problem('has no summary'))
  if (row.packets.length === 0) problems.push(problem('is about no packet'))
  const strange = row.packets.filter((name) => !packetKinds.includes(name))
  problems.push(...strange.map((name) => problem(`${name} is no kind of packet`)))
  if (row.implemented.length === 0 && row.proof !== 'unobservable') {
    problems.push(problem('is implemented nowhere'))
  }
  const hasWhy = typeof row.why === 'string' && row.why !== ''
  if (inWords.includes(row.proof) && !hasWhy) problems.push(problem(`${row.proof} needs a why`))
  if (row.tests.length === 0 && !inWords.includes(row.proof)) problems.push(problem('has no test'))
  return problems
}
