/**
 * `npm run instructions`: how many instructions each part of the hot path takes, against the counts that are pinned in
 * `bench/instructions/pinned.json`. A part that takes more than its pinned count and a margin fails.
 *
 *   npm run instructions                      all parts
 *   npm run instructions -- decode_publish    these
 *   npm run instructions -- --pin             the counts of now become the pinned ones
 *
 * Needs valgrind. docs/performance-core.md says how it counts and when it only warns.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { compare, instructionsIn, perUnit, rustcVersion } from './lib/instructions.mjs'
import { capture, captureError, inRoot, main, run, Stop, say } from './lib/project.mjs'

const PINNED = inRoot('bench', 'instructions', 'pinned.json')
const PROGRAM = inRoot('target', 'release', 'topicwire-bench-instructions')
/** How often a part is run; what lies between the two is the part alone. A part of many units takes longer. */
const TIMES = { single: [1_000, 3_000], many: [20, 60] }

/** Counts and compares. @returns the exit code */
export async function instructions(args = []) {
  const { positionals, values } = readArguments(args)
  const isCi = process.env.CI !== undefined
  const missing = await whatIsMissing()
  if (missing !== undefined) {
    say(`instructions: ${isCi ? 'FAILED' : 'skipped'}: ${missing}`)
    return isCi ? 1 : 0
  }
  const built = await run('cargo', [
    'build',
    '--quiet',
    '--release',
    '--package',
    'topicwire-bench-instructions',
  ])
  if (built !== 0) return built

  const parts = await partsToCount(positionals)
  const counts = {}
  for (const { name, units } of parts) counts[name] = await count(name, units)
  const rustc = rustcVersion(await capture('rustc', ['--version']))
  const pinned = JSON.parse(readFileSync(PINNED, 'utf8'))
  if (values.pin) {
    const before = pinned.machines[process.arch]
    const kept = positionals.length > 0 ? before?.counts : undefined
    pinned.machines[process.arch] = { rustc, counts: { ...kept, ...counts } }
    writeFileSync(PINNED, `${JSON.stringify(pinned, null, 2)}\n`)
    say(`instructions: ${parts.length} counts are pinned for ${process.arch} and rustc ${rustc}`)
    return 0
  }
  const { lines, isGood } = compare({ counts, rustc, arch: process.arch, pinned, isCi })
  for (const line of lines) process.stdout.write(`${line}\n`)
  return isGood ? 0 : 1
}

function readArguments(args) {
  try {
    return parseArgs({ args, allowPositionals: true, options: { pin: { type: 'boolean' } } })
  } catch (error) {
    throw new Stop([error.message], 2)
  }
}

/** Why it cannot be counted here; undefined where it can. */
async function whatIsMissing() {
  if (process.platform !== 'linux') return `valgrind counts on Linux, and this is ${process.platform}`
  if ((await capture('valgrind', ['--version'])) === undefined) {
    return 'valgrind is not installed (apt-get install valgrind)'
  }
  return existsSync(PINNED) ? undefined : `${PINNED} is not there`
}

async function partsToCount(wanted) {
  const output = await capture(PROGRAM, [])
  if (output === undefined) throw new Stop([`${PROGRAM} did not run.`])
  const parts = output
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
    .map(([name, units]) => ({ name, units: Number(units) }))
  const unknown = wanted.find((name) => !parts.some((part) => part.name === name))
  if (unknown !== undefined) {
    throw new Stop([`There is no part ${unknown}: ${parts.map(({ name }) => name).join(', ')}.`], 2)
  }
  return parts.filter(({ name }) => wanted.length === 0 || wanted.includes(name))
}

/** Instructions for one unit of a part. */
async function count(name, units) {
  const times = units > 1 ? TIMES.many : TIMES.single
  const totals = []
  for (const each of times) {
    const valgrind = ['--tool=callgrind', '--callgrind-out-file=/dev/null', PROGRAM, name, String(each)]
    // Without our environment, which moves the stack. To valgrind each byte of a `rep movsb` is an instruction, and from
    // which size on glibc copies with it depends on the processor: not here.
    const env = { PATH: process.env.PATH, GLIBC_TUNABLES: 'glibc.cpu.x86_rep_movsb_threshold=1000000000' }
    const output = await captureError('valgrind', valgrind, env)
    const total = output === undefined ? undefined : instructionsIn(output)
    if (total === undefined) throw new Stop([`${name} did not run under valgrind.`])
    totals.push(total)
  }
  return perUnit(totals, times, units)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(() => instructions(process.argv.slice(2)))
}
