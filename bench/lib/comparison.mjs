/** The blocks of docs/comparison.md, from the JSON of `topicwire compare`. */
import { count, kibibytes, withSpread } from './format.mjs'
import { wrap } from './page.mjs'
import { repeatText } from './repeat.mjs'
import { grid } from './table.mjs'

/**
 * @param again a second run, for how far the first one repeats
 * @throws Error for a file of something else
 */
export function comparisonBlocks(results, again) {
  for (const { kind, format } of [results, again])
    if (kind !== 'topicwire compare' || format !== 1)
      throw new Error('this is no result of topicwire compare')
  return {
    machine: machineText(results),
    connecting: connecting(results),
    messages: messages(results),
    echo: echo(results),
    latency: latency(results),
    throughput: throughput(results),
    'fan-out': fanOut(results),
    memory: memory(results),
    reconnect: reconnect(results),
    network: network(results),
    repeat: repeatText(results, again),
  }
}

function machineText({ machine, rounds, secs, date, command, version, notMeasured }) {
  const times = rounds === 1 ? 'one round' : `${rounds} rounds`
  const memoryGib = (machine.memoryBytes / 2 ** 30).toFixed(0)
  const missing = notMeasured.map(({ what, why }) => ` Not measured: ${what} (${why}).`).join('')
  return wrap(
    `\`${command}\` of topicwire ${version}, ${date.slice(0, 10)}: ${times} in ${(secs / 60).toFixed(0)} minutes on ${machine.cpu}, ${machine.coreCount} cores, ${memoryGib} GiB, ${machine.system}, Node ${machine.node}; load average ${machine.loadAverage.toFixed(2)} before it began.${missing}`,
  )
}

/** The rows of a measure that `isWanted` wants, in the order of the ways. */
function rowsOf({ ways, rows }, measure, isWanted = () => true) {
  return ways.flatMap(({ id, name }) =>
    rows
      .filter((row) => row.measure === measure && row.way === id && isWanted(row.conditions))
      .map((row) => ({ ...row, name })),
  )
}

/** A row for each way, a column for each of `values` of a condition. */
function byCondition(results, measure, condition, columns, isWanted) {
  const rows = rowsOf(results, measure, isWanted)
  const values = distinct(rows.map(({ conditions }) => conditions[condition]))
  const head = values.flatMap((value) => columns.map(({ title }) => title(value)))
  const names = distinct(rows.map(({ name }) => name))
  const lines = names.map((name) => [
    name,
    ...values.flatMap((value) => {
      const row = rows.find((one) => one.name === name && one.conditions[condition] === value)
      return columns.map(({ cell }) => (row === undefined ? '–' : cell(row.figures)))
    }),
  ])
  return grid(['', ...head], lines)
}

function distinct(values) {
  return [...new Set(values)]
}

function figure(name, format) {
  return (figures) => withSpread(figures[name], format)
}

/** Three digits, and none after the point where they would be noise. */
function short(value) {
  if (value >= 99.95 || Number.isInteger(value)) return value.toFixed(0)
  return value.toFixed(value >= 9.995 ? 1 : value >= 0.9995 ? 2 : 3)
}

function connecting(results) {
  const rows = rowsOf(results, 'connecting')
  const columns = [
    ['client to server', 'subscriberUp'],
    ['server to client', 'subscriberDown'],
  ]
  return grid(
    ['', ...columns.map(([title]) => title)],
    rows.map(({ name, figures }) => [name, ...columns.map(([, key]) => withSpread(figures[key], short))]),
  )
}

function messages(results) {
  const rows = rowsOf(results, 'message')
  const shapes = distinct(
    rows.map(({ conditions: { payloadBytes, topicBytes } }) => `${payloadBytes} / ${topicBytes}`),
  )
  const names = distinct(rows.map(({ name, conditions }) => `${name}, QoS ${conditions.qos}`))
  const lines = names.map((name) => [
    name,
    ...shapes.map((shape) => {
      const row = rows.find(
        ({ name: way, conditions: { qos, payloadBytes, topicBytes } }) =>
          `${way}, QoS ${qos}` === name && `${payloadBytes} / ${topicBytes}` === shape,
      )
      if (row === undefined) return '–'
      const { publisherUp, publisherDown, subscriberUp, subscriberDown } = row.figures
      const pair = (one, other) => short(one.median + other.median)
      return `${pair(publisherUp, publisherDown)} + ${pair(subscriberUp, subscriberDown)}`
    }),
  ])
  return grid(['payload / topic, bytes:', ...shapes], lines)
}

function echo(results) {
  return byCondition(results, 'echo', 'qos', [
    { title: (qos) => `QoS ${qos}: p50 ms`, cell: figure('p50', short) },
    { title: () => 'p99', cell: figure('p99', short) },
    { title: () => 'CPU µs', cell: figure('cpuMicros', short) },
  ])
}

function latency(results) {
  return byCondition(
    results,
    'latency',
    'ratePerSec',
    [
      { title: (rate) => `${rate}/s: p50 ms`, cell: figure('p50', short) },
      { title: () => 'p99', cell: figure('p99', short) },
      { title: () => 'p99.9', cell: figure('p999', short) },
      { title: () => 'CPU µs/msg', cell: figure('cpuMicros', short) },
    ],
    ({ qos }) => qos === 0,
  )
}

function throughput(results) {
  return byCondition(results, 'throughput', 'qos', [
    { title: (qos) => `QoS ${qos}: messages a second`, cell: figure('perSecond', count) },
    { title: () => 'CPU µs/msg', cell: figure('cpuMicros', short) },
  ])
}

function fanOut(results) {
  return byCondition(results, 'fanOut', 'subscribers', [
    { title: (subscribers) => `1 to ${subscribers}: CPU µs for each`, cell: figure('cpuMicros', short) },
    { title: () => 'last one, ms', cell: figure('untilLastMs', short) },
  ])
}

function memory(results) {
  const rows = rowsOf(results, 'memory')
  return grid(
    ['', 'KiB for each connection'],
    rows.map(({ name, figures }) => [name, withSpread(figures.bytesPerConnection, kibibytes)]),
  )
}

function reconnect(results) {
  const rows = rowsOf(results, 'reconnect')
  return grid(
    ['', 'connected, ms', 'heard the newest message, ms', 'of those missed'],
    rows.map(({ name, conditions, figures }) => [
      name,
      withSpread(figures.connectedMs, short),
      withSpread(figures.resumedMs, short),
      `${withSpread(figures.caughtUp, short)} of ${conditions.missed}`,
    ]),
  )
}

function network(results) {
  const rows = rowsOf(results, 'network')
  const names = distinct(rows.map(({ conditions }) => conditions.network))
  return names
    .map((name) => {
      const here = rows.filter(({ conditions }) => conditions.network === name)
      const title = `${name}, of ${here[0]?.conditions.messages}`
      return grid(
        [title, 'lost', 'doubled', 'late', 'p50 ms', 'p99 ms'],
        here.map((row) => [
          `${row.name}, QoS ${row.conditions.qos}`,
          ...['lost', 'doubled', 'late', 'p50', 'p99'].map((key) => withSpread(row.figures[key], short)),
        ]),
      )
    })
    .join('\n\n')
}
