/** Bars that lie, with their spread, as SVG. Colours are variables of the page's style, so that it can be light or dark. */
import type { Spread } from '../spread.js'

/** One bar. */
export interface Bar {
  readonly series: string
  readonly value: Spread | undefined
}

export interface Chart {
  readonly title: string
  /** How to read it, in a sentence or two. */
  readonly note: string
  /** Of the axis. */
  readonly unit: string
  readonly isLog?: boolean
  readonly format: (value: number) => string
  /** A group of bars for each, from the top. */
  readonly groups: readonly { readonly label: string; readonly bars: readonly Bar[] }[]
}

const WIDTH = 860
const LABEL_WIDTH = 200
const RIGHT = 80
const BAR = 13
const GAP = 10
const TOP = 26
const PLOT = WIDTH - LABEL_WIDTH - RIGHT

/** Those that have a figure at all. */
export function seriesOf({ groups }: Chart): string[] {
  return [
    ...new Set(
      groups.flatMap(({ bars }) =>
        bars.filter(({ value }) => value !== undefined).map(({ series }) => series),
      ),
    ),
  ]
}

/** The picture, with a description for those who do not see it. */
export function svgOf(chart: Chart): string {
  const series = seriesOf(chart)
  const groups = chart.groups
    .map(({ label, bars }) => ({ label, bars: bars.filter(({ value }) => value !== undefined) }))
    .filter(({ bars }) => bars.length > 0)
  const scale = scaleOf(
    groups.flatMap(({ bars }) => bars.flatMap(({ value }) => (value === undefined ? [] : [value]))),
    chart.isLog === true,
  )
  const parts: string[] = []
  let y = TOP
  for (const { label, bars } of groups) {
    const height = bars.length * BAR
    parts.push(text(LABEL_WIDTH - 10, y + height / 2 + 4, label, 'end', 'name'))
    for (const { series: name, value } of bars) {
      if (value !== undefined) parts.push(barOf(scale, y, series.indexOf(name), value, chart.format))
      y += BAR
    }
    y += GAP
  }
  const lines = scale.ticks.map((tick) => {
    const x = LABEL_WIDTH + scale.at(tick)
    return `<line class="grid" x1="${x}" x2="${x}" y1="${TOP - 6}" y2="${y - GAP / 2}"/>${text(x, TOP - 12, chart.format(tick), 'middle', 'tick')}`
  })
  const words = groups.map(
    ({ label, bars }) =>
      `${label}: ${bars.map(({ series: name, value }) => `${name} ${value === undefined ? '' : chart.format(value.median)}`).join(', ')}`,
  )
  return [
    `<svg role="img" viewBox="0 0 ${WIDTH} ${y}" xmlns="http://www.w3.org/2000/svg">`,
    `<title>${escaped(chart.title)}</title><desc>${escaped(`${chart.unit}. ${words.join('. ')}`)}</desc>`,
    ...lines,
    ...parts,
    '</svg>',
  ].join('\n')
}

/** The names of the series with their colours; none where there is one series alone. */
export function legendOf(chart: Chart): string {
  const series = seriesOf(chart)
  if (series.length < 2) return ''
  const items = series.map((name, index) => `<span><i class="s${index % 5}"></i>${escaped(name)}</span>`)
  return `<p class="legend">${items.join('')}</p>`
}

export function escaped(value: string): string {
  return value
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}

interface Scale {
  at(value: number): number
  readonly ticks: readonly number[]
}

function barOf(scale: Scale, y: number, index: number, value: Spread, format: Chart['format']): string {
  const [end, low, high] = [value.median, value.min, value.max].map((one) => scale.at(one))
  const middle = y + (BAR - 2) / 2
  const x = (offset = 0) => (LABEL_WIDTH + offset).toFixed(1)
  const whisker =
    value.min === value.max
      ? ''
      : `<path class="spread" d="M${x(low)} ${middle}H${x(high)}M${x(low)} ${middle - 3}v6M${x(high)} ${middle - 3}v6"/>`
  const label = text(
    LABEL_WIDTH + Math.max(end ?? 0, high ?? 0) + 6,
    y + BAR - 3,
    format(value.median),
    'start',
    'value',
  )
  return `<rect class="s${index % 5}" x="${LABEL_WIDTH}" y="${y}" width="${Math.max(1, end ?? 0).toFixed(1)}" height="${BAR - 2}" rx="2"/>${whisker}${label}`
}

function scaleOf(values: readonly Spread[], isLog: boolean): Scale {
  const most = Math.max(...values.map(({ max }) => max), 0)
  if (!isLog || most <= 0) {
    const step = niceStep(most)
    const top = Math.max(step, Math.ceil(most / step) * step)
    const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step)
    return { at: (value) => (Math.max(0, value) / top) * PLOT, ticks }
  }
  const least = Math.min(...values.flatMap(({ min }) => (min > 0 ? [min] : [])))
  const from = Math.floor(Math.log10(least / 1.2))
  const to = Math.max(from + 1, Math.ceil(Math.log10(most)))
  const ticks = Array.from({ length: to - from + 1 }, (_, index) => 10 ** (from + index))
  const at = (value: number) => (value <= 0 ? 0 : ((Math.log10(value) - from) / (to - from)) * PLOT)
  return { at, ticks }
}

/** For four to eight lines. */
function niceStep(most: number): number {
  if (most <= 0) return 1
  const rough = most / 6
  const power = 10 ** Math.floor(Math.log10(rough))
  const factor = [1, 2, 5, 10].find((one) => one * power >= rough) ?? 10
  return factor * power
}

function text(x: number, y: number, value: string, anchor: string, kind: string): string {
  return `<text class="${kind}" x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escaped(value)}</text>`
}
