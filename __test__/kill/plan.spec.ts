import { describe, expect, it } from 'vitest'

/** The harness is plain JavaScript, so nothing of it has a type here. */
const harness = (module: string) => import(new URL(`../../scripts/kill/${module}.mjs`, import.meta.url).href)
const { planOf } = await harness('plan')
const { Client } = await harness('client')
const { payloadOf, readPayload } = await harness('payload')
const { matches } = await harness('subscription')

interface Plan {
  readonly signal: string
  readonly moment?: string
  readonly killedStarts: readonly number[]
  readonly isFlood: boolean
  readonly isDrain: boolean
}

const plans: Plan[] = Array.from({ length: 600 }, (_, round) => planOf(7, round + 1))

describe('the plan of a round', () => {
  it('is the same for the same seed', () => {
    expect(planOf(7, 12)).toEqual(planOf(7, 12))
    expect(planOf(7, 12)).not.toEqual(planOf(8, 12))
  })

  it('ends in each way, at each moment, after starts that are killed too', () => {
    expect(new Set(plans.map(({ signal }) => signal))).toEqual(new Set(['SIGKILL', 'SIGTERM']))
    expect(new Set(plans.map(({ moment }) => moment))).toEqual(new Set([undefined, ...Client.MOMENTS]))
    expect(plans.some(({ killedStarts }) => killedStarts.length === 2)).toBe(true)
  })

  it('drains what a flood has filled', () => {
    const floods = [...plans.slice(0, -1).entries()].filter(([, { isFlood }]) => isFlood)
    expect(floods.length).toBeGreaterThan(0)
    expect(floods.every(([index]) => plans[index + 1]?.isDrain)).toBe(true)
  })
})

describe('a payload', () => {
  it('says which message it is, and whether a byte of it is wrong', () => {
    for (const size of [0, 1, 17, 40_000]) {
      const payload: Buffer = payloadOf({ id: 4_711, size })
      expect(readPayload(payload)).toEqual({ id: 4_711, isIntact: true })
      payload.writeUInt8(0, payload.length - 1)
      expect(readPayload(payload).isIntact).toBe(false)
    }
    expect(readPayload(Buffer.alloc(0)).isIntact).toBe(false)
  })
})

describe('a filter of the harness', () => {
  it.for([
    ['a/+', 'a/b', true],
    ['a/+', 'a', false],
    ['a/+', 'a/b/c', false],
    ['a/#', 'a/b/c', true],
    ['a/b', 'a/c', false],
    ['a/b', 'a/b', true],
  ] as const)('%s and %s', ([filter, topic, isMatch]) => {
    expect(matches(filter, topic)).toBe(isMatch)
  })
})
