/** The tree of topics beside the message that is looked at. */
import { useState } from 'preact/hooks'
import type { Model } from '../model.js'
import { useStore } from '../store.js'
import { MOST_TOPICS } from '../topics.js'
import * as words from '../words.js'
import { Tree } from './tree.js'
import { Viewer } from './viewer.js'

export function Topics({ model }: { readonly model: Model }) {
  return (
    <div class="topics">
      <section class="topics-list" aria-label="Topics">
        <Tools model={model} />
        <Tree tree={model.topics} emptyText={emptyText(model)} />
        <Foot model={model} />
      </section>
      <Viewer model={model} />
    </div>
  )
}

function emptyText(model: Model): string {
  if (model.filterProblem !== undefined) return model.filterProblem
  if (model.isPaused) return 'Paused.'
  if (model.topics.found !== '') return 'No topic has this in its name.'
  return 'No messages yet. They appear here as they are published.'
}

function Tools({ model }: { readonly model: Model }) {
  const { topics } = model
  const [filter, setFilter] = useState(model.filter)
  const onSubmit = (event: Event) => {
    event.preventDefault()
    void model.setFilter(filter.trim() === '' ? '#' : filter.trim())
  }
  return (
    <div class="tools">
      <label class="field find">
        <span class="hidden">Find in topic names</span>
        <input
          type="search"
          placeholder="Find a topic"
          value={topics.found}
          onInput={(event) => {
            topics.found = event.currentTarget.value
          }}
        />
      </label>
      <form class="filter" onSubmit={onSubmit}>
        <label class="field">
          <span class="hidden">Topic filter of the tree</span>
          <input
            class="code"
            spellcheck={false}
            autocapitalize="off"
            value={filter}
            onInput={(event) => setFilter(event.currentTarget.value)}
          />
        </label>
        <button type="submit" aria-label="Show the topics of this filter">
          Filter
        </button>
      </form>
      <div class="buttons">
        <button
          type="button"
          aria-pressed={model.isPaused}
          onClick={() => void model.setPaused(!model.isPaused)}
        >
          {model.isPaused ? 'Go on' : 'Pause'}
        </button>
        <button type="button" onClick={() => topics.setAllOpen(true)} aria-label="Expand all branches">
          Expand
        </button>
        <button type="button" onClick={() => topics.setAllOpen(false)} aria-label="Collapse all branches">
          Collapse
        </button>
        <label class="check">
          <input
            type="checkbox"
            checked={model.showsSys}
            onChange={(event) => void model.setShowsSys(event.currentTarget.checked)}
          />
          <span class="code">$SYS</span>
        </label>
      </div>
    </div>
  )
}

function Foot({ model }: { readonly model: Model }) {
  useStore(model.topics)
  const { topicCount, unkept } = model.topics
  return (
    <p class="foot">
      {topicCount === 1 ? '1 topic' : `${words.count(topicCount)} topics`}
      {unkept > 0 && `; no more than ${MOST_TOPICS} are kept, ${words.count(unkept)} messages were of others`}
      {model.isPaused && '; paused'}
    </p>
  )
}
