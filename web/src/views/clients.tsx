/** The table of clients; on a narrow screen each row is a card. */
import { useState } from 'preact/hooks'
import type { ClientStatus } from '../../../src/status/messages.js'
import type { Status } from '../status.js'
import { useStore } from '../store.js'
import * as words from '../words.js'
import { Unavailable } from './unavailable.js'

/** Rows at once: more take a phone longer than a blink. */
const PAGE = 100

interface Column {
  readonly key: string
  readonly name: string
  readonly isNumber?: boolean
  readonly sortBy: (client: ClientStatus) => string | number
  readonly text: (client: ClientStatus, now: number) => string
  readonly isBad?: (client: ClientStatus) => boolean
}

const columns: readonly Column[] = [
  { key: 'client', name: 'Client', sortBy: ({ clientId }) => clientId, text: ({ clientId }) => clientId },
  {
    key: 'user',
    name: 'User',
    sortBy: ({ username = '' }) => username,
    text: ({ username = '' }) => username,
  },
  {
    key: 'protocol',
    name: 'Protocol',
    sortBy: ({ protocol, version }) => `${protocol} ${version}`,
    text: ({ protocol, version }) => `${protocol} ${version}`,
  },
  {
    key: 'address',
    name: 'Address',
    sortBy: ({ remoteAddress }) => remoteAddress,
    text: ({ remoteAddress }) => remoteAddress,
  },
  {
    key: 'since',
    name: 'Connected',
    isNumber: true,
    sortBy: ({ connectedSinceMs }) => -connectedSinceMs,
    text: ({ connectedSinceMs }, now) => words.duration(now - connectedSinceMs),
  },
  {
    key: 'subscriptions',
    name: 'Subscriptions',
    isNumber: true,
    sortBy: ({ subscriptions }) => subscriptions,
    text: ({ subscriptions }) => words.count(subscriptions),
  },
  {
    key: 'queued',
    name: 'Queued',
    isNumber: true,
    sortBy: ({ queuedMessages }) => queuedMessages,
    text: ({ queuedMessages, queuedBytes }) =>
      queuedMessages === 0 ? '0' : `${words.count(queuedMessages)}, ${words.bytes(queuedBytes)}`,
  },
  {
    key: 'inflight',
    name: 'In flight',
    isNumber: true,
    sortBy: ({ inflightMessages }) => inflightMessages,
    text: ({ inflightMessages }) => words.count(inflightMessages),
  },
  {
    key: 'buffer',
    name: 'Unsent',
    isNumber: true,
    sortBy: ({ outBufferBytes }) => outBufferBytes,
    text: ({ outBufferBytes }) => (outBufferBytes === 0 ? '0' : words.bytes(outBufferBytes)),
  },
  {
    key: 'dropped',
    name: 'Dropped',
    isNumber: true,
    sortBy: ({ droppedMessages }) => droppedMessages,
    text: ({ droppedMessages }) => words.count(droppedMessages),
    isBad: ({ droppedMessages }) => droppedMessages > 0,
  },
]

export function Clients({ status }: { readonly status: Status }) {
  useStore(status)
  const [sort, setSort] = useState({ key: 'client', isDown: false })
  const [most, setMost] = useState(PAGE)
  const { clients, clientCount } = status
  if (clients === undefined) return <Unavailable status={status} what="clients" />
  const column = columns.find(({ key }) => key === sort.key) ?? (columns[0] as Column)
  const sorted = [...clients].sort((one, other) => compare(column.sortBy(one), column.sortBy(other)))
  if (sort.isDown) sorted.reverse()
  const shown = sorted.slice(0, most)
  const now = Date.now()
  // Roles are said because cards are not laid out as a table, and then browsers forget that it is one.
  return (
    <section class="clients" aria-label="Clients">
      {/* biome-ignore-start lint/a11y/noRedundantRoles: see above */}
      <table role="table" class="client-table">
        <caption class="hidden">Clients that are connected</caption>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map(({ key, name, isNumber = false }) => {
              const direction = sort.isDown ? 'descending' : 'ascending'
              return (
                <th
                  key={key}
                  role="columnheader"
                  scope="col"
                  class={isNumber ? 'number' : ''}
                  aria-sort={sort.key === key ? direction : 'none'}
                >
                  <button
                    type="button"
                    onClick={() => setSort({ key, isDown: sort.key === key ? !sort.isDown : isNumber })}
                  >
                    {name}
                  </button>
                </th>
              )
            })}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {shown.map((client) => (
            <tr key={client.clientId} role="row">
              {columns.map(({ key, name, isNumber = false, text, isBad }) => (
                <td
                  key={key}
                  role="cell"
                  data-name={name}
                  class={`${isNumber ? 'number' : ''} ${isBad?.(client) === true ? 'bad' : ''} of-${key}`}
                >
                  {text(client, now)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {/* biome-ignore-end lint/a11y/noRedundantRoles: see above */}
      <p class="foot">
        {clientCount === 1 ? '1 client' : `${words.count(clientCount)} clients`}
        {clientCount > shown.length && `, of which ${shown.length} are shown`}
        {clients.length > shown.length && (
          <button type="button" onClick={() => setMost(most + PAGE)}>
            Show more
          </button>
        )}
      </p>
    </section>
  )
}

function compare(one: string | number, other: string | number): number {
  if (typeof one === 'number' && typeof other === 'number') return one - other
  return String(one).localeCompare(String(other), undefined, { numeric: true })
}
