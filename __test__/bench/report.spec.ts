import { describe, expect, it } from 'vitest'

/** The bench is plain JavaScript, so nothing of it has a type here. */
const bench = (module: string) => import(new URL(`../../bench/lib/${module}.mjs`, import.meta.url).href)
const { bars, chartsOf, colours, ink, lines, otherColours } = await bench('charts')
const { draw } = await bench('draw')
const { loadBlocks, matrix, partLinks, replaceBlocks, wrap } = await bench('page')
const { bendText, bends, growthCharts, growthTables } = await bench('growth')
const { floors, memoryTrend, mixedRate, soakFaults, soakText } = await bench('soak')
const { count } = await bench('format')

const figure = (median: number) => ({ median, min: median, max: median })

/** A broker's row of a summary. */
function row(broker: string, perSecond: number, changes = {}) {
  return {
    broker,
    voids: [],
    perSecond: figure(perSecond),
    cpuMicros: figure(1e6 / perSecond),
    brokerBusy: figure(1),
    generatorBusy: figure(0.5),
    ...changes,
  }
}

const pair = {
  scenario: { name: 'pair', title: 'one pair', load: {} },
  rows: [row('topicwire', 4e6), row('aedes', 1e5)],
}
const sparse = {
  scenario: { name: 'sparse', title: 'sparse', load: { rate: 20_000 } },
  rows: [row('topicwire', 2e4, { p50: figure(40), p99: figure(900) })],
}
const record = {
  ours: 'topicwire',
  machine: {
    cpu: 'a CPU',
    coreCount: 2,
    memoryBytes: 2 ** 34,
    system: 'Linux',
    node: 'v20.1.0',
    pinned: { broker: 0, generator: 1 },
    loadAverage: 0.5,
    date: '2026-11-22T10:00:00.000Z',
  },
  versions: { topicwire: '0.1.0', mosquitto: '2.0.11', 'mosquitto-nagle': '2.0.11' },
  options: { command: '--calm', repeats: 5, seconds: 3 },
  stealDuringRun: 0.002,
}

describe('the page', () => {
  const page =
    'before\n<!-- bench:loads -->\nold\n<!-- bench:end -->\nbetween\n<!-- bench:soak -->\nkept\n<!-- bench:end -->\n'

  it('gets new figures between its marks and keeps everything else', () => {
    expect(replaceBlocks(page, { loads: 'new\n' })).toBe(page.replace('old', 'new'))
    expect(replaceBlocks(replaceBlocks(page, { loads: 'new' }), { loads: 'old' })).toBe(page)
  })

  it('complains about figures that it has no place for', () => {
    expect(() => replaceBlocks(page, { growth: 'new' })).toThrow('<!-- bench:growth -->')
    expect(() => replaceBlocks('<!-- bench:loads -->', { loads: 'new' })).toThrow()
  })

  it('tells machine, versions, method and figures of a run', () => {
    const summaries = [pair, sparse]
    const { machine, loads } = loadBlocks(record, summaries, [], chartsOf(summaries))
    expect(machine.replaceAll('\n', ' ')).toBe(
      'One run of `npm run bench -- --calm` on 22 November 2026. a CPU, 2 cores, 16 GiB, Linux, Node 20.1.0; broker on core 0, ' +
        'generator on core 1; load average 0.5 at the start, steal 0.2 % during the run. topicwire 0.1.0, mosquitto 2.0.11. ' +
        'Medians of 5 repeats of 3 s, in brackets the smallest and the largest.',
    )
    expect(loads).toContain('| one pair |    4.00 M | 100 k |')
    expect(loads).toContain('![QoS 0, saturated](charts/throughput-qos-0.svg)')
    expect(loads).toContain('No message was lost')
    expect(
      wrap(`${'word '.repeat(60)}end`)
        .split('\n')
        .every((line: string) => line.length <= 120),
    ).toBe(true)
  })

  it('links the pages about the parts that there are', () => {
    expect(partLinks((name: string) => name === 'codec.md')).toBe(
      '- [codec.md](codec.md): the codec for JavaScript',
    )
    expect(partLinks(() => false)).toBe('')
  })

  it('names each run that does not count', () => {
    const lossy = { ...pair, rows: [row('topicwire', 4e6, { voids: ['5 lost'] })] }
    expect(loadBlocks(record, [lossy], [], {}).loads).toContain('- one pair, topicwire: 5 lost')
  })

  it('leaves a cell empty where a broker took no part', () => {
    const table = matrix([pair, sparse], (entry: { perSecond: { median: number } }) =>
      count(entry.perSecond.median),
    )
    expect(table).toContain('| sparse   |    20.0 k |     – |')
  })
})

describe('a chart', () => {
  it('has a bar for each broker and load, and begins below the shortest', () => {
    const chart = chartsOf([pair])['throughput-qos-0']
    expect(
      chart.option.series.map(({ name, data }: { name: string; data: number[] }) => [name, data]),
    ).toEqual([
      ['topicwire', [4e6]],
      ['aedes', [1e5]],
    ])
    expect(chart.option.xAxis).toMatchObject({ type: 'log', min: 10_000, startValue: 10_000 })
  })

  it('is only drawn of what was measured', () => {
    expect(Object.keys(chartsOf([pair]))).toEqual(['throughput-qos-0', 'cpu-saturated'])
    expect(Object.keys(chartsOf([sparse]))).toEqual(['cpu-fixed-rate', 'latency-p50', 'latency-p99'])
  })

  it('is an SVG with a title and a description for those who do not see it', () => {
    const series = [{ name: 'a & b', values: [1, undefined] }]
    const svg = draw(
      bars({ title: 'Speed <fast>', axis: 'msgs/s', groups: ['x', 'y'], series, format: String }),
    )
    expect(svg).toMatch(
      /^<svg role="img" [^>]*>\n<title>Speed &lt;fast&gt;<\/title><desc>msgs\/s\. a &amp; b: x 1\.<\/desc>/,
    )
    expect(svg).not.toContain('<desc>msgs/s. a & b')
  })

  it('draws a line through its points, the smallest first', () => {
    const points = [
      [10, 5],
      [100, 7],
    ]
    const chart = lines({
      title: 't',
      x: 'clients',
      y: 'µs',
      series: [{ name: 'topicwire', points }],
      format: String,
    })
    expect(chart.option.series[0].data).toEqual(points)
    expect(chart.description).toBe('µs over clients. topicwire: from 5 at 10.0 to 7 at 100.')
    expect(draw(chart)).toContain('topicwire')
  })

  it('can be read on white and on black', () => {
    for (const colour of [ink, ...Object.values(colours), ...otherColours]) {
      for (const background of ['#ffffff', '#0d1117']) {
        // Three to one is what graphics need; text at this size is held to more.
        expect(contrast(colour as string, background)).toBeGreaterThan(colour === ink ? 4 : 3)
      }
    }
  })
})

describe('growth', () => {
  const point = (x: number, cpuMicros: number) => ({
    scenario: { name: `at-${x}`, title: 't', curve: 'subscriptions', x, load: {} },
    rows: [row('topicwire', 1e6, { cpuMicros: figure(cpuMicros) })],
  })
  const flat = [point(100, 1), point(1_000, 1.2), point(10_000, 1.4)]
  const bent = [point(1_000, 1), point(100, 0.9), point(10_000, 1.8)]

  it('names the sizes at which a message costs half as much again as at a smaller one', () => {
    expect(bends(flat)).toEqual([])
    expect(bendText(flat, 'topicwire')).toContain('No curve of topicwire bends upwards')
    const unknown = { ...point(100_000, 1), rows: [row('topicwire', 1e6, { cpuMicros: undefined })] }
    expect(bendText([...flat, unknown], 'topicwire')).toContain('Without a figure: t.')
    expect(bends(bent)).toEqual([{ curve: 'subscriptions', broker: 'topicwire', x: 10_000, growth: 2 }])
    expect(bendText(bent, 'topicwire')).toContain('at 10,000: 2.00 times')
  })

  it('is drawn and told in the order of size, for the curves that were measured', () => {
    expect(Object.keys(growthCharts(bent))).toEqual(['growth-subscriptions', 'growth-subscriptions-cpu'])
    const [, cpu] = growthTables(bent)
    expect(cpu.text.split('\n').slice(2)).toEqual([
      '| 100                             |      0.90 |',
      '| 1,000                           |      1.00 |',
      '| 10,000                          |      1.80 |',
    ])
  })
})

describe('an hour under load', () => {
  const MEBIBYTE = 2 ** 20
  /** A sample every ten seconds: a saw of 20 MiB, on a base that rises by so much an hour. */
  const samples = (minutes: number, mebibytesPerHour: number) =>
    Array.from({ length: minutes * 6 + 1 }, (_, index) => ({
      seconds: index * 10,
      residentBytes: MEBIBYTE * (100 + (index % 6) * 4 + (mebibytesPerHour * index * 10) / 3600),
    }))

  it('is flat when only the saw of the collector moves', () => {
    expect(memoryTrend(samples(60, 0))).toMatchObject({ kibPerHour: 0, verdict: 'flat' })
    expect(memoryTrend(samples(60, 1)).verdict).toBe('flat')
  })

  it('is seen to rise, by as much as it does', () => {
    const { kibPerHour, verdict } = memoryTrend(samples(60, 5))
    expect(kibPerHour).toBeCloseTo(5 * 1024)
    expect(verdict).toBe('rises')
  })

  it('is not misled by a few outliers, nor by how it began', () => {
    const noisy = samples(60, 0)
    for (const at of [200, 201, 202, 300]) noisy[at] = { seconds: at * 10, residentBytes: 500 * MEBIBYTE }
    for (let at = 0; at < 60; at++) noisy[at] = { seconds: at * 10, residentBytes: at * MEBIBYTE }
    expect(memoryTrend(noisy).verdict).toBe('flat')
  })

  it('says nothing after a few minutes, or without samples', () => {
    expect(memoryTrend(samples(10, 0)).verdict).toBe('too short to say')
    expect(memoryTrend([])).toMatchObject({ kibPerHour: undefined, verdict: 'too short to say' })
    expect(
      floors(samples(2, 0)).map(({ residentBytes }: { residentBytes: number }) => residentBytes / MEBIBYTE),
    ).toEqual([100, 100, 100])
  })

  it('takes a mixed rate that costs as much as its parts', () => {
    expect(mixedRate([100, 100, 100])).toBeCloseTo(100)
    expect(mixedRate([300, 100, 60])).toBeCloseTo(1 / (0.2 / 300 + 0.4 / 100 + 0.4 / 60))
  })

  const none = { delivered: 9, lost: 0, doubled: 0, reordered: 0, corrupt: 0, misrouted: 0 }
  const soaked = (changes: object, ...tallies: object[]) => ({
    byQos: [0, 1, 2].map((qos) => ({ qos, tally: { ...none, ...tallies[qos] }, again: 4 - 2 * qos })),
    sessionsLost: 0,
    sessionsKept: 0,
    leaves: 72_000,
    seconds: 3_600,
    deliveredPerSecond: 1_000,
    ...changes,
  })

  it('allows what the QoS allows, and nothing else', () => {
    expect(soakFaults(soaked({}, { lost: 3 }), 1_000)).toEqual([])
    expect(
      soakFaults(soaked({ sessionsLost: 1 }, {}, { lost: 1 }, { lost: 2, doubled: 1_000 }), 1_000),
    ).toEqual([
      '1 lost at QoS 1',
      '2 lost at QoS 2',
      '1,000 doubled at QoS 2',
      '1 persistent sessions forgotten',
    ])
    expect(soakFaults(soaked({}), 1_100)).toEqual(['the rate was not held: 1000 msg/s'])
    expect(soakFaults({ error: 'the broker closed connection 3' }, 1_000)).toEqual([
      'the broker closed connection 3',
    ])
  })

  it('is told with its counts, its slope and its verdict', () => {
    const report = soaked({})
    const soak = {
      rate: 1_000,
      report,
      samples: samples(60, 0),
      faults: [],
      beforeBytes: 2e8,
      afterBytes: 3e8,
    }
    const text = soakText({ soak: { ...soak, trend: memoryTrend(soak.samples) } })
    expect(text).toContain(
      '60 minutes at 1.00 k messages a second; 72,000 times a client left and came back.',
    )
    expect(text).toContain('| 2   |         9 |    0 |       0 |                    0 |            0 |')
    expect(text).toContain('its slope 0 KiB an hour: **flat**')
    expect(text).toContain('Nothing was lost at QoS 1 and 2')
  })
})

/** Of two colours, by WCAG. */
function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b)
  return (light + 0.05) / (dark + 0.05)
}

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}
