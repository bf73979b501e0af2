/** What the values of a device do from message to message. */
import { z } from 'zod'
import { integer, oneOf } from '../../validate.js'
import type { Random } from './random.js'

/** A value in a payload or a topic. */
export type Value = string | number | boolean | null

/** Gives the next value. `now` is the time of day in milliseconds, `elapsedSecs` that of the simulation. */
export type Generator = (now: number, elapsedSecs: number) => Value

const finite = (wanted = 'must be a number') => z.number({ error: wanted }).finite({ error: wanted })
const positive = finite().positive({ error: 'must be more than 0' })
const decimals = integer(0, 12).optional()
const mapping = (keys: string) => ({ error: `must be a mapping with ${keys}` })

const kinds = {
  randomWalk: z.strictObject(
    { start: finite(), step: positive, minimum: finite().optional(), maximum: finite().optional(), decimals },
    mapping('start and step'),
  ),
  uniform: z.strictObject({ minimum: finite(), maximum: finite(), decimals }, mapping('minimum and maximum')),
  sine: z.strictObject(
    {
      mean: finite(),
      amplitude: finite(),
      periodSecs: positive,
      phaseSecs: finite().optional(),
      decimals,
    },
    mapping('mean, amplitude and periodSecs'),
  ),
  counter: z.strictObject(
    { start: finite().optional(), step: finite().optional() },
    mapping('start and step'),
  ),
  timestamp: oneOf(['iso', 'ms', 'secs']),
  choice: z
    .array(
      z.union([z.string(), finite(), z.boolean(), z.null()], {
        error: 'must be text, a number, true, false or null',
      }),
      { error: 'must be a list of values' },
    )
    .min(1, { error: 'must have at least one value' }),
} as const

const KINDS = Object.keys(kinds).join(', ')

/** One value of a device: exactly one of the kinds. */
export const valueSchema = z
  .strictObject(
    {
      randomWalk: kinds.randomWalk.optional(),
      uniform: kinds.uniform.optional(),
      sine: kinds.sine.optional(),
      counter: kinds.counter.optional(),
      timestamp: kinds.timestamp.optional(),
      choice: kinds.choice.optional(),
    },
    { error: `must be a mapping with one of ${KINDS}` },
  )
  .superRefine((value, context) => {
    if (Object.values(value).filter((kind) => kind !== undefined).length !== 1)
      context.addIssue({ code: 'custom', message: `must have exactly one of ${KINDS}` })
    const { minimum = -Infinity, maximum = Infinity } = value.randomWalk ?? value.uniform ?? {}
    if (minimum > maximum)
      context.addIssue({
        code: 'custom',
        message: `has a minimum (${minimum}) above its maximum (${maximum})`,
      })
  })

/** One value of a device, as it stands in the file. */
export type ValueDescription = z.infer<typeof valueSchema>

/** Makes the generator of a value, for one device. */
export function generatorOf(value: ValueDescription, random: Random): Generator {
  if (value.randomWalk !== undefined) return walk(value.randomWalk, random)
  if (value.uniform !== undefined) {
    const { minimum, maximum, decimals: places } = value.uniform
    return () => rounded(minimum + random() * (maximum - minimum), places)
  }
  if (value.sine !== undefined) {
    const { mean, amplitude, periodSecs, phaseSecs = 0, decimals: places } = value.sine
    return (_, elapsedSecs) =>
      rounded(mean + amplitude * Math.sin((2 * Math.PI * (elapsedSecs + phaseSecs)) / periodSecs), places)
  }
  if (value.counter !== undefined) return count(value.counter)
  if (value.timestamp !== undefined) return clock(value.timestamp)
  const choices = value.choice ?? []
  return () => choices[Math.floor(random() * choices.length)] ?? null
}

/** Starts at `start`; each step is up to `step` up or down; the ends stop it. */
function walk(
  { start, step, minimum = -Infinity, maximum = Infinity, decimals: places }: WalkDescription,
  random: Random,
): Generator {
  let current: number | undefined
  return () => {
    if (current === undefined) current = start
    else current += (2 * random() - 1) * step
    current = Math.min(Math.max(current, minimum), maximum)
    return rounded(current, places)
  }
}

type WalkDescription = z.infer<typeof kinds.randomWalk>

function count({ start = 0, step = 1 }: z.infer<typeof kinds.counter>): Generator {
  let next = start
  return () => {
    const current = next
    next += step
    return current
  }
}

function clock(form: z.infer<typeof kinds.timestamp>): Generator {
  if (form === 'iso') return (now) => new Date(now).toISOString()
  return form === 'ms' ? (now) => Math.round(now) : (now) => Math.floor(now / 1_000)
}

function rounded(value: number, places: number | undefined): number {
  return places === undefined ? value : Number(value.toFixed(places))
}
