/**
 * Every test that a row can name, whatever it is written in.
 *
 * @typedef {object} Test
 * @property {string} file from the root
 * @property {string} name
 * @property {'packet' | 'exchange' | 'client' | 'rust' | 'vitest'} kind
 * @property {Set<string>} cites the keys of the statements that it names
 * @property {boolean} isWhole whether every statement that it names must list it: a vector's `statements` are such
 *   claims, while a comment beside other tests may name a statement in passing
 * @property {boolean} onWire whether it talks to a running broker over TCP and over WebSocket
 * @property {boolean} forClient whether it is the client's end that is tested
 * @property {(kind: string) => boolean} touches whether packets of that kind occur in it
 * @property {string[]} [versions] those that a vector runs for
 */
import { readRustTests } from './rust-tests.mjs'
import { readVectors } from './vectors.mjs'
import { readVitestTests } from './vitest-tests.mjs'

/** @returns {Map<string, Test[]>} by reference, `file: name`; a name that a file has twice leads to both */
export function readTests(root) {
  const tests = new Map()
  for (const test of [...readVectors(root), ...readRustTests(root), ...readVitestTests(root)]) {
    const reference = `${test.file}: ${test.name}`
    tests.set(reference, [...(tests.get(reference) ?? []), test])
  }
  return tests
}
