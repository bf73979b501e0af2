/**
 * `npm run conformance`: checks the ledger of the standard's statements (`__test__/conformance/requirements.toml`)
 * against the code, the tests and what the tests said when they last ran; prints its totals; writes
 * docs/conformance.md.
 *
 *   npm run conformance -- --no-results     without asking whether the tests ran
 */
import { writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { ensure } from './ensure.mjs'
import { inRoot, main, root, say } from './lib/project.mjs'

/** Checks everything. @returns {Promise<number>} the exit code */
export async function conformance({ withResults = true } = {}) {
  await ensure({ only: ['dependencies'] })
  // These need what `ensure` may only just have installed.
  const { checkForm, checkIds, readLedger } = await import('./conformance/ledger.mjs')
  const { readTests } = await import('./conformance/tests.mjs')
  const { checkImplemented, checkListed, checkOutcomes, checkReach, checkTests } = await import(
    './conformance/checks.mjs'
  )
  const { pageOf, totalsAsText } = await import('./conformance/page.mjs')
  const { readResults } = await import('./lib/results.mjs')

  const ledger = readLedger(root)
  const problems = checkIds(ledger)
  // A row without form says nothing that could be checked.
  const rows = ledger.rows.filter((row) => {
    const found = checkForm(row)
    problems.push(...found)
    return found.length === 0
  })
  const isWhole = problems.length === 0

  const tests = readTests(root)
  problems.push(...rows.flatMap((row) => checkImplemented(row, root)))
  problems.push(...rows.flatMap((row) => checkTests(row, tests)))
  problems.push(...rows.flatMap((row) => checkReach(row, tests)))
  problems.push(...checkListed(ledger.rows, tests))
  if (withResults) {
    const results = { cargo: readResults('cargo'), vitest: readResults('vitest') }
    problems.push(...checkOutcomes(rows, tests, results))
  }
  process.stdout.write(`${totalsAsText(rows)}\n`)
  if (isWhole) writeFileSync(inRoot('docs', 'conformance.md'), pageOf(rows))
  return report(problems)
}

function report(problems) {
  for (const problem of problems) process.stdout.write(`${problem}\n`)
  say(problems.length === 0 ? 'conformance: the ledger is whole' : `conformance: ${problems.length} problems`)
  return problems.length === 0 ? 0 : 1
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(() => conformance({ withResults: !process.argv.includes('--no-results') }))
}
