/** The users of a running broker: the hook and the method that ask for them, and how they are read anew (SIGHUP). */
import { isDeepStrictEqual } from 'node:util'
import type { AuthenticateHook, AuthenticationExchange, AuthenticationMethod } from '../hooks/types.js'
import type { PasswordHash } from './passwords/password-hash.js'
import { authenticateUsers, scramForUsers } from './users.js'

type Users = ReadonlyMap<string, PasswordHash>

/** A client takes it for a problem that passes, and tries again. */
const READ_MEANWHILE = { reasonCode: 0x89, reason: 'The users have been read anew meanwhile.' } as const
const NOBODY_HAS_IT = {
  reasonCode: 0x8c,
  reason: 'No user has an entry for this method any longer.',
} as const

/** See the head of this file. */
export class UserTable {
  readonly #read: () => Users
  readonly #allowAnonymous: boolean
  #users: Users
  #check: AuthenticateHook
  #scram: AuthenticationMethod | undefined

  /** @throws what `read` throws. */
  constructor(read: () => Users, allowAnonymous: boolean) {
    this.#read = read
    this.#allowAnonymous = allowAnonymous
    this.#users = read()
    this.#check = authenticateUsers(this.#users, allowAnonymous)
    this.#scram = scramForUsers(this.#users)
  }

  /** Whether SCRAM-SHA-256 is for anybody. */
  get hasScram(): boolean {
    return this.#scram !== undefined
  }

  readonly authenticate: AuthenticateHook = async (request) => {
    for (;;) {
      const check = this.#check
      const verdict = await check(request)
      // What was read while it was checked has the last word.
      if (check === this.#check) return verdict
    }
  }

  readonly scram: AuthenticationMethod = {
    start: (request) => {
      const method = this.#scram
      const exchange = method?.start(request)
      if (exchange === undefined) return { step: () => NOBODY_HAS_IT }
      return this.#whileCurrent(exchange, method)
    },
  }

  /**
   * Reads the users anew. Returns the names whose log-ins no longer hold: who is gone, or has another password.
   *
   * @throws MqttError ERR_MQTT_INVALID_CONFIG; the users are those of before then.
   */
  reload(): ReadonlySet<string> {
    const users = this.#read()
    const before = this.#users
    this.#users = users
    this.#check = authenticateUsers(users, this.#allowAnonymous)
    this.#scram = scramForUsers(users)
    return new Set([...before.keys()].filter((name) => !isDeepStrictEqual(before.get(name), users.get(name))))
  }

  #whileCurrent(
    exchange: AuthenticationExchange,
    method: AuthenticationMethod | undefined,
  ): AuthenticationExchange {
    return {
      step: async (data) => {
        const step = await exchange.step(data)
        return method === this.#scram ? step : READ_MEANWHILE
      },
    }
  }
}
