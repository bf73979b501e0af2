/** The list in docs/regressions.md names tests that exist. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(join(root, 'docs/regressions.md'), 'utf8')
const rows = page.split('\n').filter((line) => /^\| (?!situation|---)/.test(line))

const rust = readdirSync(join(root, 'crates/broker/tests/behaviour'))
  .filter((name) => name.endsWith('.rs'))
  .map((name) => readFileSync(join(root, 'crates/broker/tests/behaviour', name), 'utf8'))
  .join('\n')

describe('docs/regressions.md', () => {
  it.each(rows.map((row) => row.split('|').map((cell) => cell.trim())))(
    '|%s %s',
    (_, situation, running, core) => {
      const specs = [...(running ?? '').matchAll(/`([\w/-]+\.spec\.ts)`/g)].map(([, name]) => name ?? '')
      expect(specs, `a spec for «${situation}»`).not.toEqual([])
      for (const name of specs) expect(() => readFileSync(join(root, '__test__', name))).not.toThrow()
      const tests = [...(core ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name ?? '')
      expect(tests, `a test for «${situation}»`).not.toEqual([])
      for (const name of tests) expect(rust).toContain(`fn ${name}(`)
    },
  )
})
