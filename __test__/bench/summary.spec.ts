import { describe, expect, it } from 'vitest'

/** The bench is plain JavaScript, so nothing of it has a type here. */
const bench = (module: string) => import(new URL(`../../bench/lib/${module}.mjs`, import.meta.url).href)
const { ratioSpread, spread } = await bench('stats')
const { summarise, voidReason } = await bench('summary')
const { table } = await bench('table')

const brokers = [{ name: 'topicwire', isOurs: true }, { name: 'other' }]
const saturated = { name: 'pair', title: 'one pair', load: {} }

/** A run as the generator reports it, of which only the speed matters. */
function run(broker: string, repeat: number, deliveredPerSecond: number, changes = {}) {
  const report = {
    scenario: { rate: null, subscribers: 1, lagMessages: 20_000 },
    clean: true,
    tally: { delivered: 1, lost: 0 },
    unsent: 0,
    seconds: 1,
    deliveredPerSecond,
    broker: { cpuSeconds: 1, cpuMicrosPerMessage: 1e6 / deliveredPerSecond },
    generator: { busy: 0.5, cpuSeconds: 0.5, messagesPerRead: 3 },
    latencyMicros: null,
    cores: [
      { busy: 1, idle: 0, steal: 0 },
      { busy: 0.5, idle: 0.5, steal: 0 },
    ],
  }
  return { broker, repeat, pinned: { broker: 0, generator: 1 }, report: { ...report, ...changes } }
}

describe('the figures of the bench', () => {
  it('are medians with the smallest and the largest', () => {
    expect(spread([5, 1, 9])).toEqual({ median: 5, min: 1, max: 9 })
    expect(spread([4, 1, 2, 9])).toEqual({ median: 3, min: 1, max: 9 })
    expect(spread([])).toBeUndefined()
  })

  it('form ratios within a repeat, and leave out repeats that one side lacks', () => {
    const ours = new Map([
      [0, 10],
      [1, 40],
      [2, 90],
    ])
    const theirs = new Map([
      [0, 1],
      [1, 2],
    ])
    expect(ratioSpread(ours, theirs)).toEqual({ median: 15, min: 10, max: 20 })
    expect(ratioSpread(ours, new Map())).toBeUndefined()
  })
})

describe('a run', () => {
  it('counts when everything arrived', () => {
    expect(voidReason(run('other', 0, 100))).toBeUndefined()
  })

  it.each([
    [
      { clean: false, tally: { delivered: 10, lost: 1234, doubled: 2, reordered: 0 } },
      '1,234 lost, 2 doubled',
    ],
    [{ clean: false, error: 'the broker closed connection 3' }, 'the broker closed connection 3'],
    [{ unsent: 7 }, '7 messages could not be sent in time'],
    [{ scenario: { rate: 1000, subscribers: 1 } }, 'the rate was not held: 100 msg/s'],
  ])('is void for %j', (changes, reason) => {
    expect(voidReason(run('other', 0, 100, changes))).toBe(reason)
  })
})

describe('the table', () => {
  const lost = { clean: false, tally: { delivered: 1, lost: 5 } }
  const runs = [
    run('topicwire', 0, 3_000_000),
    run('other', 0, 100_000),
    run('topicwire', 1, 5_000_000),
    run('other', 1, 9_000_000, lost),
  ]

  it('leaves void runs out of the medians and the ratios, and says so', () => {
    const summary = summarise(saturated, brokers, runs)
    expect(summary.rows[1].perSecond.max).toBe(100_000)
    expect(summary.rows[1].ratio).toEqual({ median: 30, min: 30, max: 30 })
    const text = table(summary)
    expect(text).toContain('| topicwire | 4.00 M [3.00 M–5.00 M] |')
    expect(text).toContain('VOID: a run of other does not count: 5 lost')
    expect(text).not.toContain('DISTURBED')
  })

  it('names a machine that others were using', () => {
    const cores = [{ busy: 1.4 }, { busy: 0.5 }]
    const text = table(summarise(saturated, brokers, [run('topicwire', 0, 1_000, { cores })]))
    expect(text).toContain('DISTURBED: others used up to 40 % of a core')
  })

  it('has columns of its own for connections and for retained messages', () => {
    const broker = {
      cpuSeconds: 1,
      cpuMicrosPerConnection: 36,
      cpuMicrosPerMessage: 2,
      residentBytes: 2 ** 20,
    }
    const connects = { name: 'connects', title: 'connects', connects: {} }
    const rates = { connectionsPerSecond: 20_000, broker, handshakeMicros: { p50: 400, p99: 900 } }
    const coming = summarise(connects, brokers, [
      run('topicwire', 0, 0, rates),
      run('other', 0, 0, { ...rates, connectionsPerSecond: 5_000 }),
    ])
    expect(coming.rows[1].ratio.median).toBe(4)
    expect(table(coming)).toContain('| topicwire |        20.0 k |        36.0 |            400 |    900 |')

    const retained = { name: 'retained', title: 'retained', retained: {} }
    const answers = { broker, latencyMicros: { p50: 30, p99: 80 }, storeSeconds: 1.5 }
    const kept = summarise(retained, brokers, [run('topicwire', 0, 300_000, answers)])
    expect(kept.rows[0].answerMicros.median).toBe(30)
    expect(table(kept)).toContain(
      '| topicwire |  300 k |             30 |     80 |       2.00 |       1.5 |           1 |',
    )
  })

  it('compares CPU time at a fixed rate, and memory of idle connections by its growth', () => {
    const sparse = { name: 'sparse', title: 'sparse', load: { rate: 100 } }
    const scenario = { rate: 100, subscribers: 1 }
    const half = { scenario, broker: { cpuSeconds: 0.1, cpuMicrosPerMessage: 5 } }
    const whole = { scenario, broker: { cpuSeconds: 0.1, cpuMicrosPerMessage: 10 } }
    const atRate = summarise(sparse, brokers, [run('topicwire', 0, 100, half), run('other', 0, 100, whole)])
    expect(atRate.rows[1].cpuRatio.median).toBe(0.5)

    const steps = (perConnection: number) =>
      [0, 2_000, 10_000].map((count) => ({ connections: count, residentBytes: 50e6 + count * perConnection }))
    const idle = summarise({ name: 'idle', title: 'idle', idle: {} }, brokers, [
      run('topicwire', 0, 0, { steps: steps(4_096), dialSeconds: 1 }),
      run('other', 0, 0, { steps: steps(8_192), dialSeconds: 1 }),
    ])
    expect(idle.rows[0].bytesPerConnection.median).toBe(4_096)
    expect(idle.rows[1].ratio.median).toBe(0.5)
    expect(table(idle)).toContain('KiB/connection')
  })
})
