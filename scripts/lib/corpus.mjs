/**
 * Corpora as they are committed, one text file each with an input in hexadecimal digits on each line, the short ones
 * first; and as a fuzzer wants them, one file for each input. `crates/fuzz/tests/corpora.rs` and
 * `__test__/fuzz/corpora.spec.ts` read the former.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What a committed corpus has at most, so that the tests that replay it stay quick. */
const MOST_INPUTS = 400
const MOST_BYTES_OF_ONE = 1_024

/** @returns {Buffer[]} the inputs of a committed corpus; none where there is no such file yet */
export function readCorpus(path) {
  return readIfThere(path)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Buffer.from(line, 'hex'))
}

/** Writes each input to a file that is named after what is in it. */
export function unpack(inputs, directory) {
  mkdirSync(directory, { recursive: true })
  for (const input of inputs) {
    writeFileSync(join(directory, createHash('sha1').update(input).digest('hex')), input)
  }
}

/** @returns {Buffer[]} the inputs of a directory */
export function readInputs(directory) {
  return readdirSync(directory).map((name) => readFileSync(join(directory, name)))
}

/**
 * Writes a corpus: inputs that are not too long, the shorter ones first, each once. Of too many it takes as many from
 * each length. @returns {number} how many they are
 */
export function writeCorpus(inputs, path) {
  const short = inputs.filter((input) => input.length > 0 && input.length <= MOST_BYTES_OF_ONE)
  const inOrder = short.sort((one, other) => one.length - other.length || Buffer.compare(one, other))
  const all = [...new Set(inOrder.map((input) => input.toString('hex')))]
  const step = Math.max(1, all.length / MOST_INPUTS)
  const kept = all.filter((_, index) => Math.floor(index / step) !== Math.floor((index - 1) / step))
  writeFileSync(path, kept.map((line) => `${line}\n`).join(''))
  return kept.length
}

function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return ''
    throw error
  }
}
