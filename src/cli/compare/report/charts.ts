/** Which charts a report has, as data; chart.ts draws them. */
import type { MeasureName, Results, Row } from '../results.js'
import { count, digits, type Spread, scaled } from '../spread.js'
import type { Bar, Chart } from './chart.js'

/** A part of the report. */
export interface Section {
  readonly title: string
  readonly text: string
  readonly charts: readonly Chart[]
}

/** Bytes of one message: a whole number, unless messages differ. */
const exact = (value: number) => (Number.isInteger(value) ? String(value) : digits(value))
const whole = (value: number) => (value >= 10_000 ? count(value) : value.toFixed(0))

/** Those that there are figures for. */
export function sectionsOf(results: Results): Section[] {
  const all = [bytes, speed, cpu, fanOut, memory, reconnect, network].map((make) => make(results))
  return all
    .map((section) => ({ ...section, charts: section.charts.filter(({ groups }) => groups.length > 0) }))
    .filter(({ charts }) => charts.length > 0)
}

/** A group for each way that has such rows, with the bars that `barsOf` makes of them. */
function groupsOf(
  { ways, rows }: Results,
  measure: MeasureName,
  barsOf: (row: Row) => Bar[],
  isWanted: (row: Row) => boolean = () => true,
): Chart['groups'] {
  return ways.flatMap(({ id, name }) => {
    const bars = rows
      .filter((row) => row.way === id && row.measure === measure && isWanted(row))
      .flatMap(barsOf)
    return bars.some(({ value }) => value !== undefined) ? [{ label: name, bars }] : []
  })
}

function bytes(results: Results): Section {
  const messages = results.rows.filter(({ measure }) => measure === 'message')
  const shapes = [
    ...new Map(
      messages.map(({ conditions: { payloadBytes, topicBytes } }) => [
        `${payloadBytes}/${topicBytes}`,
        { payloadBytes, topicBytes },
      ]),
    ).values(),
  ]
  return {
    title: 'Bytes on the wire',
    text: 'Counted by a relay between both ends: what TCP carries in both directions, with TLS where it is there, without the headers of TCP and IP. A browser sends more headers with its WebSocket request than the client here.',
    charts: [
      {
        title: 'Connecting, and subscribing to one topic',
        note: 'Both directions, from the first byte to where nothing more comes.',
        unit: 'bytes',
        format: whole,
        groups: groupsOf(results, 'connecting', ({ figures }) => [
          { series: 'to the server', value: figures.subscriberUp },
          { series: 'to the client', value: figures.subscriberDown },
        ]),
      },
      ...shapes.map(
        ({ payloadBytes, topicBytes }): Chart => ({
          title: `One message: payload ${payloadBytes} bytes, topic ${topicBytes} bytes`,
          note: 'What the publisher sends, and what one subscriber is sent, each with the payload; by QoS.',
          unit: 'bytes',
          format: exact,
          groups: groupsOf(
            results,
            'message',
            ({ conditions, figures }) => [
              { series: `QoS ${conditions.qos}: from the publisher`, value: figures.publisherUp },
              { series: `QoS ${conditions.qos}: to the subscriber`, value: figures.subscriberDown },
            ],
            ({ conditions }) =>
              conditions.payloadBytes === payloadBytes &&
              conditions.topicBytes === topicBytes &&
              conditions.qos !== 2,
          ),
        }),
      ),
    ],
  }
}

function speed(results: Results): Section {
  const rates = conditionsOf(results, 'latency', 'ratePerSec')
  return {
    title: 'Speed',
    text: 'One publisher, one subscriber. At a fixed rate each message is due by the clock and measured from when it was due, so that a server that stalls cannot hide it. Servers and the generator share this machine.',
    charts: [
      {
        title: 'There and back',
        note: 'One connection, one message at a time, which the server sends back to the one that sent it: an echo. At QoS 1 the next one waits for the acknowledgement as well.',
        unit: 'milliseconds, logarithmic',
        isLog: true,
        format: digits,
        groups: groupsOf(results, 'echo', ({ conditions, figures }) => [
          { series: `QoS ${conditions.qos}: p50`, value: figures.p50 },
          { series: `QoS ${conditions.qos}: p99`, value: figures.p99 },
        ]),
      },
      ...rates.map(
        (rate): Chart => ({
          title: `Latency at ${rate} messages a second, QoS 0`,
          note: 'From when due to arrived.',
          unit: 'milliseconds, logarithmic',
          isLog: true,
          format: digits,
          groups: groupsOf(
            results,
            'latency',
            ({ figures }) => [
              { series: 'p50', value: figures.p50 },
              { series: 'p99', value: figures.p99 },
              { series: 'p99.9', value: figures.p999 },
            ],
            ({ conditions }) => conditions.ratePerSec === rate && conditions.qos === 0,
          ),
        }),
      ),
      {
        title: 'Most messages a second',
        note: 'QoS 0 with 1,000 messages under way, QoS 1 with 16: what is acknowledged is limited by the round trip. The generator reaches its own limits here too; CPU time says what the server could do.',
        unit: 'messages a second, logarithmic',
        isLog: true,
        format: count,
        groups: groupsOf(results, 'throughput', ({ conditions, figures }) => [
          { series: `QoS ${conditions.qos}`, value: figures.perSecond },
        ]),
      },
    ],
  }
}

function cpu(results: Results): Section {
  const saturated = groupsOf(results, 'throughput', ({ conditions, figures }) => [
    { series: `QoS ${conditions.qos}`, value: figures.cpuMicros },
  ])
  const sparse = groupsOf(
    results,
    'latency',
    ({ conditions, figures }) => [{ series: `at ${conditions.ratePerSec}/s`, value: figures.cpuMicros }],
    ({ conditions }) => conditions.qos === 0,
  )
  return {
    title: 'CPU time of the server',
    text: 'For one message from one publisher to one subscriber: user and system time of the whole server process. When messages come one by one, waking up is most of it; under load many are done at once.',
    charts: [
      {
        title: 'Messages one by one, QoS 0',
        note: 'At the fixed rates above.',
        unit: 'µs a message',
        format: digits,
        groups: sparse,
      },
      {
        title: 'As many as it takes',
        note: 'In the runs for most messages a second.',
        unit: 'µs a message, logarithmic',
        isLog: true,
        format: digits,
        groups: saturated,
      },
    ],
  }
}

function fanOut(results: Results): Section {
  const to = ({ conditions }: Row) => `1 to ${conditions.subscribers}`
  const chart = (title: string, unit: string, figure: string, isLog: boolean): Chart => ({
    title,
    note: '',
    unit,
    isLog,
    format: figure === 'perSecond' ? count : digits,
    groups: groupsOf(results, 'fanOut', (row) => [{ series: to(row), value: row.figures[figure] }]),
  })
  return {
    title: 'One to many',
    text: 'One publisher, and subscribers to its one topic. On a topic URL the publisher is among those that receive.',
    charts: [
      chart('CPU time of the server for each delivery', 'µs', 'cpuMicros', true),
      chart('Deliveries a second', 'a second, logarithmic', 'perSecond', true),
      chart('Until the last subscriber has it', 'milliseconds, logarithmic', 'untilLastMs', true),
    ],
  }
}

function memory(results: Results): Section {
  return {
    title: 'Memory',
    text: 'Resident memory of the server for each further connection with one subscription that does nothing, after collecting garbage. What the system holds for its socket is not in it.',
    charts: [
      {
        title: 'For each idle connection',
        note: '',
        unit: 'KiB',
        format: digits,
        groups: groupsOf(results, 'memory', ({ figures }) => [
          { series: 'KiB', value: scaled(figures.bytesPerConnection, 1 / 1024) },
        ]),
      },
    ],
  }
}

function reconnect(results: Results): Section {
  const found = results.rows.find(({ measure }) => measure === 'reconnect')
  return {
    title: 'Connecting again',
    text: `A subscriber whose line was cut comes back over one with a round trip of ${found?.conditions.roundTripMs} ms. With QoS 1 and a session (MQTT, /live) it then has the ${found?.conditions.missed} messages that it missed; on a topic URL and a bare WebSocket those are gone, and it hears the next one.`,
    charts: [
      {
        title: 'From the first attempt',
        note: '',
        unit: 'milliseconds',
        format: whole,
        groups: groupsOf(results, 'reconnect', ({ figures }) => [
          { series: 'connected', value: figures.connectedMs },
          { series: 'has everything up to the newest message', value: figures.resumedMs },
        ]),
      },
    ],
  }
}

function network(results: Results): Section {
  const names = conditionsOf(results, 'network', 'network')
  const found = results.rows.filter(({ measure }) => measure === 'network')
  return {
    title: 'Bad networks',
    text: 'Publisher and subscriber each behind a proxy that delays, stalls as TCP does when a segment is lost, and cuts. TCP hides loss: messages come late, but come. What a cut takes with it only QoS 1 and 2 send again; QoS 1 may deliver twice, QoS 2 not.',
    charts: names.flatMap((name) => {
      const here = found.filter(({ conditions }) => conditions.network === name)
      const groups = results.ways.flatMap(({ id, name: way }) =>
        here
          .filter((row) => row.way === id)
          .map(({ conditions, figures }) => ({
            label: `${way}, QoS ${conditions.qos}`,
            bars: (['lost', 'doubled', 'late'] as const).map((series) => ({
              series,
              value: percentOf(figures[series], Number(conditions.messages)),
            })),
          })),
      )
      const delays = groups.map(({ label }, index) => {
        const row = orderedBy(results, here)[index]
        return {
          label,
          bars: [
            { series: 'p50', value: row?.figures.p50 },
            { series: 'p99', value: row?.figures.p99 },
          ],
        }
      })
      const isFlawless = groups.every(({ bars }) => bars.every(({ value }) => value?.max === 0))
      return [
        {
          // Without a bar that is longer than nothing there is nothing to see.
          groups: isFlawless ? [] : groups,
          title: `${name}: what became of messages`,
          note: `Of ${here[0]?.conditions.messages} in each round. Late is later than a second.`,
          unit: '%',
          format: (value: number) => `${digits(value)} %`,
        },
        {
          title: `${name}: from when due to arrived`,
          note: isFlawless ? 'All of them arrived, once, within a second.' : 'Of those that arrived.',
          unit: 'milliseconds, logarithmic',
          isLog: true,
          format: whole,
          groups: delays,
        },
      ]
    }),
  }
}

function orderedBy({ ways }: Results, rows: readonly Row[]): Row[] {
  return ways.flatMap(({ id }) => rows.filter((row) => row.way === id))
}

function percentOf(value: Spread | undefined, of: number): Spread | undefined {
  return scaled(value, 100 / of)
}

function conditionsOf({ rows }: Results, measure: MeasureName, name: string): (number | string)[] {
  const found = rows.filter((row) => row.measure === measure).map(({ conditions }) => conditions[name] ?? '')
  return [...new Set(found)]
}
