/** The last message of the topic that is selected, as text, JSON or hexadecimal. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Model } from '../model.js'
import { bestMode, type PayloadMode, show } from '../payload.js'
import { useStore } from '../store.js'
import type { TopicValue } from '../topics.js'
import * as words from '../words.js'

const modes: readonly (readonly [PayloadMode, string])[] = [
  ['text', 'Text'],
  ['json', 'JSON'],
  ['hex', 'Hex'],
]

export function Viewer({ model }: { readonly model: Model }) {
  useStore(model.topics)
  const { selected } = model.topics
  const place = useRef<HTMLElement>(null)
  useEffect(() => {
    // Where it is below the tree, whoever chooses a topic would not see it.
    if (selected !== undefined && isNarrow()) place.current?.scrollIntoView({ block: 'nearest' })
  }, [selected])
  const value = selected?.value
  if (selected === undefined || value === undefined) {
    return (
      <section class="viewer" aria-label="Message">
        <p class="empty">Choose a topic to see its last message.</p>
      </section>
    )
  }
  const publish = () => {
    const payload = typeof value.payload === 'string' ? value.payload : ''
    model.trial.draft = { topic: selected.path, payload, qos: 0, retain: value.retain }
    model.open('try')
  }
  return (
    <section class="viewer" aria-label="Message" ref={place}>
      <div class="viewer-head">
        <h2 class="viewer-topic code">{selected.path}</h2>
        <button
          type="button"
          class="close"
          aria-label="Close the message"
          onClick={() => model.topics.select(undefined)}
        >
          ×
        </button>
      </div>
      <dl class="facts">
        <Fact name="size" value={words.bytes(value.bytes)} />
        <Fact name="QoS" value={String(value.qos)} />
        <Fact name="retained" value={value.retain ? 'yes' : 'no'} />
        <Fact name="at" value={words.timeOfDay(value.atMs)} />
        <Fact name="rate" value={words.rate(selected.rate) || '–'} />
      </dl>
      <PayloadView key={selected.path} value={value} />
      <div class="buttons">
        <button type="button" onClick={publish}>
          Publish to this topic
        </button>
      </div>
    </section>
  )
}

/** As style/narrow.css has it. */
function isNarrow(): boolean {
  return matchMedia('(max-width: 860px), (max-height: 560px)').matches
}

function Fact({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  )
}

/** Shows what suits the payload until another way is chosen. */
function PayloadView({ value }: { readonly value: TopicValue }) {
  const [chosen, choose] = useState<PayloadMode>()
  const mode = chosen ?? bestMode(value.payload)
  const { text, note } = show(value.payload, mode)
  const notes = [
    ...(note === undefined ? [] : [note]),
    ...(value.isCut ? ['Only the beginning is kept.'] : []),
  ]
  return (
    <>
      <fieldset class="modes">
        <legend class="hidden">Show the payload as</legend>
        {modes.map(([name, label]) => (
          <label key={name} class={name === mode ? 'mode chosen' : 'mode'}>
            <input type="radio" name="mode" checked={name === mode} onChange={() => choose(name)} />
            {label}
          </label>
        ))}
      </fieldset>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and keys have to reach it */}
      <section class="payload-box" tabIndex={0} aria-label="Payload">
        <pre class="payload">
          {text === '' ? <span class="nothing">(empty)</span> : mode === 'json' ? <Json text={text} /> : text}
        </pre>
      </section>
      {notes.length > 0 && <p class="hint">{notes.join(' ')}</p>}
    </>
  )
}

const TOKENS = /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g
/** A document has an element for each; beyond so many characters there are none. */
const MOST_COLOURED = 20_000

function Json({ text }: { readonly text: string }) {
  if (text.length > MOST_COLOURED) return <>{text}</>
  const parts = []
  let at = 0
  for (const match of text.matchAll(TOKENS)) {
    const [token, string, colon] = match
    parts.push(text.slice(at, match.index))
    const kind = string === undefined ? 'json-literal' : colon === undefined ? 'json-string' : 'json-name'
    parts.push(
      <span key={match.index} class={kind}>
        {string ?? token}
      </span>,
      colon ?? '',
    )
    at = match.index + token.length
  }
  parts.push(text.slice(at))
  return <>{parts}</>
}
