/**
 * `npm run fuzz`: runs fuzzers, each for so many minutes and one after the other, from their committed corpora.
 *
 *   npm run fuzz                                    what targets there are
 *   npm run fuzz -- decode upgrade --minutes 30     these
 *   npm run fuzz -- all --minutes 1                 every one
 *   npm run fuzz -- decode --keep                   and commit-ready: what is new goes into the corpus
 *
 * What a fuzzer works on lies in target/fuzz/<target>/, and stays there: the next run goes on from it. docs/fuzzing.md
 * says what a target asserts, and what becomes of a finding.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { readCorpus, readInputs, unpack, writeCorpus } from './lib/corpus.mjs'
import { javaScriptTargets, rustTargets } from './lib/fuzzers.mjs'
import { inRoot, main, Stop, say } from './lib/project.mjs'

const DEFAULT_MINUTES = 5
const MEMORY_MB = 2_048
/** An input that takes longer is a finding. */
const SECONDS_FOR_ONE = 20

await main(async () => {
  const { positionals, values } = readArguments()
  const targets = [...rustTargets(), ...javaScriptTargets()]
  if (positionals.length === 0) {
    for (const { name, about } of targets) process.stdout.write(`${name.padEnd(20)} ${about}\n`)
    return 0
  }
  const wanted = positionals.includes('all') ? targets.map(({ name }) => name) : positionals
  const unknown = wanted.find((name) => !targets.some((target) => target.name === name))
  if (unknown !== undefined) throw new Stop([`There is no target ${unknown}: npm run fuzz names them.`], 2)

  const minutes = Number(values.minutes ?? DEFAULT_MINUTES)
  if (!(minutes > 0)) throw new Stop(['--minutes wants a number.'], 2)
  const results = []
  for (const target of targets.filter(({ name }) => wanted.includes(name))) {
    results.push(await fuzz(target, minutes, values.keep === true))
  }
  for (const { line } of results) process.stdout.write(`${line}\n`)
  return results.every(({ isClean }) => isClean) ? 0 : 1
})

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { minutes: { type: 'string' }, keep: { type: 'boolean' } },
    })
  } catch (error) {
    throw new Stop([error.message], 2)
  }
}

/** Runs one target for its time. */
async function fuzz(target, minutes, keeps) {
  await target.prepare()
  const work = (part) => inRoot('target', 'fuzz', target.name, part)
  const [corpus, findings] = [work('corpus'), work('findings')]
  unpack([...readCorpus(target.corpus), ...(await target.seeds())], corpus)
  mkdirSync(findings, { recursive: true })
  const before = new Set(readdirSync(findings))

  say(`fuzz: ${target.name} for ${minutes} minutes, from ${readdirSync(corpus).length} inputs`)
  let output = ''
  const started = Date.now()
  const exitCode = await target.run(
    [corpus],
    [
      `-max_total_time=${Math.ceil(minutes * 60)}`,
      `-max_len=${target.longest}`,
      `-rss_limit_mb=${MEMORY_MB}`,
      `-timeout=${SECONDS_FOR_ONE}`,
      `-artifact_prefix=${findings}/`,
      '-print_final_stats=1',
    ],
    (chunk) => {
      output = (output + chunk).slice(-100_000)
    },
  )
  const found = readdirSync(findings).filter((name) => !before.has(name))
  if (keeps && exitCode === 0) await keep(target, corpus, work('smallest'))
  return summary(target.name, (Date.now() - started) / 60_000, output, exitCode, found)
}

/** The fewest inputs that reach what all of them reach become the corpus. */
async function keep(target, corpus, smallest) {
  rmSync(smallest, { recursive: true, force: true })
  mkdirSync(smallest, { recursive: true })
  await target.run([smallest, corpus], [target.merge, `-max_len=${target.longest}`])
  const count = writeCorpus(readInputs(smallest), target.corpus)
  say(`fuzz: ${target.name} keeps ${count} inputs`)
}

/** One line that says how it went. */
function summary(name, minutes, output, exitCode, found) {
  const executions = /stat::number_of_executed_units:\s*(\d+)/.exec(output)?.[1] ?? 'unknown'
  const edges = [...output.matchAll(/cov: (\d+)/g)].at(-1)?.[1] ?? 'unknown'
  const findings = found.map((file) => `target/fuzz/${name}/findings/${file}`)
  const isClean = exitCode === 0 && found.length === 0
  const outcome = isClean ? 'nothing found' : `FOUND (exit code ${exitCode}) ${findings.join(' ')}`
  const line = `${name}: ${minutes.toFixed(1)} minutes, ${executions} executions, ${edges} edges, ${outcome}`
  return { line, isClean }
}
