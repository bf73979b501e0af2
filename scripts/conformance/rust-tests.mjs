/**
 * Finds the tests in Rust sources. rustfmt has laid them out, so that a function ends at the first `}` as deep as its
 * `fn`; no parser is needed.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { citedKeys } from './citations.mjs'
import { isNamedIn } from './packets.mjs'

/** @returns {import('./tests.mjs').Test[]} */
export function readRustTests(root) {
  const files = readdirSync(join(root, 'crates'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.rs'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
  return files.sort().flatMap((file) =>
    rustTestsIn(readFileSync(join(root, file), 'utf8')).map(({ name, source }) => ({
      file,
      name,
      kind: 'rust',
      cites: citedKeys(source),
      isWhole: false,
      onWire: false,
      forClient: file.startsWith('crates/session/'),
      touches: (kind) => isNamedIn(kind, source),
    })),
  )
}

/** Each function under `#[test]`, with the comments and attributes above it. */
export function rustTestsIn(text) {
  const lines = text.split('\n')
  const tests = []
  for (const [index, line] of lines.entries()) {
    if (!/^\s*#\[test\]/.test(line)) continue
    const isAbove = (text) => /^\s*(\/\/|#\[)/.test(text ?? '')
    let first = index
    while (isAbove(lines[first - 1])) first -= 1
    let start = index
    while (isAbove(lines[start])) start += 1
    const [, indent, name] = /^(\s*)(?:pub )?(?:async )?fn (\w+)/.exec(lines[start]) ?? []
    if (name === undefined) continue
    const end = lines.findIndex((text, place) => place >= start && text === `${indent}}`)
    tests.push({ name, source: lines.slice(first, end === -1 ? undefined : end + 1).join('\n') })
  }
  return tests
}
