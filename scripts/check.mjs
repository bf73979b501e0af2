/**
 * `npm run check`: everything that CI looks at, in order of how soon it answers. All of it runs even when something
 * fails, and the end lists what did.
 *
 *   npm run check -- clippy biome     only these steps
 */
import { existsSync } from 'node:fs'
import { conformance } from './conformance.mjs'
import { ensure } from './ensure.mjs'
import { instructions } from './instructions.mjs'
import { inRoot, main, run, runPackageBin, Stop, say } from './lib/project.mjs'
import { printSummary, runCargoTests, runVitest, sum } from './lib/tests.mjs'
import { lintCore } from './lint-core.mjs'
import { lintLock } from './lint-lock.mjs'
import { simulate } from './simulate.mjs'

/** What is committed although a program writes it. */
const generated = ['index.js', 'index.d.ts', 'Cargo.lock', 'package-lock.json', 'docs/conformance.md']
const counts = []

/** Each step resolves with an exit code. */
const steps = {
  fmt: () => run('cargo', ['fmt', '--all', '--check']),
  'lint-core': () => lintCore(),
  'lint-lock': () => lintLock(),
  biome: () => runPackageBin('@biomejs/biome', 'biome', ['check', '--error-on-warnings', '.']),
  clippy: () => run('cargo', ['clippy', '--workspace', '--all-targets', '--', '-D', 'warnings']),
  doc: () => run('cargo', ['doc', '--workspace', '--no-deps'], { env: { RUSTDOCFLAGS: '-D warnings' } }),
  native: () => attempt(() => ensure({ only: ['native'], rebuild: true })),
  tsc: () => attempt(() => ensure({ only: ['typescript'], rebuild: true })),
  page: () => attempt(() => ensure({ only: ['page'], rebuild: true })),
  'tsc-page': () => runPackageBin('typescript', 'tsc', ['-p', 'web/tsconfig.json']),
  'tsc-tests': () => runPackageBin('typescript', 'tsc', ['-p', 'tsconfig.json']),
  'cargo-test': () => counted(runCargoTests),
  vitest: () => counted(runVitest),
  // The hot path's parts against their pinned counts.
  instructions: () => attempt(() => instructions()),
  // Ten million steps or five minutes, whichever is less. Always the same ones: exploring is for `npm run simulate`.
  simulate: () => simulate(['--seed', '1', '--steps', '10000000', '--minutes', '5']),
  // With the results of the two test steps.
  conformance: () => conformance(),
  generated: generatedFilesAreCommitted,
}

await main(async () => {
  const wanted = process.argv.slice(2)
  const unknown = wanted.find((name) => !(name in steps))
  if (unknown !== undefined)
    throw new Stop([`There is no step ${unknown}: ${Object.keys(steps).join(', ')}.`], 2)
  await ensure({ only: ['dependencies'] })

  const outcomes = []
  for (const [name, step] of Object.entries(steps)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    say(`check: ${name}`)
    const started = Date.now()
    const exitCode = await step()
    outcomes.push({ name, isGood: exitCode === 0, seconds: ((Date.now() - started) / 1000).toFixed(1) })
  }
  for (const { name, isGood, seconds } of outcomes) {
    process.stdout.write(`${isGood ? 'ok    ' : 'FAILED'} ${name.padEnd(12)} ${seconds.padStart(7)} s\n`)
  }
  // A failed step that is not a test counts as one failure: the last line alone says whether all is well.
  const tests = ['cargo-test', 'vitest']
  const others = outcomes.filter(({ name, isGood }) => !isGood && !tests.includes(name)).length
  const total = sum([...counts, { passed: 0, failed: others, skipped: [] }])
  printSummary(total)
  return total.failed === 0 ? 0 : 1
})

async function counted(runTests) {
  const result = await runTests()
  counts.push(result)
  return result.failed === 0 ? 0 : 1
}

/** The exit code of what has one, 0 of what has none. */
async function attempt(body) {
  try {
    return (await body()) ?? 0
  } catch (error) {
    if (!(error instanceof Stop)) throw error
    say(error.message)
    return 1
  }
}

/** The build before this step has written them anew; what differs now was not committed. */
async function generatedFilesAreCommitted() {
  if (!existsSync(inRoot('.git'))) return 0
  // CI may run as another user than the one that owns the checkout.
  const git = (...args) => run('git', ['-c', 'safe.directory=*', ...args])
  const tracked = await git('ls-files', '--error-unmatch', '--', ...generated)
  return tracked === 0 ? git('--no-pager', 'diff', '--exit-code', '--stat', '--', ...generated) : tracked
}
