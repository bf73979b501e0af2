/** What is to happen in a round, by seed. */
import { Client } from './client.mjs'
import { Random } from './random.mjs'

/**
 * `signal` ends the broker `afterMs` after it listens, or at the `count`-th of a `moment`. `killedStarts`: starts before
 * that are killed after so many times the usual length of a start. `isFlood`: only publishers come, and for long, so that
 * queues grow. `isDrain`: nobody publishes, everybody gets what is owed.
 */
export function planOf(seed, round) {
  const random = new Random(`${seed} ${round}`)
  const isFlood = isFloodAt(seed, round)
  const killedStarts = random.chance(0.12)
    ? Array.from({ length: random.between(1, 2) }, () => random.next() * 1.3)
    : []
  const moment = random.chance(0.65) && !isFlood ? random.pick(Client.MOMENTS) : undefined
  const isShort = random.chance(0.2)
  const afterMs = isFlood
    ? random.between(300, 800)
    : isShort
      ? random.between(0, 15)
      : random.between(10, 300)
  return {
    seed,
    round,
    killedStarts,
    moment,
    signal: random.chance(0.1) ? 'SIGTERM' : 'SIGKILL',
    count: countOf(moment, random),
    afterMs: moment === undefined ? afterMs : undefined,
    isFlood,
    isDrain: isFloodAt(seed, round - 1) || (random.chance(0.06) && !isFlood),
  }
}

function isFloodAt(seed, round) {
  return new Random(`${seed} ${round} flood`).chance(0.05)
}

/** Small numbers more often: the beginning of a round is where sessions are resumed. */
function countOf(moment, random) {
  const few = ['connack', 'suback', 'unsuback', 'disconnect sent'].includes(moment)
  return Math.ceil((few ? 12 : 400) * random.next() ** 2)
}
