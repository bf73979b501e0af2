/**
 * The broker is killed and started again on the same directory, and has lost nothing that it had acknowledged. More
 * rounds, other seeds and other brokers: `npm run kill`.
 */
import { describe, expect, test } from 'vitest'

/** The harness is plain JavaScript, so nothing of it has a type here. */
const { runKills } = await import(new URL('../../scripts/kill/run.mjs', import.meta.url).href)

const ROUNDS = 30
const SEED = Number(process.env.TOPICWIRE_SEED ?? Date.now() % 1_000_000)

function rounds(durability: string, count: number) {
  const often = { settleEvery: 6, freshEvery: count }
  return runKills({ broker: 'topicwire', durability, rounds: count, seed: SEED, ...often, isPatient: false })
}

describe('a broker that is killed again and again', { timeout: 600_000 }, () => {
  test.for(['process', 'power'])('keeps all that it has acknowledged (%s)', async (durability) => {
    const total = await rounds(durability, ROUNDS)
    expect(total.first, `TOPICWIRE_SEED=${SEED}, kept in ${total.directory}`).toEqual([])
    expect(total.rounds).toBe(ROUNDS)
    expect(total.counts.acknowledged).toBeGreaterThan(ROUNDS)
  })

  test('does not keep it in memory, and is found out', async () => {
    const { faults } = await rounds('memory', 6)
    expect(faults.session).toBeGreaterThan(0)
  })
})
