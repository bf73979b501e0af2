/**
 * The two fuzzers, both libFuzzer inside: cargo-fuzz for Rust and Jazzer.js for JavaScript. A target knows its corpus,
 * what has to be there before it can run, and how to run it with libFuzzer's own arguments.
 */
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ensure } from '../ensure.mjs'
import { capture, inRoot, run, runPackageBin, Stop } from './project.mjs'

const RUST = 'crates/fuzz/fuzz'
const MILLISECONDS_FOR_ONE = 20_000
const COMPILED = inRoot('target', 'fuzz', 'js')
/** The module of each JavaScript target. */
const JAVASCRIPT = { first_bytes: 'first-bytes.js', topic_url: 'topic-url.js', upgrade: 'upgrade.js' }

/** What each target is about, in a line. */
const ABOUT = {
  decode: 'bytes as packets of every version: no panic',
  round_trip: 'decode, encode and decode again: the same',
  split_input: 'a stream cut in any way: the same packets, the same answers',
  topic_matching: 'both topic indexes against the ten-line rule of section 4.7',
  filter_validation: 'names and filters against the rules as listed',
  session_operations: 'the parts of a conversation against plain models',
  client_input: 'a client between its application and a server of any bytes',
  first_bytes: 'the one port, from the first byte of a connection to its end',
  topic_url: 'topic URLs against their rules, written again',
  upgrade: 'WebSocket upgrades, right and wrong, and what is let in',
  websocket_frames: 'the frames of a WebSocket client, cut in any way: the same payload, the same end',
  broker: 'a whole broker: bytes, hooks, a store and time in any order',
}

/** The Rust targets, by their wrappers. */
export function rustTargets() {
  const names = readdirSync(inRoot(RUST, 'fuzz_targets')).map((file) => basename(file, '.rs'))
  return names.map((name) => ({
    name,
    about: ABOUT[name] ?? '',
    corpus: inRoot('crates', 'fuzz', 'corpus', `${name}.hex`),
    longest: 1_024,
    merge: '-set_cover_merge=1',
    prepare: cargoFuzzIsThere,
    seeds: () => rustSeeds(name),
    // Our crates forbid unsafe code, which leaves the address sanitizer little to find, and it halves the speed.
    run: (directories, options, onOutput) =>
      cargoFuzz(['run', '--fuzz-dir', RUST, '--sanitizer', 'none', name, ...directories, '--', ...options], {
        onOutput,
      }),
  }))
}

function cargoFuzz(args, options) {
  return run('rustup', ['run', 'nightly', 'cargo', 'fuzz', ...args], options)
}

async function cargoFuzzIsThere() {
  const needs = 'Fuzzing the Rust targets needs the nightly compiler and cargo-fuzz'
  if ((await capture('rustup', ['run', 'nightly', 'rustc', '--version'])) === undefined)
    throw new Stop([`${needs}; there is no nightly compiler: rustup toolchain install nightly`])
  if ((await capture('rustup', ['run', 'nightly', 'cargo', 'fuzz', '--version'])) === undefined)
    throw new Stop([`${needs}; there is no cargo-fuzz: cargo install cargo-fuzz`])
}

async function rustSeeds(name) {
  const lines = await capture('cargo', [
    'run',
    '-q',
    '-p',
    'topicwire-fuzz',
    '--example',
    'seeds',
    '--',
    name,
  ])
  if (lines === undefined) throw new Stop(['The seeds could not be made: cargo build -p topicwire-fuzz'])
  return lines.split('\n').map((line) => Buffer.from(line, 'hex'))
}

/**
 * The JavaScript targets. They are TypeScript, compiled with `src/` beside them into a directory of their own, where
 * Jazzer.js counts the branches of `src/`.
 */
export function javaScriptTargets() {
  return Object.entries(JAVASCRIPT).map(([name, module]) => ({
    name,
    about: ABOUT[name],
    corpus: inRoot('__test__', 'fuzz', 'corpus', `${name}.hex`),
    longest: 1_024,
    // Jazzer.js does not know the other way, which keeps fewer.
    merge: '-merge=1',
    prepare: compile,
    seeds: async () =>
      (await import(pathToFileURL(join(COMPILED, '__test__/fuzz/seeds.js')).href)).seeds.get(name),
    run: (directories, options, onOutput) =>
      runPackageBin(
        '@jazzer.js/core',
        'jazzer',
        [
          join(COMPILED, '__test__/fuzz', module),
          ...directories,
          '-i',
          join(COMPILED, 'src/'),
          // Overrides libFuzzer's own, which is among the options.
          '--timeout',
          `${MILLISECONDS_FOR_ONE}`,
          '--',
          ...options,
        ],
        { onOutput },
      ),
  }))
}

async function compile() {
  await ensure()
  mkdirSync(COMPILED, { recursive: true })
  // What `src/` finds one level above itself.
  writeFileSync(join(COMPILED, 'index.js'), "export * from '../../../index.js'\n")
  copyFileSync(inRoot('package.json'), join(COMPILED, 'package.json'))
  if ((await runPackageBin('typescript', 'tsc', ['-p', '__test__/fuzz/tsconfig.json'])) !== 0)
    throw new Stop(['The JavaScript targets do not compile.'])
  try {
    createRequire(import.meta.url)('@jazzer.js/fuzzer')
  } catch (error) {
    const needs = 'Fuzzing the JavaScript targets needs Jazzer.js, whose native part does not load here:'
    throw new Stop([needs, error.message])
  }
}
