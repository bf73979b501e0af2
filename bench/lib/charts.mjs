/**
 * What the charts show, as options of Apache ECharts; bench/lib/draw.mjs makes pictures of them. Nothing here draws, so
 * all of it can be tested as data.
 *
 * The background is left transparent and every colour is of a middle lightness, so that a chart can be read on white and
 * on black pages; a test holds them to that.
 */
import { count, micros, whole } from './format.mjs'

/** Of text and axes. */
export const ink = '#737b85'

/** Of the lines that help the eye. */
const faint = 'rgba(128, 134, 142, 0.3)'

/** By broker; others get those that are left, in turn. */
export const colours = {
  topicwire: '#2f7ddb',
  mosquitto: '#c4691f',
  'mosquitto-nagle': '#a87d00',
  aedes: '#3a8f4d',
  'aedes-lag-1k': '#2e9c8f',
  ceiling: '#737b85',
}
export const otherColours = ['#9a62c9', '#d1495b', '#c2698f']

const text = { color: ink, fontFamily: 'system-ui, sans-serif', fontSize: 12 }
const barPixels = 15

function colourOf(name, index) {
  return colours[name] ?? otherColours[index % otherColours.length]
}

/**
 * Bars that lie, in groups: one group for each of `groups`, in it one bar for each series that has a value there.
 * @param series `{ name, values }`, a value for each group or undefined
 * @returns `{ option, width, height, title, description }` for draw.mjs
 */
export function bars({ title, axis, groups, series, format, isLog = false }) {
  const known = series.filter(({ values }) => values.some((value) => value !== undefined))
  const height = 96 + groups.length * (known.length * barPixels + 14)
  const option = {
    ...base(title, known),
    grid: { left: 36, right: 64, top: 64, bottom: 12, outerBoundsMode: 'same' },
    xAxis: { ...valueAxis(axis, isLog), ...(isLog ? startingAt(floorOf(known)) : {}) },
    yAxis: {
      type: 'category',
      data: groups,
      inverse: true,
      // ECharts reckons a long label narrower than a browser draws it.
      axisLabel: { ...text, width: 280, overflow: 'break' },
      axisTick: { show: false },
      axisLine: { lineStyle: { color: faint } },
    },
    series: known.map(({ name, values }, index) => ({
      type: 'bar',
      name,
      // ECharts knows no undefined: a dash is a bar that is not there.
      data: values.map((value) => value ?? '-'),
      barGap: '10%',
      barCategoryGap: '18%',
      itemStyle: { color: colourOf(name, index) },
      label: {
        ...text,
        fontSize: 10,
        show: true,
        position: 'right',
        formatter: ({ value }) => format(value),
      },
    })),
  }
  const description = known
    .map(({ name, values }) => {
      const said = groups.flatMap((group, at) =>
        values[at] === undefined ? [] : [`${group} ${format(values[at])}`],
      )
      return `${name}: ${said.join(', ')}`
    })
    .join('. ')
  return { option, width: 840, height, title, description: `${axis}. ${description}.` }
}

/**
 * Lines over a growing number.
 * @param series `{ name, points }`, points as pairs of numbers
 */
export function lines({ title, x, y, series, format, isLogX = true, isLogY = false, isTime = false }) {
  const known = series.filter(({ points }) => points.length > 0)
  const option = {
    ...base(title, known),
    grid: { left: 36, right: 48, top: 84, bottom: 34, outerBoundsMode: 'same' },
    xAxis: {
      ...valueAxis(x, isLogX),
      nameLocation: 'middle',
      nameGap: 28,
      min: isTime ? 0 : 'dataMin',
      max: 'dataMax',
    },
    yAxis: {
      ...valueAxis(y, isLogY),
      nameLocation: 'end',
      nameTextStyle: { ...text, align: 'left' },
      min: isLogY ? undefined : 0,
    },
    series: known.map(({ name, points }, index) => ({
      type: 'line',
      name,
      data: points,
      symbol: isTime ? 'none' : 'circle',
      symbolSize: 6,
      lineStyle: { width: 2 },
      itemStyle: { color: colourOf(name, index) },
    })),
  }
  const description = known
    .map(({ name, points }) => {
      const [first, last] = [points[0], points.at(-1)]
      return `${name}: from ${format(first[1])} at ${count(first[0])} to ${format(last[1])} at ${count(last[0])}`
    })
    .join('. ')
  return { option, width: 840, height: 380, title, description: `${y} over ${x}. ${description}.` }
}

function base(title, series) {
  return {
    animation: false,
    backgroundColor: 'transparent',
    title: { text: title, left: 12, top: 8, textStyle: { ...text, fontSize: 15, fontWeight: 600 } },
    legend: {
      left: 8,
      top: 34,
      data: series.map(({ name }) => name),
      textStyle: text,
      itemHeight: 10,
      itemGap: 28,
    },
  }
}

function valueAxis(name, isLog) {
  return {
    type: isLog ? 'log' : 'value',
    name,
    nameLocation: 'middle',
    nameTextStyle: text,
    axisLabel: { ...text, formatter: tick },
    axisLine: { show: false },
    splitLine: { lineStyle: { color: faint } },
  }
}

/** Where a logarithmic axis of bars begins: below the shortest, so that it can be seen. */
function floorOf(series) {
  const shortest = Math.min(...series.flatMap(({ values }) => values.filter((value) => value > 0)))
  return 10 ** Math.floor(Math.log10(shortest / 2))
}

/** Without the second, bars of values below 1 would begin at 1 and run backwards. */
function startingAt(floor) {
  return { min: floor, startValue: floor }
}

/** A number at an axis: short, and without the zeros that a figure would have. */
function tick(value) {
  const [divisor, unit] = value >= 1e6 ? [1e6, ' M'] : value >= 1e3 ? [1e3, ' k'] : [1, '']
  return `${Number((value / divisor).toPrecision(3))}${unit}`
}

/** The charts of a bench run by file name; those whose loads were not in the run are not there. */
export function chartsOf(summaries) {
  const loads = summaries.filter(({ scenario }) => scenario.load !== undefined)
  const saturated = loads.filter(({ scenario }) => scenario.load.rate === undefined)
  const atRate = loads.filter(({ scenario }) => scenario.load.rate !== undefined)
  const [qos0, acknowledged] = [0, 1].map((least) =>
    saturated.filter(({ scenario }) => Math.sign(scenario.load.qos ?? 0) === least),
  )
  const perSecond = { axis: 'deliveries a second (logarithmic)', pick: median('perSecond'), format: count }
  const cpu = { axis: 'µs for each delivery (logarithmic)', pick: median('cpuMicros'), format: micros }
  const charts = {
    'throughput-qos-0': chart('QoS 0, saturated', qos0, { ...perSecond, isLog: true }),
    'throughput-qos-1-and-2': chart('QoS 1 and 2, saturated', acknowledged, { ...perSecond, isLog: true }),
    'cpu-saturated': chart('CPU time of the broker, saturated', saturated, { ...cpu, isLog: true }),
    'cpu-fixed-rate': chart('CPU time of the broker at a fixed rate', atRate, {
      ...cpu,
      axis: 'µs for each delivery',
    }),
    'latency-p50': chart('Latency at a fixed rate: median', atRate, {
      axis: 'µs',
      pick: median('p50'),
      format: whole,
    }),
    'latency-p99': chart('Latency at a fixed rate: p99', atRate, {
      axis: 'µs (logarithmic)',
      pick: median('p99'),
      format: whole,
      isLog: true,
    }),
    memory: chart(
      'Memory for each idle connection',
      summaries.filter(({ scenario }) => scenario.idle !== undefined),
      {
        axis: 'KiB',
        pick: (row) => row.bytesPerConnection && row.bytesPerConnection.median / 1024,
        format: (kibibytes) => kibibytes.toFixed(1),
      },
    ),
  }
  return Object.fromEntries(Object.entries(charts).filter(([, value]) => value !== undefined))
}

function median(figure) {
  return (row) => row[figure]?.median
}

function chart(title, summaries, { axis, pick, format, isLog }) {
  const shown = summaries.filter(({ rows }) => rows.some((row) => pick(row) !== undefined))
  if (shown.length === 0) return undefined
  const names = [...new Set(shown.flatMap(({ rows }) => rows.map((row) => row.broker)))]
  const series = names.map((name) => ({
    name,
    values: shown.map(({ rows }) => rows.filter((row) => row.broker === name).map(pick)[0]),
  }))
  return bars({ title, axis, groups: shown.map(({ scenario }) => scenario.title), series, format, isLog })
}
