/**
 * Who takes part: publishers, subscribers of every kind, clients with wills. All have sessions that outlive the kills.
 * Which of the protocol's versions and habits each has is fixed, so that a failure can be told from its name.
 */
import { LARGEST } from './payload.mjs'

const GROUPS = ['a', 'b', 'c']
const LEAVES = ['0', '1', '2']
/** Topics with a retained message, of each publisher that has some. */
const RETAINED = 6

const topicOf = (group, leaf) => `load/${group}/${leaf}`
const GROUP_TOPICS = GROUPS.flatMap((group) => LEAVES.map((leaf) => topicOf(group, leaf)))
const SLOW_TOPIC = 'load/slow/0'

/**
 * `steady` filters stay; `changing` ones are unsubscribed from and subscribed to again. Those of one client do not
 * overlap. `awayChance`: of not being there in a round. `role` decides what a client does in a round.
 */
export function castFor(versions) {
  const best = Math.max(...versions)
  const subscribers = [
    subscriber('live5', best, { steady: ['load/a/#'], changing: ['load/b/+', 'load/c/0', 'load/c/1'] }),
    subscriber('live4', 4, {
      steady: ['load/b/+'],
      changing: ['load/a/0', 'load/a/2', 'load/c/#'],
      settings: { handsOverAtRelease: true },
    }),
    subscriber('lower', best, { steady: ['load/c/+'], changing: ['load/a/1'], settings: { qos: 1 } }),
    subscriber('away5', best, {
      steady: ['load/a/+', 'load/c/#'],
      changing: ['load/b/2'],
      awayChance: 0.7,
      settings: { handsOverAtRelease: true },
    }),
    subscriber('away4', 4, { steady: ['load/b/#'], changing: ['load/a/+'], awayChance: 0.7 }),
    subscriber('slow', best, { steady: [SLOW_TOPIC], changing: [], receiveMaximum: 1, slowMs: 8 }),
    // Its session is ended now and then, and begun again.
    subscriber('fickle', best, {
      role: best === 5 ? 'fickle' : 'subscriber',
      steady: ['load/b/1'],
      changing: ['load/c/2'],
      awayChance: 0.2,
    }),
  ]
  return [
    ...subscribers,
    { name: 'monitor', role: 'subscriber', version: best, steady: ['will/#'], changing: [], awayChance: 0.2 },
    publisher('swift5', best, 32),
    publisher('swift4', 4, 32),
    publisher('calm5', best, 4),
    publisher('single4', 4, 1),
    { name: 'prober', role: 'prober', version: best, settings: { window: 16 } },
    willed('willed5', best, [0]),
    willed('willed4', 4, [0]),
    willed('delayed', best, best === 5 ? [1_000, 1_000, 60_000] : [0]),
  ]
}

function subscriber(
  name,
  version,
  { role = 'subscriber', steady, awayChance = 0.1, settings = {}, ...others },
) {
  const mine = [...steady, `own/${name}`]
  const filters = [...mine, ...others.changing]
  const identifiers = new Map(filters.map((filter, index) => [filter, index + 1]))
  return { name, role, version, steady: mine, awayChance, settings: { identifiers, ...settings }, ...others }
}

function publisher(name, version, window) {
  return { name, role: 'publisher', version, awayChance: 0.05, settings: { window } }
}

function willed(name, version, delaysMs) {
  return { name, role: 'willed', version, awayChance: 0.3, delaysMs, settings: {} }
}

/** Every topic that a subscription may ask for. */
export function topicsToProbe(cast) {
  const own = cast.filter(({ role }) => role === 'subscriber' || role === 'fickle')
  return [...GROUP_TOPICS, SLOW_TOPIC, ...own.map(({ name }) => `own/${name}`)]
}

/** What a publisher publishes next. */
export function nextMessage(name, random) {
  const qos = random.pick([1, 2])
  const size = sizeOf(random)
  const kind = random.next()
  if (kind < 0.08) {
    const number = random.between(1, RETAINED)
    // A topic has one publisher and one QoS, so that there is one order.
    const isGone = random.chance(0.15)
    return { topic: `retained/${name}/${number}`, qos: (number % 2) + 1, size, isRetained: true, isGone }
  }
  if (kind < 0.1) return { topic: SLOW_TOPIC, qos, size }
  return { topic: random.pick(GROUP_TOPICS), qos, size }
}

function sizeOf(random) {
  const kind = random.next()
  if (kind < 0.01) return random.between(4_000, LARGEST)
  return kind < 0.15 ? random.between(500, 4_000) : random.between(0, 100)
}
