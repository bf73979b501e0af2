/** A run as a table for a terminal: one line for each way, a column for each figure that matters most. */
import stringWidth from 'string-width'
import { type Conditions, type MeasureName, type Results, type Row, roundsText } from './results.js'
import { added, count, digits, type Spread, scaled, spreadText } from './spread.js'

/** A column: where its figure is found in a run. */
export interface Column {
  readonly title: string
  readonly measure: MeasureName
  readonly conditions: Conditions
  readonly figure: (row: Row) => Spread | undefined
  readonly format: (value: number) => string
}

/** The table, with what it is worth and what is missing below. */
export function tableOf(results: Results): string {
  const blocks = [
    ...blocksFor(results).map((columns) => blockOf(results, columns)),
    ...networkBlocks(results),
  ]
  const missing = results.notMeasured.map(({ what, why }) => `Not measured: ${what} (${why}).`)
  const { machine, secs } = results
  const about = [
    `Median [least–most] of ${roundsText(results)}, ${secs.toFixed(0)} s on ${machine.cpu}, ${machine.coreCount} cores, Node ${machine.node}; load before it ${machine.loadAverage.toFixed(2)}.`,
    'Servers and generator share the machine; compare the lines with each other, not with those of another machine.',
  ]
  return `${[...blocks, [...missing, ...about].join('\n')].join('\n\n')}\n`
}

function blocksFor({ rows }: Results): Column[][] {
  const first = (measure: MeasureName): Conditions =>
    rows.find((row) => row.measure === measure && row.conditions.qos !== 1)?.conditions ?? {}
  const sizes = rows.filter(({ measure }) => measure === 'message')
  const payload = Math.max(0, ...sizes.slice(0, 2).map(({ conditions }) => Number(conditions.payloadBytes)))
  const message = { qos: 0, payloadBytes: payload, topicBytes: sizes[0]?.conditions.topicBytes ?? 0 }
  const echo = first('echo')
  const latency = first('latency')
  const fanOut = first('fanOut')
  const reconnect = { roundTripMs: first('reconnect').roundTripMs ?? 0 }
  const both = (one: string, other: string) => (row: Row) => added(row.figures[one], row.figures[other])
  return [
    [
      {
        title: 'connect, B',
        measure: 'connecting',
        conditions: {},
        figure: both('publisherUp', 'publisherDown'),
        format: (value) => value.toFixed(0),
      },
      {
        title: `publish ${payload} B`,
        measure: 'message',
        conditions: message,
        figure: ({ figures }) => figures.publisherUp,
        format: digits,
      },
      {
        title: 'deliver',
        measure: 'message',
        conditions: message,
        figure: ({ figures }) => figures.subscriberDown,
        format: digits,
      },
      {
        title: `again, ms (RTT ${reconnect.roundTripMs})`,
        measure: 'reconnect',
        conditions: reconnect,
        figure: ({ figures }) => figures.resumedMs,
        format: (value) => value.toFixed(0),
      },
    ],
    [
      {
        title: 'echo p50 ms',
        measure: 'echo',
        conditions: echo,
        figure: ({ figures }) => figures.p50,
        format: digits,
      },
      {
        title: `p50 ms at ${latency.ratePerSec}/s`,
        measure: 'latency',
        conditions: latency,
        figure: ({ figures }) => figures.p50,
        format: digits,
      },
      {
        title: 'p99',
        measure: 'latency',
        conditions: latency,
        figure: ({ figures }) => figures.p99,
        format: digits,
      },
      {
        title: 'CPU µs/msg',
        measure: 'latency',
        conditions: latency,
        figure: ({ figures }) => figures.cpuMicros,
        format: digits,
      },
      {
        title: 'most msg/s',
        measure: 'throughput',
        conditions: { qos: 0 },
        figure: ({ figures }) => figures.perSecond,
        format: count,
      },
      {
        title: 'CPU µs/msg',
        measure: 'throughput',
        conditions: { qos: 0 },
        figure: ({ figures }) => figures.cpuMicros,
        format: digits,
      },
    ],
    [
      {
        title: `1 to ${fanOut.subscribers}, deliveries/s`,
        measure: 'fanOut',
        conditions: fanOut,
        figure: ({ figures }) => figures.perSecond,
        format: count,
      },
      {
        title: 'CPU µs each',
        measure: 'fanOut',
        conditions: fanOut,
        figure: ({ figures }) => figures.cpuMicros,
        format: digits,
      },
      {
        title: 'KiB/connection',
        measure: 'memory',
        conditions: {},
        figure: ({ figures }) => scaled(figures.bytesPerConnection, 1 / 1024),
        format: digits,
      },
    ],
  ]
}

/** Through each network, a line for each way and QoS: what became of so many messages. */
function networkBlocks({ ways, rows }: Results): string[] {
  const found = rows.filter(({ measure }) => measure === 'network')
  const names = [...new Set(found.map(({ conditions }) => String(conditions.network)))]
  return names.map((network) => {
    const here = found.filter(({ conditions }) => conditions.network === network)
    const lines = ways.flatMap(({ id, name }) =>
      here
        .filter((row) => row.way === id)
        .map(({ conditions, figures }) => [
          `${name}, QoS ${conditions.qos}`,
          ...['lost', 'doubled', 'late', 'p50'].map((figure) =>
            spreadText(figures[figure], (value) => value.toFixed(0)),
          ),
        ]),
    )
    const title = `${network}, of ${here[0]?.conditions.messages} messages`
    return aligned([[title, 'lost', 'doubled', 'late', 'p50 ms'], ...lines])
  })
}

/** A way without any of a block's figures has no line there. */
function blockOf({ ways, rows }: Results, columns: readonly Column[]): string {
  const lines = ways.flatMap(({ id, name }) => {
    const found = columns.map((column) => rowFor(rows, id, column))
    if (found.every((row) => row === undefined)) return []
    const cells = columns.map((column, index) => {
      const row = found[index]
      return row === undefined ? '–' : spreadText(column.figure(row), column.format)
    })
    return [[name, ...cells]]
  })
  return aligned([['', ...columns.map(({ title }) => title)], ...lines])
}

function rowFor(rows: readonly Row[], way: string, { measure, conditions }: Column): Row | undefined {
  return rows.find(
    (row) =>
      row.way === way &&
      row.measure === measure &&
      Object.entries(conditions).every(([key, value]) => row.conditions[key] === value),
  )
}

function aligned(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, column) =>
    Math.max(...lines.map((line) => stringWidth(line[column] ?? ''))),
  )
  return lines
    .map((line) =>
      line
        .map((cell, column) => {
          const pad = ' '.repeat((widths[column] ?? 0) - stringWidth(cell))
          return column === 0 ? cell + pad : pad + cell
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
