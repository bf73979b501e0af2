import { describe, expect, it } from 'vitest'

/** The bench is plain JavaScript, so nothing of it has a type here. */
const bench = (module: string) => import(new URL(`../../bench/${module}.mjs`, import.meta.url).href)
const { judge, judgeRecord, verdictCounts, verdictOf, verdictTable } = await bench('lib/verdicts')
const { criterionRatios } = await bench('lib/parts')
const { opponents, targets } = await bench('targets')
const { scenarios } = await bench('scenarios')

interface Check {
  readonly against: string
  readonly verdict: string
  readonly value?: { readonly median: number }
  readonly reason?: string
}

const scenario = { name: 'pair', title: 'one pair', load: {} }
const target = {
  row: 1,
  what: 'messages a second',
  figure: 'perSecond',
  loads: ['pair'],
  better: 'more',
  against: { mosquitto: { must: 12, aim: 25 }, aedes: { must: 20, aim: 40 } },
}

/** A broker's row of a summary, with one value for each repeat. */
function row(broker: string, perSecond: readonly number[], changes = {}) {
  return { broker, voids: [], faults: 0, byRepeat: { perSecond: new Map(perSecond.entries()) }, ...changes }
}

function judged(rows: readonly object[], wanted: object = target): Check[] {
  const results = [{ scenario, rows }]
  return judge(
    { targets: [wanted], opponents },
    { results, scenarios: [scenario], ours: 'topicwire', parts: {} },
  )
}

describe('a verdict', () => {
  it.each([
    ['more', 25, 'aim'],
    ['more', 24.9, 'must'],
    ['more', 12, 'must'],
    ['more', 11.9, 'missed'],
    ['more', undefined, 'not measured'],
  ])('when %s is better, for %s', (better, value, verdict) => {
    expect(verdictOf({ must: 12, aim: 25, better }, value)).toBe(verdict)
  })

  it.each([
    [0.9, 'aim'],
    [1.1, 'must'],
    [1.11, 'missed'],
  ])('when less is better, for %s', (value, verdict) => {
    expect(verdictOf({ must: 1.1, aim: 0.9, better: 'less' }, value)).toBe(verdict)
  })

  it('is about the ratio within a repeat, and about the best of the settings of an opponent', () => {
    const rows = [row('topicwire', [300, 600]), row('mosquitto', [10, 20]), row('aedes', [10, 20])]
    const [mosquitto, aedes] = judged([...rows, row('aedes-lag-1k', [12, 24])])
    expect(mosquitto).toMatchObject({
      against: 'mosquitto',
      value: { median: 30, min: 30, max: 30 },
      verdict: 'aim',
    })
    expect(aedes).toMatchObject({ against: 'aedes', value: { median: 25 }, verdict: 'must' })
  })

  it('is a miss when a run of ours lost a message, however fast it was', () => {
    const ours = row('topicwire', [300], { voids: ['5 lost'], faults: 1 })
    const [check] = judged([ours, row('mosquitto', [10])])
    expect(check).toMatchObject({ verdict: 'missed', reason: '5 lost' })
    expect(verdictTable([check])).toContain('void: 5 lost')
  })

  it('is none when all runs of the opponent are void, and says why', () => {
    const [check] = judged([row('topicwire', [300]), row('mosquitto', [], { voids: ['7 lost'], faults: 1 })])
    expect(check).toMatchObject({ verdict: 'not measured', reason: '7 lost' })
  })

  it('counts our own load in another scenario, and figures without an opponent', () => {
    const results = [
      { scenario: { ...scenario, name: 'ws' }, rows: [row('topicwire', [50])] },
      { scenario, rows: [row('topicwire', [100])] },
    ]
    const ws = {
      row: 11,
      what: 'messages a second',
      figure: 'perSecond',
      loads: ['ws'],
      better: 'more',
      againstLoad: { name: 'pair', says: 'our own TCP', must: 0.4, aim: 0.8 },
    }
    const both = { results, scenarios: [scenario, { name: 'ws', title: 'ws' }], ours: 'topicwire', parts: {} }
    expect(judge({ targets: [ws], opponents }, both)[0]).toMatchObject({
      value: { median: 0.5 },
      verdict: 'must',
    })

    const alone = { ...both, results: results.slice(0, 1) }
    expect(judge({ targets: [ws], opponents }, alone)[0]).toMatchObject({ verdict: 'not measured' })

    const idle = {
      row: 8,
      what: 'memory',
      figure: 'bytesPerConnection',
      loads: ['pair'],
      better: 'less',
      absolute: { must: 8192, aim: 6144, unit: 'KiB' },
    }
    const bytesPerConnection = { median: 7_168, min: 7_168, max: 7_168 }
    const checks = judged([row('topicwire', [], { bytesPerConnection })], idle)
    expect(checks[0]).toMatchObject({ verdict: 'must' })
    expect(verdictTable(checks)).toContain('| ≤ 8 KiB | ≤ 6 KiB |  7.0 KiB |')
    expect(verdictCounts(checks)).toBe('0 aim, 1 must, 0 missed, 0 not measured')
  })
})

describe('a target of a part', () => {
  const wanted = {
    row: 15,
    what: 'match',
    part: 'qlobber match',
    says: 'qlobber',
    better: 'more',
    must: 2.5,
    aim: 4,
  }
  const partly = (parts: object): Check[] =>
    judge({ targets: [wanted], opponents }, { results: [], scenarios: [], ours: 'topicwire', parts })

  it('is one check for each figure of its bench', () => {
    const figures = [
      { label: '100 filters', value: { median: 5, min: 4, max: 6 } },
      { label: '1,000 filters', value: { median: 3, min: 2, max: 4 } },
    ]
    const checks = partly({ 'qlobber match': figures })
    expect(checks.map(({ verdict }) => verdict)).toEqual(['aim', 'must'])
    expect(verdictTable(checks)).toContain(
      '| 15 | match: 100 filters   | qlobber | ≥ 2.5x | ≥ 4x | 5.00x [4.00x–6.00x] |',
    )
  })

  it('says that its bench has not run', () => {
    expect(verdictTable(partly({}))).toContain('match: its bench has not run')
  })
})

describe('the targets of the product', () => {
  it('name loads and figures that there are', () => {
    const names = scenarios.map(({ name }: { name: string }) => name)
    for (const { loads = [], againstLoad } of targets) {
      expect(names).toEqual(expect.arrayContaining([...loads, ...(againstLoad ? [againstLoad.name] : [])]))
    }
  })

  it('ask more of the aim than of the floor', () => {
    for (const { better, must, aim, against, absolute, againstLoad } of targets) {
      const bounds = [{ must, aim }, absolute, againstLoad, ...Object.values(against ?? {})]
      for (const bound of bounds.filter((entry) => entry?.must !== undefined)) {
        expect(better === 'more' ? bound.aim > bound.must : bound.aim < bound.must).toBe(true)
      }
    }
  })

  it('are not measured where there are no results', () => {
    const checks: Check[] = judgeRecord({ results: [] })
    expect(new Set(checks.map(({ verdict }) => verdict))).toEqual(new Set(['not measured']))
  })
})

describe('criterion', () => {
  it('gives how many times faster ours is, for each form that both have', () => {
    const figures = new Map([
      ['decode/theirs/3.1.1', { median: 100, min: 90, max: 120 }],
      ['decode/ours/3.1.1', { median: 10, min: 9, max: 12 }],
      ['decode/theirs/5.0', { median: 100, min: 90, max: 120 }],
    ])
    expect(criterionRatios(figures, 'decode', 'ours', 'theirs')).toEqual([
      { label: '3.1.1', value: { median: 10, min: 7.5, max: 120 / 9 } },
    ])
  })
})
