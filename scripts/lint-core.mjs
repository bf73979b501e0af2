/**
 * The core is sans-IO: codec, topics, session, broker and websocket read no clock, file, socket or environment and start no
 * thread; all of that comes in as arguments. This looks for the modules of `std` that would break it.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { inRoot, main, root } from './lib/project.mjs'

const crates = ['codec', 'topics', 'session', 'broker', 'websocket']
const forbidden = ['time', 'net', 'fs', 'thread', 'env', 'process', 'io', 'os']

/** Prints each use with its place. @returns the exit code */
export function lintCore() {
  let found = 0
  for (const file of crates.flatMap((name) => sourcesBelow(inRoot('crates', name, 'src')))) {
    for (const { line, module } of usesOfStd(readFileSync(file, 'utf8'))) {
      const hint = module === 'time' ? ' (core::time::Duration is a plain value and allowed)' : ''
      process.stdout.write(`${relative(root, file)}:${line}: the core must not use std::${module}${hint}\n`)
      found += 1
    }
  }
  return found === 0 ? 0 : 1
}

/** Every path into a forbidden module: `std::time::Instant`, `use std::{fmt, net::IpAddr}`, over lines too. */
export function usesOfStd(source) {
  const code = withoutComments(source)
  const uses = []
  for (const match of code.matchAll(/\bstd\s*::\s*(?:(\w+)|\{)/g)) {
    const line = code.slice(0, match.index).split('\n').length
    const names = match[1] === undefined ? topLevelNames(code, match.index + match[0].length) : [match[1]]
    uses.push(...names.filter((name) => forbidden.includes(name)).map((module) => ({ line, module })))
  }
  return uses
}

/** The first word of each entry of a `{…}` group; entries of nested groups belong to their own module. */
function topLevelNames(code, start) {
  const names = []
  let depth = 0
  let entry = ''
  for (const character of code.slice(start)) {
    if (depth === 0 && (character === ',' || character === '}')) {
      names.push(/\w+/.exec(entry)?.[0])
      entry = ''
      if (character === '}') break
      continue
    }
    if (character === '{') depth += 1
    if (character === '}') depth -= 1
    entry += character
  }
  return names.filter((name) => name !== undefined)
}

/** Comments become blanks, so that lines keep their numbers and prose may speak of a clock. */
function withoutComments(source) {
  const blank = (text) => text.replace(/[^\n]/g, ' ')
  return source.replace(/\/\*[\s\S]*?\*\//g, blank).replace(/\/\/.*$/gm, blank)
}

function sourcesBelow(directory) {
  return readdirSync(directory, { recursive: true })
    .filter((name) => name.endsWith('.rs'))
    .map((name) => join(directory, name))
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(lintCore)
