/**
 * Puts the questions of an enhanced authentication (section 4.12) to the method that a client has named, and its
 * answers to the core. The core keeps whose turn it is; here is only which conversation belongs to which connection.
 */
import type { AnyConnection } from '../connection.js'
import type { EventReader } from '../events.js'
import { checkText, resolveFarewell } from '../farewell.js'
import type { Logger } from '../logger.js'
import type { NativeAuthenticationStep, NativeRefusal } from '../native.js'
import type { ResolvedOptions } from '../options.js'
import type { AuthenticationExchange, AuthenticationMethod, AuthenticationStep } from './types.js'

const UNSPECIFIED_ERROR = 0x80
const NOT_AUTHORIZED = 0x87
/** The longest that a property can be. */
const LONGEST_DATA_BYTES = 65_535

/** Steps as the core numbers them. */
const START = 0
const RE_AUTHENTICATE = 1

/** What the runner needs of the broker. */
export interface AuthenticationHost {
  connection(id: number): AnyConnection | undefined
  decide(connectionId: number, token: number, refusal: number | NativeRefusal): void
  decideAuthentication(connectionId: number, token: number, step: NativeAuthenticationStep): void
}

/** A step, or the Reason Code or words of a refusal. */
type Answer = NativeAuthenticationStep | NativeRefusal | number

/** A conversation, and whether it may still name the client. */
interface Running {
  readonly exchange: AuthenticationExchange
  readonly isReAuthentication: boolean
}

/** See the head of this file. */
export class AuthenticationRunner {
  readonly #methods: ReadonlyMap<string, AuthenticationMethod>
  readonly #host: AuthenticationHost
  readonly #logger: Logger
  /** The conversations under way. A connection that goes takes its own along. */
  readonly #running = new WeakMap<AnyConnection, Running>()

  constructor(options: ResolvedOptions, host: AuthenticationHost) {
    this.#methods = options.enhancedAuthentication
    this.#host = host
    this.#logger = options.logger
  }

  /** Reads and answers one question. */
  ask(reader: EventReader): void {
    const [id, token] = [reader.word(), reader.word()]
    const step = reader.byte()
    const flags = reader.byte()
    const method = reader.string()
    const clientId = reader.string()
    const username = reader.string()
    const view = reader.bytes()
    const connection = this.#host.connection(id)
    if (connection === undefined) return
    const named = (flags & 1) === 0 ? {} : { username }
    const data = (flags & 2) === 0 ? undefined : Buffer.from(view)
    if (step === START) Object.assign(connection, { clientId, ...named })
    void this.#ask(connection, method, () => {
      if (step === START || step === RE_AUTHENTICATE) {
        const isReAuthentication = step === RE_AUTHENTICATE
        const { remoteAddress, protocol } = connection
        const request = { method, isReAuthentication, clientId, ...named, remoteAddress, protocol }
        const exchange = this.#methods.get(method)?.start(request)
        if (exchange !== undefined) this.#running.set(connection, { exchange, isReAuthentication })
      }
      return this.#running.get(connection)?.exchange.step(data) ?? false
    }).then((answer) => {
      if (isStep(answer)) this.#host.decideAuthentication(id, token, answer)
      else this.#host.decide(id, token, answer)
    })
  }

  /** What goes wrong in a method denies. */
  async #ask(
    connection: AnyConnection,
    method: string,
    call: () => AuthenticationStep | Promise<AuthenticationStep>,
  ): Promise<Answer> {
    let answer: Answer
    try {
      answer = read(await call())
    } catch (error) {
      this.#logger.error(
        { hook: 'enhancedAuthentication', method, code: 'ERR_MQTT_HOOK_FAILED', err: error },
        `The authentication method ${method} failed; denied.`,
      )
      answer = UNSPECIFIED_ERROR
    }
    if (!isStep(answer) || answer.isComplete) {
      const isReAuthentication = this.#running.get(connection)?.isReAuthentication
      this.#running.delete(connection)
      // Hooks that are asked before CONNACK see the name too.
      if (isStep(answer) && answer.username !== undefined && isReAuthentication === false) {
        connection.username = answer.username
        connection.hookClient = undefined
      }
    }
    return answer
  }
}

function isStep(answer: Answer): answer is NativeAuthenticationStep {
  return typeof answer === 'object' && 'isComplete' in answer
}

/** What the core is told; a method that forgets its answer refuses. */
function read(said: AuthenticationStep): Answer {
  if (typeof said !== 'object' || said === null) return NOT_AUTHORIZED
  if (!('status' in said))
    return 'reasonCode' in said ? resolveFarewell(said, NOT_AUTHORIZED) : NOT_AUTHORIZED
  if (said.status !== 'continue' && said.status !== 'success') return NOT_AUTHORIZED
  const data = typeof said.data === 'string' ? Buffer.from(said.data) : said.data
  if (data !== undefined && data.length > LONGEST_DATA_BYTES) {
    throw new RangeError(`an authentication method's data has at most ${LONGEST_DATA_BYTES} bytes`)
  }
  const step = { ...(data !== undefined && { data }) }
  if (said.status === 'continue') return { ...step, isComplete: false }
  const { username, responseInformation } = said
  checkText('responseInformation', responseInformation)
  return {
    ...step,
    isComplete: true,
    ...(username !== undefined && { username }),
    ...(responseInformation !== undefined && { responseInformation }),
  }
}
