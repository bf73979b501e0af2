/**
 * What an hour under load says: whether the broker's memory is flat, and whether anything was lost. The samples are
 * `{ seconds, residentBytes }` since the load began.
 */
import { lines } from './charts.mjs'
import { count } from './format.mjs'
import { machineText, picture, wrap } from './page.mjs'
import { grid } from './table.mjs'

/** Memory is flat when it rises by less than this share of itself in an hour. */
export const flatBelow = 0.02

/** A second half that is shorter than this says nothing about an hour. */
export const leastSeconds = 600

/** Of each minute its lowest sample: between two garbage collections the heap of a Node process rises and falls. */
export function floors(samples) {
  const lowest = new Map()
  for (const sample of samples) {
    const minute = Math.floor(sample.seconds / 60)
    const known = lowest.get(minute)
    if (known === undefined || sample.residentBytes < known.residentBytes) lowest.set(minute, sample)
  }
  return [...lowest.values()]
}

/**
 * The slope of the memory over the second half, by Theil and Sen: the median of the slopes between all pairs of floors,
 * which a few outliers do not move.
 * @returns `{ kibPerHour, medianBytes, verdict }`; the verdict is `flat`, `rises`, or `too short to say`
 */
export function memoryTrend(samples) {
  const end = samples.at(-1)?.seconds ?? 0
  const half = floors(samples.filter(({ seconds }) => seconds >= end / 2))
  const slopes = half.flatMap((from, at) =>
    half.slice(at + 1).map((to) => (to.residentBytes - from.residentBytes) / (to.seconds - from.seconds)),
  )
  if (slopes.length === 0)
    return { kibPerHour: undefined, medianBytes: undefined, verdict: 'too short to say' }
  const bytesPerHour = medianOf(slopes) * 3600
  const medianBytes = medianOf(half.map(({ residentBytes }) => residentBytes))
  const isFlat = bytesPerHour < flatBelow * medianBytes
  const verdict = end / 2 < leastSeconds ? 'too short to say' : isFlat ? 'flat' : 'rises'
  return { kibPerHour: bytesPerHour / 1024, medianBytes, verdict }
}

function medianOf(values) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1]
}

/** A load's rate by QoS: a fifth of the pairs has QoS 0, two fifths each have QoS 1 and 2 (loadgen/src/churn.rs). */
const shares = [0.2, 0.4, 0.4]

/** The rate that a mixed load reaches, from what each QoS reaches alone: a message costs what it costs there. */
export function mixedRate(rates) {
  return 1 / rates.reduce((sum, rate, qos) => sum + shares[qos] / rate, 0)
}

/** A rate is held when so much of it arrives while it lasts. */
const leastShareOfRate = 0.95

/** What must not have happened, as phrases; none when all is well. What may come again at QoS 1 is not counted here. */
export function soakFaults(report, rate) {
  if (report.error !== undefined) return [report.error]
  const wrong = report.byQos.flatMap(({ qos, tally: { delivered: _, lost, ...others } }) => {
    const faults = qos === 0 ? others : { lost, ...others }
    return Object.entries(faults).map(([name, number]) => [number, `${name} at QoS ${qos}`])
  })
  wrong.push(
    [report.sessionsLost, 'persistent sessions forgotten'],
    [report.sessionsKept, 'clean sessions kept'],
  )
  const isHeld = report.deliveredPerSecond >= rate * leastShareOfRate
  return [
    ...wrong
      .filter(([number]) => number > 0)
      .map(([number, what]) => `${number.toLocaleString('en-GB')} ${what}`),
    ...(isHeld ? [] : [`the rate was not held: ${report.deliveredPerSecond.toFixed(0)} msg/s`]),
  ]
}

/** The memory as a picture. */
export function soakCharts({ soak }) {
  const points = ({ seconds, residentBytes }) => [seconds / 60, residentBytes / 2 ** 20]
  return {
    'soak-memory': lines({
      title: 'Resident memory of the broker under load',
      x: 'minutes',
      y: 'MiB',
      series: [{ name: 'topicwire', points: soak.samples.map(points) }],
      format: (mebibytes) => mebibytes.toFixed(0),
      isLogX: false,
      isTime: true,
    }),
  }
}

/** What came out, as sentences and a table. */
export function soakText({ soak }) {
  const { rate, report, trend, faults, beforeBytes, afterBytes } = soak
  if (report.error !== undefined) return `The run broke off: ${report.error}.`
  const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`
  const rows = report.byQos.map(({ qos, tally, again }) =>
    [qos, tally.delivered, tally.lost, tally.doubled, again, tally.reordered].map((number) =>
      number.toLocaleString('en-GB'),
    ),
  )
  const memory =
    trend.kibPerHour === undefined
      ? 'There are too few samples of the memory.'
      : `Resident memory in the second half: ${mebibytes(trend.medianBytes)}, its slope ${trend.kibPerHour.toFixed(0)} KiB an hour: **${trend.verdict}**.`
  return [
    wrap(
      `${Number((report.seconds / 60).toFixed(1))} minutes at ${count(rate)} messages a second; ${report.leaves.toLocaleString('en-GB')} times a client left and came back.`,
    ),
    grid(['QoS', 'delivered', 'lost', 'doubled', 'again, with a reason', 'out of order'], rows),
    wrap(
      `${memory} With garbage collected it was ${mebibytes(beforeBytes)} before the load and ${mebibytes(afterBytes)} after it.`,
    ),
    faults.length === 0
      ? 'Nothing was lost at QoS 1 and 2, nothing came twice that may not, and every persistent session was kept.'
      : `What must not happen: ${faults.join(', ')}.`,
  ].join('\n\n')
}

/** The part of docs/performance.md. */
export function soakBlock(record, charts) {
  return [machineText(record, []), soakText(record), ...picture(charts, 'soak-memory')].join('\n\n')
}
