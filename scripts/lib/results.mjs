/**
 * The last whole run of each test suite, test by test, in `target/test-results/`: written by whoever runs the tests,
 * read by `npm run conformance`, which asks whether a test that proves something ran and passed.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { inRoot, root } from './project.mjs'

/**
 * @typedef {Record<string, Record<string, string>>} Results by file (for cargo a test binary's main file), then by
 *   the test's own name; the value is `passed`, `failed` or `skipped`
 */

/** Keeps a run. @param {'cargo' | 'vitest'} suite @param {Results} results */
export function writeResults(suite, results) {
  mkdirSync(inRoot('target', 'test-results'), { recursive: true })
  writeFileSync(inRoot('target', 'test-results', `${suite}.json`), JSON.stringify(results, undefined, 1))
}

/** @returns {Results | undefined} undefined before the first run */
export function readResults(suite) {
  const path = inRoot('target', 'test-results', `${suite}.json`)
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined
}

/**
 * Reads what cargo prints. It says which binary it runs by a path inside a package whose name it does not say; but
 * it goes through the packages one by one and begins each with the library's own tests, whose binary has its name.
 *
 * @param {Record<string, string>} packages the directory of each package, by name
 * @returns {Results}
 */
export function cargoResults(output, packages) {
  const words = { ok: 'passed', FAILED: 'failed', ignored: 'skipped' }
  const results = {}
  let directory
  let tests
  for (const line of output.split('\n')) {
    const running = /^\s*Running (unittests )?(\S+) \(.*?([\w-]+)-[\da-f]+(?:\.exe)?\)/.exec(line)
    if (running !== null) {
      const [, isUnit, path, binary] = running
      if (isUnit !== undefined) directory = packages[binary] ?? directory
      tests = {}
      results[`${directory}/${path.replaceAll('\\', '/')}`] = tests
    }
    if (/^\s*Doc-tests /.test(line)) tests = undefined
    const [, name, word] = /^test (.+?)(?: - should panic)?\s+\.\.\. (ok|FAILED|ignored)/.exec(line) ?? []
    if (name !== undefined && tests !== undefined) tests[name] = words[word]
  }
  return results
}

/** Reads vitest's JSON report; a title that a file has twice passed if all of them did. @returns {Results} */
export function vitestResults(report) {
  const words = { passed: 'passed', failed: 'failed' }
  const results = {}
  for (const { name, assertionResults } of report?.testResults ?? []) {
    const tests = {}
    for (const { fullName, status } of assertionResults) {
      const word = words[status] ?? 'skipped'
      tests[fullName] = tests[fullName] === undefined || word !== 'passed' ? word : tests[fullName]
    }
    results[relative(root, name).replaceAll('\\', '/')] = tests
  }
  return results
}

/** The directory of each package of the workspace, by the name of its library's binary. */
export function workspacePackages() {
  const crates = readdirSync(inRoot('crates')).map((name) => `crates/${name}`)
  return Object.fromEntries(
    [...crates, 'bench/loadgen'].flatMap((directory) => {
      const manifest = join(root, directory, 'Cargo.toml')
      if (!existsSync(manifest)) return []
      const name = /^name = "(.+)"/m.exec(readFileSync(manifest, 'utf8'))?.[1]
      return [[name?.replaceAll('-', '_'), directory]]
    }),
  )
}
