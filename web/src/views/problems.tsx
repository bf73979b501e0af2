/** What has gone wrong lately, each with what helps. */
import type { Problem as ProblemKept } from '../../../src/problems/problem.js'
import type { Status } from '../status.js'
import { useStore } from '../store.js'
import * as words from '../words.js'
import { Unavailable } from './unavailable.js'

export function Problems({ status }: { readonly status: Status }) {
  useStore(status)
  const { problems } = status
  if (problems === undefined) return <Unavailable status={status} what="problems" />
  if (problems.length === 0) return <p class="empty">No problems since the broker was started.</p>
  return (
    <ul class="problems" aria-label="Problems lately">
      {problems.map((problem) => (
        <Problem key={`${problem.code} ${problem.firstAtMs} ${problem.clientId}`} problem={problem} />
      ))}
    </ul>
  )
}

function Problem({ problem }: { readonly problem: ProblemKept }) {
  const { code, text, remedy, remoteAddress, clientId, lastAtMs, count } = problem
  return (
    <li class="problem">
      <p class="problem-head">
        <span class="problem-code code">{code}</span>
        {count > 1 && <span class="badge">{words.count(count)} times</span>}
        <time dateTime={new Date(lastAtMs).toISOString()} title={new Date(lastAtMs).toLocaleString()}>
          {words.duration(Date.now() - lastAtMs)} ago
        </time>
      </p>
      <p class="problem-text">{unbroken(text)}</p>
      <p class="problem-remedy">{unbroken(remedy)}</p>
      {(clientId !== undefined || remoteAddress !== undefined) && (
        <p class="problem-who">
          {clientId !== undefined && <span class="code">{clientId}</span>}
          {remoteAddress !== undefined && <span class="code">{remoteAddress}</span>}
        </p>
      )}
    </li>
  )
}

/** A line does not end within an option like `--tls-cert`. */
function unbroken(text: string) {
  return text.split(/(--[a-z-]+)/).map((part, index) =>
    index % 2 === 0 ? (
      part
    ) : (
      <span key={index} class="option">
        {part}
      </span>
    ),
  )
}
