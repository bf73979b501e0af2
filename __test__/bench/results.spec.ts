import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporaryDirectory, temporaryFile } from '../support/temporary.js'

/** The bench is plain JavaScript, so nothing of it has a type here. */
const bench = (module: string) => import(new URL(`../../bench/lib/${module}.mjs`, import.meta.url).href)
const { measuring, readResults, recordOf, writeResults } = await bench('results')
const { criterionFigures, writtenParts } = await bench('parts')

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

describe('what other benches have written', () => {
  it('is put together from all files', () => {
    const value = { median: 6, min: 5, max: 7 }
    const directory = temporaryDirectory({
      'codec.json': JSON.stringify({ 'mqtt-packet 3.1.1': [{ label: 'decode', value }] }),
      'router.json': JSON.stringify({ 'qlobber match': [{ label: '100 filters', value }] }),
      'notes.txt': 'no JSON',
    })
    expect(writtenParts(directory)).toEqual({
      'mqtt-packet 3.1.1': [{ label: 'decode', value }],
      'qlobber match': [{ label: '100 filters', value }],
    })
    expect(writtenParts(join(directory, 'nowhere'))).toEqual({})
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
