/** Tables for a terminal, which are also valid Markdown. */
import {
  bytesPerSecond,
  count,
  kibibytes,
  mebibytes,
  medianOf,
  micros,
  percent,
  times,
  whole,
  withSpread,
} from './format.mjs'
import { disturbedAbove, kindOf } from './summary.mjs'

/** Lines of cells below a head; the first column, and those that `left` names, begin on the left. */
export function grid(head, rows, left = []) {
  const lines = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column].length)))
  const isLeft = (column) => column === 0 || left.includes(head[column])
  const print = (line) =>
    `| ${line.map((cell, at) => (isLeft(at) ? cell.padEnd(widths[at]) : cell.padStart(widths[at]))).join(' | ')} |`
  const rule = widths.map((width, at) => `${'-'.repeat(width + 1)}${isLeft(at) ? '-' : ':'}`)
  return [print(head), `|${rule.join('|')}|`, ...rows.map(print)].join('\n')
}

/** A scenario and its rows. @returns {string} */
export function table({ scenario, rows }) {
  const shown = columnsOf(scenario)
  const body = grid(
    shown.map(([head]) => head),
    rows.map((row) => shown.map(([, cell]) => cell(row))),
  )
  return [`### ${scenario.title}`, '', body, ...notes(rows).flatMap((line) => ['', line]), ''].join('\n')
}

/** What has to be known beside the figures: runs that do not count, and a machine that others were using. */
export function notes(rows) {
  const voids = rows.flatMap((row) =>
    row.voids.map((reason) => `VOID: a run of ${row.broker} does not count: ${reason}`),
  )
  const others = Math.max(0, ...rows.map((row) => row.otherCpu?.max ?? 0))
  return others > disturbedAbove
    ? [...voids, `DISTURBED: others used up to ${percent(others)} of a core`]
    : voids
}

function columnsOf(scenario) {
  const kind = kindOf(scenario)
  return kind === 'saturated' && scenario.load.payloadBytes >= 1024 ? saturatedBytes : columns[kind]
}

const broker = ['broker', (row) => row.broker]
const speed = ['msgs/s', (row) => withSpread(row.perSecond, count)]
const cpu = ['CPU µs/msg', (row) => withSpread(row.cpuMicros, micros)]
const other = ['other CPU', (row) => (row.otherCpu === undefined ? '–' : percent(row.otherCpu.max))]
const ourCpu = ['our CPU is', (row) => withSpread(row.cpuRatio, times)]

const saturated = [
  broker,
  speed,
  cpu,
  ['msgs/read', (row) => medianOf(row.messagesPerRead, (value) => value.toFixed(value < 10 ? 1 : 0))],
  ['lag', (row) => medianOf(row.lag, count)],
  ['broker busy', (row) => medianOf(row.brokerBusy, percent)],
  ['generator busy', (row) => medianOf(row.generatorBusy, percent)],
  other,
  ['our speed is', (row) => withSpread(row.ratio, times)],
  ourCpu,
]

const saturatedBytes = saturated.flatMap((column) =>
  column === speed ? [speed, ['payload', (row) => withSpread(row.bytesPerSecond, bytesPerSecond)]] : [column],
)

const fixedRate = [
  broker,
  cpu,
  ['p50 µs', (row) => withSpread(row.p50, whole)],
  ['p99 µs', (row) => withSpread(row.p99, whole)],
  ['msgs/s', (row) => medianOf(row.perSecond, count)],
  other,
  ourCpu,
]

const connects = [
  broker,
  ['connections/s', (row) => withSpread(row.perSecond, count)],
  ['CPU µs each', (row) => withSpread(row.cpuMicros, micros)],
  ['CONNACK p50 µs', (row) => withSpread(row.p50, whole)],
  ['p99 µs', (row) => withSpread(row.p99, whole)],
  ['broker busy', (row) => medianOf(row.brokerBusy, percent)],
  ['generator busy', (row) => medianOf(row.generatorBusy, percent)],
  other,
  ['our speed is', (row) => withSpread(row.ratio, times)],
  ourCpu,
]

const retained = [
  broker,
  speed,
  ['all of them µs', (row) => withSpread(row.answerMicros, whole)],
  ['p99 µs', (row) => withSpread(row.answerP99, whole)],
  cpu,
  ['storing s', (row) => withSpread(row.storeSeconds, (value) => value.toFixed(1))],
  ['process MiB', (row) => withSpread(row.residentBytes, mebibytes)],
  other,
  ['our speed is', (row) => withSpread(row.ratio, times)],
  ourCpu,
]

const idleColumns = [
  broker,
  ['KiB/connection', (row) => withSpread(row.bytesPerConnection, kibibytes)],
  ['process MiB', (row) => withSpread(row.residentBytes, mebibytes)],
  ['empty MiB', (row) => withSpread(row.baseBytes, mebibytes)],
  ['connecting s', (row) => withSpread(row.dialSeconds, (value) => value.toFixed(1))],
  ['our memory is', (row) => withSpread(row.ratio, times)],
]

const columns = { saturated, fixedRate, connects, retained, idle: idleColumns }
