/**
 * Turns what zod says about a wrong option into one sentence that a person can act on: where it is, what was found,
 * what is wanted and, for an unknown key, the key that was probably meant.
 */
import { z } from 'zod'

/** One thing that is wrong with a value. */
export interface Problem {
  /** The keys that lead to it, from the root. */
  readonly path: readonly PropertyKey[]
  /** A sentence that begins with the place. */
  readonly message: string
}

/** Everything that is wrong with `value`, or its parsed form. */
export function validate<T>(schema: z.ZodType<T>, value: unknown): { data: T } | { problems: Problem[] } {
  const result = schema.safeParse(value)
  if (result.success) return { data: result.data }
  return { problems: result.error.issues.flatMap((issue) => explain(issue, schema)) }
}

/** `limits.maximumPacketSizeBytes`, `listeners[1].port`; the root is `options`. */
export function formatPath(path: readonly PropertyKey[]): string {
  let text = ''
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`
    else text += text === '' ? String(key) : `.${String(key)}`
  }
  return text === '' ? 'options' : text
}

/** A value as it may stand in a message: short, on one line. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value)
  if (Array.isArray(value)) return 'a list'
  if (value === null || typeof value !== 'object') {
    return typeof value === 'function' ? 'a function' : String(value)
  }
  return 'an object'
}

/** An integer with both bounds in its message. */
export function integer(minimum: number, maximum: number): z.ZodType<number> {
  const wanted = `must be a whole number from ${minimum} to ${maximum}`
  return z.custom<number>(
    (value) =>
      typeof value === 'number' && Number.isSafeInteger(value) && value >= minimum && value <= maximum,
    {
      error: (issue) => wanted + butFound(issue.input),
    },
  )
}

/** One of a few words. */
export function oneOf<const T extends readonly [string, ...string[]]>(words: T): z.ZodType<T[number]> {
  const wanted = `must be ${words.map((word) => `'${word}'`).join(' or ')}`
  return z.enum(words, { error: (issue) => wanted + butFound(issue.input) })
}

function butFound(value: unknown): string {
  return value === undefined ? ' and is missing' : `, not ${show(value)}`
}

function explain(issue: z.core.$ZodIssue, schema: z.ZodType): Problem[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...issue.path, key],
      message: unknownKey(issue.path, key, schema),
    }))
  }
  return [{ path: issue.path, message: `${formatPath(issue.path)} ${issue.message}.` }]
}

function unknownKey(parent: readonly PropertyKey[], key: string, schema: z.ZodType): string {
  const said = `${formatPath([...parent, key])} is not a known option`
  const known = knownPaths(schema)
  const here = parent.filter((step) => typeof step === 'string').join('.')
  const siblings = known.filter((path) => path.split('.').slice(0, -1).join('.') === here)
  const sibling = nearest(key, siblings.map(leafOf))
  if (sibling !== undefined) return `${said}. Did you mean ${formatPath([...parent, sibling])}?`
  const elsewhere = nearest(key, known.map(leafOf))
  const path = known.find((candidate) => leafOf(candidate) === elsewhere)
  return path === undefined ? `${said}.` : `${said}. Did you mean ${path}?`
}

function leafOf(path: string): string {
  return path.slice(path.lastIndexOf('.') + 1)
}

/** Every key that a schema knows, as dotted paths; lists add nothing to a path. */
export function knownPaths(schema: z.ZodType, prefix = ''): string[] {
  const inner = unwrap(schema)
  if (!(inner instanceof z.ZodObject)) return []
  return Object.entries(inner.shape).flatMap(([key, child]) => {
    const path = prefix === '' ? key : `${prefix}.${key}`
    return [path, ...knownPaths(child as z.ZodType, path)]
  })
}

function unwrap(schema: unknown): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return unwrap(schema.unwrap())
  if (schema instanceof z.ZodArray) return unwrap(schema.element)
  if (schema instanceof z.ZodUnion)
    return schema.options.map(unwrap).find((one) => one instanceof z.ZodObject)
  if (schema instanceof z.ZodPipe) return unwrap(schema.in)
  return schema
}

/**
 * The candidate that `word` is probably a slip of, or undefined when none is near: at most a third of its letters
 * may be wrong, and case, `-`, `_` do not count.
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const plain = simplify(word)
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(plain.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(plain, simplify(candidate), bestDistance)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

function simplify(word: string): string {
  return word.toLowerCase().replace(/[-_]/g, '')
}

/** Insertions, deletions, replacements and swaps of neighbours between two words; stops counting at `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1]
      let cost = Math.min(
        (last[column] ?? limit) + 1,
        (current[column - 1] ?? limit) + 1,
        (last[column - 1] ?? limit) + (same ? 0 : 1),
      )
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      if (swapped) cost = Math.min(cost, (beforeLast[column - 2] ?? limit) + 1)
      current.push(cost)
    }
    beforeLast = last
    last = current
  }
  return last[b.length] ?? limit
}
