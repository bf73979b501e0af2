/** Subscribes and publishes by hand. */
import { useState } from 'preact/hooks'
import { preview } from '../payload.js'
import { useStore } from '../store.js'
import type { Logged, Trial } from '../trial.js'
import * as words from '../words.js'

export function Try({ trial }: { readonly trial: Trial }) {
  useStore(trial)
  return (
    <div class="try">
      <div class="try-forms">
        <Publish trial={trial} />
        {/* Between the two, so that it is in sight from either, on a telephone as well. */}
        <p class={trial.outcome?.isGood === false ? 'outcome bad' : 'outcome'} role="status">
          {trial.outcome?.text}
        </p>
        <Subscribe trial={trial} />
      </div>
      <Log trial={trial} />
    </div>
  )
}

function Publish({ trial }: { readonly trial: Trial }) {
  const [draft, setDraft] = useState(trial.draft)
  const onSubmit = (event: Event) => {
    event.preventDefault()
    void trial.publish(draft)
  }
  return (
    <form class="card" onSubmit={onSubmit} aria-labelledby="publish-title">
      <h2 id="publish-title">Publish</h2>
      <label class="field">
        <span>Topic</span>
        <input
          class="code"
          required
          spellcheck={false}
          autocapitalize="off"
          placeholder="lamp/state"
          value={draft.topic}
          onInput={(event) => setDraft({ ...draft, topic: event.currentTarget.value })}
        />
      </label>
      <label class="field">
        <span>Payload</span>
        <textarea
          class="code"
          rows={4}
          spellcheck={false}
          value={draft.payload}
          onInput={(event) => setDraft({ ...draft, payload: event.currentTarget.value })}
        />
      </label>
      <div class="field-row">
        <QosField value={draft.qos} onChange={(qos) => setDraft({ ...draft, qos })} />
        <label class="check">
          <input
            type="checkbox"
            checked={draft.retain}
            onChange={(event) => setDraft({ ...draft, retain: event.currentTarget.checked })}
          />
          Retain
        </label>
        <button type="submit" class="primary">
          Publish
        </button>
      </div>
    </form>
  )
}

function Subscribe({ trial }: { readonly trial: Trial }) {
  const [filter, setFilter] = useState('')
  const [qos, setQos] = useState<0 | 1>(0)
  const onSubmit = (event: Event) => {
    event.preventDefault()
    void trial.subscribe(filter, qos)
    setFilter('')
  }
  return (
    <form class="card" onSubmit={onSubmit} aria-labelledby="subscribe-title">
      <h2 id="subscribe-title">Subscribe</h2>
      <label class="field">
        <span>Topic filter</span>
        <input
          class="code"
          required
          spellcheck={false}
          autocapitalize="off"
          placeholder="sensors/+/temperature"
          value={filter}
          onInput={(event) => setFilter(event.currentTarget.value)}
        />
      </label>
      <div class="field-row">
        <QosField value={qos} onChange={setQos} />
        <button type="submit" class="primary">
          Subscribe
        </button>
      </div>
      {trial.subscriptions.length > 0 && (
        <ul class="subscriptions" aria-label="Subscriptions">
          {trial.subscriptions.map((subscription) => (
            <li key={subscription.filter}>
              <span class="code">{subscription.filter}</span>
              <span class="quiet">
                QoS {subscription.qos}, {words.count(subscription.messages)}{' '}
                {subscription.messages === 1 ? 'message' : 'messages'}
              </span>
              <button
                type="button"
                aria-label={`Unsubscribe from ${subscription.filter}`}
                onClick={() => void trial.unsubscribe(subscription)}
              >
                Unsubscribe
              </button>
            </li>
          ))}
        </ul>
      )}
    </form>
  )
}

interface QosFieldProps {
  readonly value: 0 | 1
  readonly onChange: (qos: 0 | 1) => void
}

function QosField({ value, onChange }: QosFieldProps) {
  return (
    <label class="field inline">
      <span>QoS</span>
      <select value={value} onChange={(event) => onChange(event.currentTarget.value === '1' ? 1 : 0)}>
        <option value="0">0</option>
        <option value="1">1</option>
      </select>
    </label>
  )
}

function Log({ trial }: { readonly trial: Trial }) {
  return (
    <section class="log" aria-label="Messages received">
      <div class="log-head">
        <h2>Messages received</h2>
        <button type="button" onClick={() => trial.clearLog()} disabled={trial.log.length === 0}>
          Clear
        </button>
      </div>
      {trial.log.length === 0 ? (
        <p class="empty">What you subscribe to here is listed here.</p>
      ) : (
        <ol class="log-list">
          {trial.log.map((message) => (
            <Entry key={message.number} message={message} />
          ))}
        </ol>
      )}
    </section>
  )
}

function Entry({ message }: { readonly message: Logged }) {
  return (
    <li class="log-entry">
      <span class="log-time">{words.timeOfDay(message.atMs)}</span>
      <span class="log-topic code">{message.topic}</span>
      <span class="log-payload code">{preview(message.payload)}</span>
      {message.retain && <span class="quiet">retained</span>}
    </li>
  )
}
