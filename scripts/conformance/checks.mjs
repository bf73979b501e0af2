/** The checks of what the rows claim. Each takes what it looks at and returns its problems as lines of text. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { citedKeys, keyOf } from './citations.mjs'
import { inWords } from './ledger.mjs'
import { failureOf } from './outcomes.mjs'

/** Each file is there, and cites the id or declares the name after `#`. */
export function checkImplemented(row, root) {
  return row.implemented.flatMap((entry) => {
    const [file, name] = entry.split('#')
    const path = join(root, file)
    if (!existsSync(path)) return [`${keyOf(row)}: there is no ${file}`]
    const text = readFileSync(path, 'utf8')
    if (name === undefined) {
      return citedKeys(text).has(keyOf(row)) ? [] : [`${keyOf(row)}: ${file} does not cite it`]
    }
    const declared = new RegExp(`\\b(fn|struct|enum|trait|const|type|class|function|mod)\\s+${name}\\b`)
    return declared.test(text) ? [] : [`${keyOf(row)}: ${file} declares no ${name}`]
  })
}

/** Each test is there, once, names the id back, and is about a packet that the rule is about. */
export function checkTests(row, tests) {
  return row.tests.flatMap((reference) => {
    const problem = (text) => [`${keyOf(row)}: ${reference} ${text}`]
    const found = tests.get(reference) ?? []
    if (found.length === 0) return problem('does not exist')
    if (found.length > 1) return problem('stands for two tests')
    const [test] = found
    if (!test.cites.has(keyOf(row))) return problem('does not name it back')
    if (row.packets.some((kind) => test.touches(kind))) return []
    return problem(`touches no ${row.packets.join(', no ')}`)
  })
}

/**
 * What is tested is tested at the end that it binds: at the server on both transports, or with a reason in the core
 * alone; at the client by a test of the client. Of two ends one may be without a test where the row says why.
 */
export function checkReach(row, tests) {
  if (inWords.includes(row.proof)) return []
  const named = row.tests.flatMap((reference) => tests.get(reference) ?? [])
  // Chapter 6 is about one of the transports only.
  const isOnWire = row.id.startsWith('MQTT-6.') ? ({ kind }) => kind === 'vitest' : ({ onWire }) => onWire
  const isExplained = row.why !== undefined
  const reachesServer = named.some(isOnWire) || (row.proof === 'core' && isExplained)
  const reachesClient = named.some(({ forClient }) => forClient)
  if (row.applies_to === 'both' && isExplained && (reachesServer || reachesClient)) return []
  const problems = []
  if (row.applies_to !== 'client' && !reachesServer) {
    problems.push(`${keyOf(row)}: no test of it goes over TCP and WebSocket`)
  }
  if ((row.applies_to === 'client' || row.applies_to === 'both') && !reachesClient) {
    problems.push(`${keyOf(row)}: no test of it is about the client’s end`)
  }
  return problems
}

/** Whatever a vector says that it serves, the row of that statement lists. */
export function checkListed(rows, tests) {
  const listed = new Map(rows.map((row) => [keyOf(row), new Set(row.tests ?? [])]))
  return [...tests].flatMap(([reference, found]) =>
    found
      .filter(({ isWhole }) => isWhole)
      .flatMap(({ cites }) =>
        [...cites]
          .filter((key) => !listed.get(key)?.has(reference))
          .map((key) => `${key}: ${listed.has(key) ? 'does not list' : 'is no statement, for'} ${reference}`),
      ),
  )
}

/** Each listed test ran in the last run, and passed. */
export function checkOutcomes(rows, tests, results) {
  const problems = []
  const references = new Set(rows.flatMap((row) => row.tests))
  for (const reference of references) {
    for (const test of tests.get(reference) ?? []) {
      const failure = failureOf(test, results)
      if (failure !== undefined) problems.push(`${reference}: ${failure}`)
    }
  }
  return problems
}
