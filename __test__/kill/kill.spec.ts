/**
 * The broker is killed and started again on the same directory, and has lost nothing that it had acknowledged. More
 * rounds, other seeds and other brokers: `npm run kill`.
 */
import { describe, expect, test } from 'vitest'

/** The harness is plain JavaScript, so nothing of it has a type here. */
const { runKills } = await import(new URL('../../scripts/kill/run.mjs', import.meta.url).href)

const SEED = Number(process.env.TOPICWIRE_SEED ?? Date.now() % 1_000_000)

function rounds(durability: string, count: number) {
  const often = { settleEvery: 6, freshEvery: count }
  return runKills({ broker: 'topicwire', durability, rounds: count, seed: SEED, ...often, isPatient: false })
}

const modes = [
  { durability: 'process', count: 30 },
  // What it does besides is for the tests of the store, which cut the power.
  { durability: 'power', count: 10 },
]

// Each start is a process of its own, which takes its time on a busy machine.
describe('a broker that is killed again and again', { timeout: 1_200_000 }, () => {
  test.for(modes)('keeps all that it has acknowledged ($durability)', async ({ durability, count }) => {
    const total = await rounds(durability, count)
    expect(total.first, `TOPICWIRE_SEED=${SEED}, kept in ${total.directory}`).toEqual([])
    expect(total.rounds).toBe(count)
    expect(total.counts.acknowledged).toBeGreaterThan(count)
  })

  test('does not keep it in memory, and is found out', async () => {
    const { faults } = await rounds('memory', 6)
    expect(faults.session).toBeGreaterThan(0)
  })
})
