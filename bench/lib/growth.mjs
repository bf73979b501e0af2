/** How cost grows: tables and charts of the runs of bench/growth.mjs, whose scenarios carry a `curve` and an `x`. */
import { lines } from './charts.mjs'
import { count, micros, withSpread } from './format.mjs'
import { brokersOf, machineText, picture, voidText, wrap } from './page.mjs'
import { summariesOf } from './results.mjs'
import { grid } from './table.mjs'

/** The curves by the name that scenarios give them; each chart and table of a curve shows one figure. */
export const curves = {
  clients: {
    title: 'More clients, saturated',
    x: 'clients, half of them publish',
    shows: [
      { name: 'growth-clients', y: 'deliveries a second', figure: 'perSecond', format: count, isLogY: true },
      { name: 'growth-clients-cpu', y: 'CPU µs for each delivery', figure: 'cpuMicros', format: micros },
    ],
  },
  'clients-fixed': {
    title: 'More clients, 20 k msg/s in all',
    x: 'clients, half of them publish',
    shows: [
      { name: 'growth-clients-fixed', y: 'CPU µs for each delivery', figure: 'cpuMicros', format: micros },
    ],
  },
  subscriptions: {
    title: 'One pair beside more subscriptions, saturated',
    x: 'subscriptions that do not match',
    shows: [
      {
        name: 'growth-subscriptions',
        y: 'deliveries a second',
        figure: 'perSecond',
        format: count,
        isLogY: true,
      },
      {
        name: 'growth-subscriptions-cpu',
        y: 'CPU µs for each delivery',
        figure: 'cpuMicros',
        format: micros,
      },
    ],
  },
}

/** A cost that is more than so many times that of the curve's cheapest point before it bends upwards. */
export const bendAbove = 1.5

function ofCurve(summaries, curve) {
  return summaries
    .filter(({ scenario }) => scenario.curve === curve)
    .sort((a, b) => a.scenario.x - b.scenario.x)
}

/** The charts of all curves that were measured, by file name. */
export function growthCharts(summaries) {
  const charts = {}
  for (const [curve, { title, x, shows }] of Object.entries(curves)) {
    const points = ofCurve(summaries, curve)
    if (points.length === 0) continue
    for (const { name, y, figure, format, isLogY } of shows) {
      const series = brokersOf(points).map((broker) => ({
        name: broker,
        points: points.flatMap(({ scenario, rows }) => {
          const value = rows.find((row) => row.broker === broker)?.[figure]?.median
          return value === undefined ? [] : [[scenario.x, value]]
        }),
      }))
      charts[name] = lines({ title: `${title}: ${y}`, x, y, series, format, isLogY })
    }
  }
  return charts
}

/** For each curve and broker: by how much a message's CPU time at a point exceeds that of the cheapest before it. */
export function bends(summaries) {
  return Object.keys(curves).flatMap((curve) => {
    const points = ofCurve(summaries, curve)
    return brokersOf(points).flatMap((broker) => {
      let least = Number.POSITIVE_INFINITY
      return points.flatMap(({ scenario, rows }) => {
        const cost = rows.find((row) => row.broker === broker)?.cpuMicros?.median
        if (cost === undefined) return []
        const growth = cost / least
        least = Math.min(least, cost)
        return growth > bendAbove ? [{ curve, broker, x: scenario.x, growth }] : []
      })
    })
  })
}

/** A table for each figure of each curve: a row for each size, a column for each broker. */
export function growthTables(summaries) {
  return Object.entries(curves).flatMap(([curve, { title, x, shows }]) => {
    const points = ofCurve(summaries, curve)
    if (points.length === 0) return []
    const names = brokersOf(points)
    return shows.map(({ name, y, figure, format }) => {
      const rows = points.map(({ scenario, rows: found }) => [
        scenario.x.toLocaleString('en-GB'),
        ...names.map((broker) => withSpread(found.find((row) => row.broker === broker)?.[figure], format)),
      ])
      return { name, heading: `${title}: ${y}`, text: grid([x, ...names], rows) }
    })
  })
}

/** Which curves of ours bend upwards, in sentences, and at how many sizes nobody can tell. */
export function bendText(summaries, ours) {
  const own = bends(summaries).filter(({ broker }) => broker === ours)
  const said = own.map(
    ({ curve, x, growth }) =>
      `${curves[curve].title.toLowerCase()}, at ${x.toLocaleString('en-GB')}: ${growth.toFixed(2)} times`,
  )
  const missing = summaries.filter(
    ({ rows }) => rows.find((row) => row.broker === ours)?.cpuMicros === undefined,
  )
  return [
    own.length === 0
      ? `No curve of ${ours} bends upwards: a message costs at no size ${bendAbove} times what it cost at a smaller one.`
      : `Where a message of ${ours} costs more than ${bendAbove} times what it cost at a smaller size: ${said.join('; ')}.`,
    ...(missing.length === 0
      ? []
      : [`Without a figure: ${missing.map(({ scenario }) => scenario.title).join('; ')}.`]),
  ].join(' ')
}

/** The part of docs/performance.md. */
export function growthBlock(record, charts) {
  const summaries = summariesOf(record)
  const tables = growthTables(summaries).flatMap(({ name, heading, text }) => [
    `${heading}:`,
    text,
    ...picture(charts, name),
  ])
  return [
    machineText(record, summaries),
    ...tables,
    wrap(bendText(summaries, record.ours)),
    voidText(summaries),
  ].join('\n\n')
}
