/** Runs the two test suites and counts what they say: cargo's own lines, vitest's own JSON. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run, runPackageBin } from './project.mjs'
import { cargoResults, vitestResults, workspacePackages, writeResults } from './results.mjs'
import { withoutColor } from './text.mjs'

/** @typedef {{ passed: number, failed: number, skipped: string[] }} Counts */

/** Runs `cargo test` for the whole workspace. @returns {Promise<Counts>} */
export async function runCargoTests() {
  let output = ''
  const env = process.stdout.isTTY ? { CARGO_TERM_COLOR: 'always' } : {}
  const exitCode = await run('cargo', ['test', '--workspace', '--no-fail-fast'], {
    env,
    onOutput: (chunk) => {
      output += chunk
    },
  })
  writeResults('cargo', cargoResults(withoutColor(output), workspacePackages()))
  return countCargo(output, exitCode)
}

/** Runs vitest; `args` are its own, and make it a run that is not kept. @returns {Promise<Counts>} */
export async function runVitest(args = []) {
  const directory = mkdtempSync(join(tmpdir(), 'topicwire-tests-'))
  try {
    const report = join(directory, 'vitest.json')
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
    const exitCode = await runPackageBin('vitest', 'vitest', ['run', ...reporters, ...args])
    const results = readReport(report)
    if (args.length === 0) writeResults('vitest', vitestResults(results))
    return countVitest(results, exitCode)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Sums the `test result:` lines. A suite that did not compile has none, but a non-zero exit code. */
export function countCargo(output, exitCode) {
  const text = withoutColor(output)
  const counts = { passed: 0, failed: 0, skipped: [] }
  for (const [, passed, failed] of text.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed;/gm)) {
    counts.passed += Number(passed)
    counts.failed += Number(failed)
  }
  counts.skipped = [...text.matchAll(/^test (.+) \.\.\. ignored/gm)].map(([, name]) => name)
  return atLeastOneFailure(counts, exitCode)
}

/** Reads vitest's JSON report. A file that could not be loaded has no tests of its own and counts as one failure. */
export function countVitest(report, exitCode) {
  const counts = { passed: 0, failed: 0, skipped: [] }
  for (const file of report?.testResults ?? []) {
    const of = (status) => file.assertionResults.filter((test) => test.status === status)
    counts.passed += of('passed').length
    counts.failed += of('failed').length
    if (file.status === 'failed' && of('failed').length === 0) counts.failed += 1
    counts.skipped.push(...[...of('pending'), ...of('skipped'), ...of('todo')].map((test) => test.fullName))
  }
  return atLeastOneFailure(counts, exitCode)
}

/** Adds counts up. @returns {Counts} */
export function sum(all) {
  return {
    passed: all.reduce((total, { passed }) => total + passed, 0),
    failed: all.reduce((total, { failed }) => total + failed, 0),
    skipped: all.flatMap(({ skipped }) => skipped),
  }
}

/** Says what was skipped, and ends with the line that `.ci/run` ends with. */
export function printSummary({ passed, failed, skipped }) {
  const lines =
    skipped.length === 0 ? [] : [`${skipped.length} skipped:`, ...skipped.map((name) => `  ${name}`)]
  process.stdout.write(`\n${[...lines, `${passed} passed, ${failed} failed`].join('\n')}\n`)
}

function atLeastOneFailure(counts, exitCode) {
  return exitCode !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts
}

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}
