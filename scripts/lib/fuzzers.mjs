/**
 * The two fuzzers, both libFuzzer inside: cargo-fuzz for Rust and Jazzer.js for JavaScript. A target knows its corpus,
 * what has to be there before it can run, and how to run it with libFuzzer's own arguments.
 */
import { readdirSync } from 'node:fs'
import { basename } from 'node:path'
import { capture, inRoot, run, Stop } from './project.mjs'

const RUST = 'crates/fuzz/fuzz'

/** What each target is about, in a line. */
const ABOUT = {
  decode: 'bytes as packets of every version: no panic',
  round_trip: 'decode, encode and decode again: the same',
  split_input: 'a stream cut in any way: the same packets, the same answers',
  topic_matching: 'both topic indexes against the ten-line rule of section 4.7',
  filter_validation: 'names and filters against the rules as listed',
  session_operations: 'the parts of a conversation against plain models',
  client_input: 'a client between its application and a server of any bytes',
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
    prepare: cargoFuzzIsThere,
    seeds: () => rustSeeds(name),
    // Everything here forbids unsafe code: what the address sanitizer looks for cannot happen, and it halves the speed.
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

/** The JavaScript targets. */
export function javaScriptTargets() {
  return []
}
