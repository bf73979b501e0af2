/** The summary as a table for a terminal, which is also valid Markdown. */

import { disturbedAbove } from './summary.mjs'

/** A scenario and its rows. @returns {string} */
export function table({ scenario, rows }) {
  const columns =
    scenario.idle !== undefined ? idleColumns : scenario.load?.rate === undefined ? saturated : fixedRate
  const lines = [columns.map(([head]) => head), ...rows.map((row) => columns.map(([, cell]) => cell(row)))]
  const widths = columns.map((_, column) => Math.max(...lines.map((line) => line[column].length)))
  const print = (line) =>
    `| ${line.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]) : cell.padStart(widths[at]))).join(' | ')} |`
  const rule = `|${widths.map((width, at) => (at === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  const [head, ...body] = lines.map(print)
  const voids = rows.flatMap((row) =>
    row.voids.map((reason) => `VOID: a run of ${row.broker} does not count: ${reason}`),
  )
  const others = Math.max(0, ...rows.map((row) => row.otherCpu?.max ?? 0))
  const notes = others > disturbedAbove ? [`DISTURBED: others used up to ${percent(others)} of a core`] : []
  return [
    `### ${scenario.title}`,
    '',
    head,
    rule,
    ...body,
    ...[...voids, ...notes].flatMap((line) => ['', line]),
    '',
  ].join('\n')
}

const broker = ['broker', (row) => row.broker]
const cpu = ['CPU µs/msg', (row) => withSpread(row.cpuMicros, micros)]
const other = ['other CPU', (row) => (row.otherCpu === undefined ? '–' : percent(row.otherCpu.max))]

const ourCpu = ['our CPU is', (row) => withSpread(row.cpuRatio, times)]

const saturated = [
  broker,
  ['msgs/s', (row) => withSpread(row.perSecond, thousands)],
  cpu,
  ['msgs/read', (row) => median(row.messagesPerRead, (value) => value.toFixed(value < 10 ? 1 : 0))],
  ['lag', (row) => median(row.lag, thousands)],
  ['broker busy', (row) => median(row.brokerBusy, percent)],
  ['generator busy', (row) => median(row.generatorBusy, percent)],
  other,
  ['our speed is', (row) => withSpread(row.ratio, times)],
  ourCpu,
]

const fixedRate = [
  broker,
  cpu,
  ['p50 µs', (row) => withSpread(row.p50, (value) => value.toFixed(0))],
  ['p99 µs', (row) => withSpread(row.p99, (value) => value.toFixed(0))],
  ['msgs/s', (row) => median(row.perSecond, thousands)],
  other,
  ourCpu,
]

const idleColumns = [
  broker,
  ['KiB/connection', (row) => withSpread(row.bytesPerConnection, (value) => (value / 1024).toFixed(1))],
  ['process MiB', (row) => withSpread(row.residentBytes, mebibytes)],
  ['empty MiB', (row) => withSpread(row.baseBytes, mebibytes)],
  ['connecting s', (row) => withSpread(row.dialSeconds, (value) => value.toFixed(1))],
  ['our memory is', (row) => withSpread(row.ratio, times)],
]

function withSpread(value, format) {
  if (value === undefined) return '–'
  const { median, min, max } = value
  return min === max ? format(median) : `${format(median)} [${format(min)}–${format(max)}]`
}

function median(value, format) {
  return value === undefined ? '–' : format(value.median)
}

function thousands(value) {
  return value >= 999_500 ? `${(value / 1e6).toFixed(2)} M` : `${(value / 1e3).toFixed(1)} k`
}

function micros(value) {
  return value < 10 ? value.toFixed(2) : value.toFixed(1)
}

function times(value) {
  return `${value < 0.1 ? value.toFixed(3) : value < 10 ? value.toFixed(2) : value.toFixed(1)}x`
}

function percent(share) {
  return `${(share * 100).toFixed(0)} %`
}

function mebibytes(bytes) {
  return (bytes / 2 ** 20).toFixed(0)
}
