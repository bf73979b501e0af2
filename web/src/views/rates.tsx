/** How much goes through the broker and how long things take, over the last minutes. */
import type { RatesNow, Status } from '../status.js'
import { useStore } from '../store.js'
import * as words from '../words.js'
import { Chart, type Line } from './chart.js'
import { Unavailable } from './unavailable.js'

interface ChartOf {
  readonly title: string
  readonly lines: readonly Line<RatesNow>[]
  readonly format: (value: number) => string
}

const charts: readonly ChartOf[] = [
  {
    title: 'Messages a second',
    lines: [
      { name: 'in', color: 1, value: ({ messagesInPerSecond }) => messagesInPerSecond },
      { name: 'out', color: 2, value: ({ messagesOutPerSecond }) => messagesOutPerSecond },
      { name: 'dropped', color: 3, value: ({ droppedPerSecond }) => droppedPerSecond },
    ],
    format: words.count,
  },
  {
    title: 'Latency',
    lines: [
      { name: 'round trip', color: 1, value: ({ roundTripMs }) => roundTripMs },
      { name: 'event loop p50', color: 2, value: ({ eventLoopDelayP50Ms }) => eventLoopDelayP50Ms },
      { name: 'event loop p99', color: 3, value: ({ eventLoopDelayP99Ms }) => eventLoopDelayP99Ms },
    ],
    format: words.milliseconds,
  },
  {
    title: 'Bytes a second',
    lines: [
      { name: 'in', color: 1, value: ({ bytesInPerSecond }) => bytesInPerSecond },
      { name: 'out', color: 2, value: ({ bytesOutPerSecond }) => bytesOutPerSecond },
    ],
    format: words.bytes,
  },
  {
    title: 'Clients and what waits for them',
    lines: [
      { name: 'clients', color: 1, value: ({ clients }) => clients },
      { name: 'queued messages', color: 2, value: ({ queuedMessages }) => queuedMessages },
    ],
    format: words.count,
  },
]

export function Rates({ status }: { readonly status: Status }) {
  useStore(status)
  const { history } = status
  if (history.length === 0) return <Unavailable status={status} what="rates" />
  return (
    <section class="charts" aria-label="Rates">
      {charts.map(({ title, lines, format }) => (
        <Chart
          key={title}
          title={title}
          lines={lines}
          format={format}
          points={history}
          lastMs={history.at(-1)?.timeMs ?? 0}
          timeOf={({ timeMs }) => timeMs}
        />
      ))}
      <p class="hint charts-note">
        A round trip is a ping of this page to the broker and back. The event loop delay is how much later
        than asked the broker's process came to its work; it is the least that a message waits.
      </p>
    </section>
  )
}
