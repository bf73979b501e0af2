/**
 * SIGHUP: the users are read anew, as operators know it of Mosquitto, and who may no longer log in is disconnected. A
 * terminal that is closed sends it too; that ends the broker in order.
 */
import { closeSync, openSync } from 'node:fs'
import type { Broker } from '../broker.js'
import type { Logger } from '../logger.js'
import type { UserTable } from './user-table.js'

const NOT_AUTHORIZED = 0x87

/** Connects the signal. Without a table there are no users to read; `close` ends the broker. */
export function onHangUp(
  broker: Broker,
  users: UserTable | undefined,
  logger: Logger,
  close: (reason: string) => void,
): void {
  const loggedIn = users === undefined ? undefined : new LoggedIn(broker)
  process.on('SIGHUP', () => {
    if (isTerminalGone()) close('the terminal is gone')
    else if (users === undefined || loggedIn === undefined) {
      logger.info({}, 'SIGHUP: there are no users to read anew.')
    } else reload(broker, users, loggedIn, logger)
  })
}

function reload(broker: Broker, users: UserTable, loggedIn: LoggedIn, logger: Logger): void {
  const hadScram = users.hasScram
  let changed: ReadonlySet<string>
  try {
    changed = users.reload()
  } catch (error) {
    logger.error({ err: error }, 'SIGHUP: the users could not be read, and stay as they are.')
    return
  }
  const clientIds = loggedIn.as(changed)
  for (const clientId of clientIds) {
    broker.disconnect(clientId, { reasonCode: NOT_AUTHORIZED, reason: 'This user may no longer log in so.' })
  }
  logger.info(
    { changedUsers: changed.size, disconnected: clientIds.length },
    'SIGHUP: the users were read anew.',
  )
  if (users.hasScram && !hadScram) {
    logger.warn(
      {},
      'SCRAM-SHA-256 is offered from the next start on: nobody had an entry for it at this one.',
    )
  }
}

/** Who is connected under which user name. */
class LoggedIn {
  /** By client id. Of a client that is taken over the old connection may end after the new one has begun. */
  readonly #clients = new Map<string, { readonly username: string; readonly remoteAddress: string }>()

  constructor(broker: Broker) {
    const note = (event: { clientId: string; username?: string; remoteAddress: string }): void => {
      const { clientId, username, remoteAddress } = event
      if (username === undefined) this.#clients.delete(clientId)
      else this.#clients.set(clientId, { username, remoteAddress })
    }
    broker.on('connect', note)
    broker.on('reauthenticate', (event) => {
      if (event.reasonCode === 0) note(event)
    })
    broker.on('disconnect', ({ clientId, remoteAddress }) => {
      if (this.#clients.get(clientId)?.remoteAddress === remoteAddress) this.#clients.delete(clientId)
    })
  }

  as(usernames: ReadonlySet<string>): string[] {
    return [...this.#clients]
      .filter(([, { username }]) => usernames.has(username))
      .map(([clientId]) => clientId)
  }
}

/** On Windows the signal means nothing else. Elsewhere a process that was started on a terminal has lost it. */
function isTerminalGone(): boolean {
  if (process.platform === 'win32') return true
  if (process.stdin.isTTY !== true && process.stdout.isTTY !== true && process.stderr.isTTY !== true)
    return false
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return false
  } catch {
    return true
  }
}
