import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { defaultLimits, limitRanges, limitsSchema } from '../src/limits.js'

const source = readFileSync(new URL('../src/limits.ts', import.meta.url), 'utf8')
/** Each property of `interface Limits` with its comment. */
const documented = new Map(
  [...source.matchAll(/\/\*\*([^/]*(?:\/[^*/][^/]*)*)\*\/\s+readonly (\w+): (?:number|\w+Policy)/g)].map(
    ([, comment, name]) => [name, comment ?? ''],
  ),
)

describe('docs/limits.md', () => {
  const page = readFileSync(new URL('../docs/limits.md', import.meta.url), 'utf8')
  const rows = [...page.matchAll(/^\| `(\w+)` \| (\w+) \| (.+?) \|/gm)].map((row) => row.slice(1))

  it('lists every limit with its default and its range', () => {
    const expected = Object.entries(limitRanges).map(([name, range]) => [
      name,
      `${range.default}`,
      `${range.minimum} to ${range.maximum}`,
    ])
    const policies = [
      ['receiveMaximumPolicy', 'strict', 'strict, tolerant'],
      ['queueFullPolicy', 'reject', 'reject, dropNewest, dropOldest'],
    ]
    expect(new Set(rows.map(String))).toEqual(new Set([...expected, ...policies].map(String)))
  })
})

describe('the table of limits', () => {
  it.each(Object.entries(limitRanges))(
    '%s accepts its default and both ends of its range, and nothing beyond',
    (name, range) => {
      const accepts = (value: number) => limitsSchema.safeParse({ [name]: value }).success
      for (const value of [range.default, range.minimum, range.maximum])
        expect(accepts(value), `${value}`).toBe(true)
      for (const value of [range.minimum - 1, range.maximum + 1, range.minimum + 0.5, Number.NaN]) {
        expect(accepts(value), `${value}`).toBe(false)
      }
    },
  )

  it.each(Object.entries(defaultLimits))('%s says its default in its comment', (name, value) => {
    const said = /Default (?:'(\w+)'|(\d+))/.exec(documented.get(name) ?? '')
    expect(said?.[1] ?? said?.[2]).toBe(String(value))
  })
})
