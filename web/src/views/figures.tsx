/** A line of figures that is always there. */
import type { Model } from '../model.js'
import { useStore } from '../store.js'
import * as words from '../words.js'

export function Figures({ model }: { readonly model: Model }) {
  useStore(model.status)
  useStore(model.link)
  const { rates } = model.status
  const figures: readonly (readonly [string, string, boolean?])[] = [
    ['in', rates === undefined ? '–' : `${words.count(rates.messagesInPerSecond)}/s`],
    ['out', rates === undefined ? '–' : `${words.count(rates.messagesOutPerSecond)}/s`],
    ['clients', rates === undefined ? '–' : words.count(rates.clients)],
    ['queued', rates === undefined ? '–' : words.count(rates.queuedMessages)],
    [
      'dropped',
      rates === undefined ? '–' : `${words.count(rates.droppedPerSecond)}/s`,
      (rates?.droppedPerSecond ?? 0) > 0,
    ],
    ['loop delay p99', rates === undefined ? '–' : words.milliseconds(rates.eventLoopDelayP99Ms)],
  ]
  return (
    <dl class={model.link.state.at === 'connected' ? 'figures' : 'figures old'} aria-label="The broker now">
      {figures.map(([name, value, isBad = false]) => (
        <div key={name} class={isBad ? 'figure bad' : 'figure'}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}
