/** Whether the page is connected, in a word and a dot. */
import type { Link } from '../link.js'
import { useStore } from '../store.js'
import * as words from '../words.js'

export function Connection({ link }: { readonly link: Link }) {
  useStore(link)
  const { state } = link
  const text = {
    connecting: 'Connecting…',
    connected: 'Connected',
    waiting: 'Connection lost, trying again',
    login: 'Not logged in',
  }[state.at]
  return (
    <p class="connection" data-state={state.at} role="status">
      <span class="dot" aria-hidden="true" />
      {text}
      {state.at === 'waiting' && state.why !== '' && <span class="why">: {state.why}</span>}
      {state.at === 'connected' && link.roundTripMs !== undefined && (
        <span class="wide round-trip" aria-hidden="true">
          {words.milliseconds(link.roundTripMs)}
        </span>
      )}
    </p>
  )
}
