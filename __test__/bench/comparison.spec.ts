/** docs/comparison.md is written from a run of `topicwire compare`. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

/** The bench is plain JavaScript, so nothing of it has a type here. */
const bench = (module: string) => import(new URL(`../../bench/lib/${module}.mjs`, import.meta.url).href)
const { comparisonBlocks } = await bench('comparison')
const { repeats } = await bench('repeat')
const { replaceBlocks } = await bench('page')

const page = readFileSync(new URL('../../docs/comparison.md', import.meta.url), 'utf8')
const figure = (median: number, min = median, max = median) => ({ median, min, max })

const results = {
  kind: 'topicwire compare',
  format: 1,
  version: '0.1.0',
  date: '2026-01-02T03:04:05.000Z',
  secs: 600,
  command: 'topicwire compare',
  rounds: 3,
  machine: {
    cpu: 'a CPU',
    coreCount: 2,
    memoryBytes: 2 ** 34,
    system: 'Linux',
    node: 'v20',
    loadAverage: 0.25,
  },
  ways: [
    { id: 'mqtt', name: 'MQTT' },
    { id: 'bare', name: 'bare WebSocket' },
  ],
  rows: [
    ...[16, 128].map((payloadBytes) => ({
      measure: 'message',
      way: 'mqtt',
      conditions: { qos: 1, topicBytes: 16, payloadBytes },
      figures: {
        publisherUp: figure(payloadBytes + 23),
        publisherDown: figure(4),
        subscriberUp: figure(4),
        subscriberDown: figure(payloadBytes + 23),
      },
    })),
    {
      measure: 'latency',
      way: 'bare',
      conditions: { qos: 0, ratePerSec: 1000 },
      figures: { p50: figure(0.25, 0.2, 1.5), p99: figure(2), p999: figure(12.34) },
    },
    {
      measure: 'network',
      way: 'bare',
      conditions: { network: 'mobile', qos: 0, messages: 300 },
      figures: {
        lost: figure(30, 20, 40),
        doubled: figure(0),
        late: figure(0),
        p50: figure(101.4),
        p99: figure(200),
      },
    },
  ],
  notMeasured: [{ what: '/live', why: 'it is not there' }],
}

describe('the figures of docs/comparison.md', () => {
  it('have their place in the page, each block once and all of them filled', () => {
    const blocks = comparisonBlocks(results, results)
    const marks = [...page.matchAll(/<!-- bench:(?!end)([\w-]+) -->/g)].map(([, name]) => name)
    expect(marks).toEqual(Object.keys(blocks))
    // What is written twice is the same as what is written once.
    const written = replaceBlocks(page, blocks)
    expect(replaceBlocks(written, blocks)).toBe(written)
    for (const [, block] of page.matchAll(/<!-- bench:(?!end)[\w-]+ -->\n([\s\S]*?)<!-- bench:end -->/g))
      expect(block).toMatch(/\S/)
  })

  it('have their spread, bytes of both directions, and a dash where there is none', () => {
    const blocks = comparisonBlocks(results, results)
    expect(blocks.machine.replaceAll('\n', ' ')).toContain('3 rounds in 10 minutes on a CPU, 2 cores, 16 GiB')
    expect(blocks.machine.replaceAll('\n', ' ')).toContain('Not measured: /live (it is not there).')
    expect(blocks.messages).toMatch(/\| MQTT, QoS 1 +\| +43 \+ 43 \| +155 \+ 155 \|/)
    expect(blocks.latency).toMatch(/\| bare WebSocket \| +0\.250 \[0\.200–1\.50\] \| +2 \| +12\.3 \| +– \|/)
    expect(blocks.network).toMatch(/\| bare WebSocket, QoS 0 \| 30 \[20–40\] \|/)
  })

  it('are of no other program', () => {
    const other = { ...results, kind: 'loads' }
    expect(() => comparisonBlocks(other, results)).toThrow(/no result of topicwire compare/)
    expect(() => comparisonBlocks(results, other)).toThrow(/no result of topicwire compare/)
  })

  it('repeat where the medians of two runs are no further apart than the wider spread', () => {
    const withLatency = (p50: object) => ({
      ...results,
      rows: results.rows.map((row) =>
        row.measure === 'latency' ? { ...row, figures: { ...row.figures, p50 } } : row,
      ),
    })
    const count = 8 + 3 + 5
    expect(repeats(results, results)).toEqual({ count, apart: [], missing: [] })
    expect(repeats(results, withLatency(figure(1.55, 1.5, 1.6)))).toMatchObject({ count, apart: [] })
    const far = withLatency(figure(1.56, 1.5, 1.6))
    for (const [one, other] of [
      [results, far],
      [far, results],
    ])
      expect(repeats(one, other).apart).toMatchObject([
        { what: 'bare WebSocket: latency qos 0, ratePerSec 1000: p50' },
      ])
    expect(comparisonBlocks(results, far).repeat).toContain(
      '| bare WebSocket: latency qos 0, ratePerSec 1000: p50 | 0.25 [0.2–1.5] | 1.56 [1.5–1.6] |',
    )
  })

  it('without a spread repeat where they read the same', () => {
    const of = (p99: number) => ({
      ...results,
      rows: [{ ...results.rows[2], figures: { p99: figure(p99) } }],
    })
    expect(repeats(of(12.34), of(12.31)).apart).toEqual([])
    expect(repeats(of(12.34), of(12.41)).apart).toHaveLength(1)
    expect(repeats(results, of(1)).missing.length).toBeGreaterThan(0)
  })
})
