/** Why there is nothing to see. */
import type { Status } from '../status.js'

export function Unavailable({ status, what }: { readonly status: Status; readonly what: string }) {
  if (status.refusal === undefined)
    return <p class="empty">Waiting for the broker to tell about its {what}…</p>
  return (
    <p class="empty">
      This broker does not tell you about its {what}: {status.refusal} It is said under{' '}
      <span class="code">$SYS/topicwire/#</span>, which <span class="code">authorizeSubscribe</span> can
      allow.
    </p>
  )
}
