/** One chart over time, drawn by uPlot, with its last values as text beside it. */
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import UPlot from 'uplot'

/** A line of a chart. `color` is the number of a custom property of the style sheet. */
export interface Line<Point> {
  readonly name: string
  readonly color: 1 | 2 | 3
  readonly value: (point: Point) => number | undefined
}

interface ChartProps<Point> {
  readonly title: string
  readonly lines: readonly Line<Point>[]
  readonly points: readonly Point[]
  /** Of the last point: it is drawn again when this changes. */
  readonly lastMs: number
  readonly timeOf: (point: Point) => number
  readonly format: (value: number) => string
}

const HEIGHT_PX = 180
const SPAN_S = 300
const LEAST_SPAN_S = 60

export function Chart<Point>({ title, lines, points, lastMs, timeOf, format }: ChartProps<Point>) {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<UPlot>(undefined)
  useLayoutEffect(() => {
    const element = place.current
    if (element === null) return
    const make = () => {
      plot.current?.destroy()
      plot.current = new UPlot(optionsOf(element, lines, format), [[]], element)
      plot.current.setData(dataOf(lines, points, timeOf))
    }
    make()
    const observer = new ResizeObserver(() =>
      plot.current?.setSize({ width: Math.max(200, element.clientWidth), height: HEIGHT_PX }),
    )
    observer.observe(element)
    // Colours are read from the style sheet, once.
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    scheme.addEventListener('change', make)
    return () => {
      scheme.removeEventListener('change', make)
      observer.disconnect()
      plot.current?.destroy()
    }
  }, [])
  useEffect(() => plot.current?.setData(dataOf(lines, points, timeOf)), [lastMs])
  const last = points.at(-1)
  return (
    <figure class="chart">
      <figcaption>
        <h2>{title}</h2>
        <dl class="legend">
          {lines.map(({ name, color, value }) => {
            const now = last === undefined ? undefined : value(last)
            return (
              <div key={name}>
                <dt>
                  <span class={`swatch of-${color}`} aria-hidden="true" />
                  {name}
                </dt>
                <dd>{now === undefined ? '–' : format(now)}</dd>
              </div>
            )
          })}
        </dl>
      </figcaption>
      <div ref={place} class="plot" aria-hidden="true" />
    </figure>
  )
}

function dataOf<Point>(
  lines: readonly Line<Point>[],
  points: readonly Point[],
  timeOf: (point: Point) => number,
): UPlot.AlignedData {
  return [
    points.map((point) => timeOf(point) / 1000),
    ...lines.map(({ value }) => points.map((point) => value(point) ?? null)),
  ] as UPlot.AlignedData
}

function optionsOf<Point>(
  element: HTMLElement,
  lines: readonly Line<Point>[],
  format: (value: number) => string,
): UPlot.Options {
  const style = getComputedStyle(element)
  const color = (name: string) => style.getPropertyValue(name).trim()
  const axis = {
    stroke: color('--quiet'),
    font: `11px ${style.fontFamily}`,
    grid: { stroke: color('--line'), width: 1 },
    ticks: { show: false },
  }
  return {
    width: Math.max(200, element.clientWidth),
    height: HEIGHT_PX,
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { range: (_, from, to) => [Math.max(to - SPAN_S, Math.min(from, to - LEAST_SPAN_S)), to] },
      y: { range: (_, _from, to) => [0, Math.max(1, (to ?? 0) * 1.15)] },
    },
    axes: [
      { ...axis, values: (_, splits) => splits.map((at) => timeOf(at)), space: 70, size: 26 },
      { ...axis, values: (_, splits) => splits.map(format), size: 58, space: 34 },
    ],
    series: [
      {},
      ...lines.map(({ name, color: number }) => ({
        label: name,
        stroke: color(`--chart-${number}`),
        width: 1.5,
        points: { show: false },
      })),
    ],
  }
}

function timeOf(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString(undefined, {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hour12: false,
  })
}
