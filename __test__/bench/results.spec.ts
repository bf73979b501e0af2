import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporaryDirectory, temporaryFile } from '../support/temporary.js'

/** The bench is plain JavaScript, so nothing of it has a type here. */
const bench = (module: string) => import(new URL(`../../bench/lib/${module}.mjs`, import.meta.url).href)
const { measuring, readResults, recordOf, writeResults } = await bench('results')
const { codecParts, criterionFigures, matchParts, memoryParts, memoryRows, routerParts } =
  await bench('parts')

const setting = {
  options: { repeats: 5, seconds: 3 },
  present: [
    { name: 'topicwire', version: '0.1.0', isOurs: true },
    { name: 'ceiling', version: 'null broker', isCeiling: true },
  ],
  machine: { cpu: 'a CPU' },
  generator: {},
}

describe('a results file', () => {
  it('gives back what was written, the repeats of a figure as a map again', () => {
    const path = join(temporaryDirectory(), 'deeper', 'results.json')
    const row = { broker: 'topicwire', byRepeat: { perSecond: new Map([[0, 5]]) } }
    const record = {
      ...recordOf('loads', setting),
      results: [{ scenario: { name: 'pair' }, summary: [row] }],
    }
    writeResults(path, record)
    const read = readResults(path)
    expect(read).toEqual({ ...record, ours: 'topicwire' })
    expect(read).toMatchObject({ kind: 'loads', ours: 'topicwire', versions: { topicwire: '0.1.0' } })
    expect(read.versions).not.toHaveProperty('ceiling')
  })

  it.each(['{}', 'no JSON', '{"format":99}'])('is not just any file: %s', (contents) => {
    expect(() => readResults(temporaryFile('other.json', contents))).toThrow('other.json')
  })

  it('tells how it was measured, and not where it was put', () => {
    expect(measuring(['--calm', '--json', 'here.json', '--write-docs', '--repeats', '7'])).toEqual([
      '--calm',
      '--repeats',
      '7',
    ])
    expect(measuring(['--json=here.json', '--all'])).toEqual(['--all'])
  })
})

describe('what the benches of the parts have written', () => {
  const ratio = { median: 6, min: 5, max: 7 }

  it('is for the codec the loads that the claim is made of, by version', () => {
    const rows = [
      { load: 'v4-qos0-64', title: '3.1.1, QoS 0', packetsPerChunk: 10, row13: true, ratio },
      { load: 'v4-puback', title: 'PUBACK', packetsPerChunk: 10, row13: false, ratio },
      { load: 'v5-properties', title: '5.0', packetsPerChunk: 1, row13: true, ratio },
    ]
    expect(codecParts(rows, 'v4')).toEqual([{ label: '3.1.1, QoS 0, chunks of 10', value: ratio }])
    expect(codecParts(rows, 'v5')).toEqual([{ label: '5.0, chunks of 1', value: ratio }])
  })

  it('is for the memory of a filter what the bench prints of a million', () => {
    const output = [
      '100 filters, as in the match: 90 B each allocated, 90 B each counted, 450 B each resident',
      'match_hot/100           time:   [50 ns 51 ns 52 ns]',
      '1000000 filters, as in the match: 102 B each allocated, 101 B each counted, 112 B each resident',
      '1000000 filters, exact and long: 157 B each allocated, 157 B each counted, 124 B each resident',
      '10 filters, as in the match: None B each allocated',
    ]
    const rows = memoryRows(output.join('\n'))
    expect(rows).toHaveLength(3)
    expect(memoryParts(rows)).toEqual([
      { label: '1,000,000 filters, as in the match', value: { median: 102, min: 102, max: 102 } },
    ])
  })

  it('is for the router each number of filters, and with criterion the matcher in Rust by qlobber', () => {
    const qlobber = { median: 500, min: 400, max: 600 }
    const rows = [
      { work: 'match', filters: 1_000, nanoseconds: { qlobber }, ratio },
      { work: 'match', filters: 10_000, nanoseconds: { qlobber }, ratio },
      { work: 'change', filters: 1_000, nanoseconds: { qlobber }, ratio },
    ]
    expect(routerParts(rows, 'change')).toEqual([{ label: '1,000 filters', value: ratio }])
    const criterion = new Map([['match_hot/1000', { median: 50, min: 40, max: 100 }]])
    expect(matchParts(rows, criterion)).toEqual([
      { label: '1,000 filters', value: { median: 10, min: 4, max: 15 } },
    ])
  })
})

describe('what criterion has measured', () => {
  it('is found by the id of a benchmark, with its confidence interval', () => {
    const median = { point_estimate: 12, confidence_interval: { lower_bound: 11, upper_bound: 14 } }
    const directory = temporaryDirectory({
      'group_decode/ours/new/benchmark.json': JSON.stringify({ full_id: 'decode/ours' }),
      'group_decode/ours/new/estimates.json': JSON.stringify({ median }),
      'group_decode/ours/base/benchmark.json': JSON.stringify({ full_id: 'decode/old' }),
    })
    const figures = criterionFigures(directory)
    expect([...figures.keys()]).toEqual(['decode/ours'])
    expect(figures.get('decode/ours')).toMatchObject({ median: 12, min: 11, max: 14 })
    expect(criterionFigures(join(directory, 'nowhere'))).toEqual(new Map())
  })
})
