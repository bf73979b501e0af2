/**
 * Asks the hooks and turns what they say into an answer for the core. A hook may answer at once or with a promise; one
 * that throws or rejects denies, and is logged. Of several hooks that are registered for a topic all are asked in
 * order, until one refuses.
 */
import type { AnyConnection } from '../connection.js'
import type { Answer } from '../core-answer.js'
import type { EventReader, Span } from '../events.js'
import { checkText, resolveFarewell } from '../farewell.js'
import type { Logger } from '../logger.js'
import type { NativeRefusal, NativeReplacement } from '../native.js'
import { topicFiltersOverlap, topicMatches } from '../native.js'
import type { FilteredHook, ResolvedOptions } from '../options.js'
import type { ProblemReport } from '../problems/problem.js'
import type {
  Acceptance,
  AuthenticateRequest,
  AuthenticateVerdict,
  HookClient,
  ProtocolVersion,
  PublishReplacement,
  PublishRequest,
  Refusal,
  SubscribeRequest,
  Verdict,
} from './types.js'

/** Reason Codes of refusals that name none (2.4). */
const BAD_USER_NAME_OR_PASSWORD = 0x86
const NOT_AUTHORIZED = 0x87
const UNSPECIFIED_ERROR = 0x80
const ALLOW = 0
const DISCARD = 1

type QoS = 0 | 1 | 2
/** ALLOW, a Reason Code, or a refusal in words. */
type Permission = number | NativeRefusal
type MaybePromise<T> = T | Promise<T>
/** What an `onPublish` hook said: a Reason Code or DISCARD, another message, or that it may pass as it is. */
type Changed = number | PublishReplacement | undefined

/** What the runner needs of the broker. */
export interface HookHost {
  connection(id: number): AnyConnection | undefined
  decide(connectionId: number, token: number, answer: Answer): void
  /** A question about a message is about to be put to its hooks. False where it is void: then it comes again. */
  beginQuestion(connection: AnyConnection, token: number, isAhead: boolean): boolean
  /** The same as `decide` for a question that was begun and is answered before anything else is done. */
  endQuestion(connection: AnyConnection, token: number, answer: number): void
}

/** See the head of this file. */
export class HookRunner {
  readonly #options: ResolvedOptions
  readonly #host: HookHost
  readonly #logger: Logger
  readonly #report: (report: ProblemReport) => void

  /** `report` hears of what was not allowed. */
  constructor(options: ResolvedOptions, host: HookHost, report: (report: ProblemReport) => void) {
    this.#options = options
    this.#host = host
    this.#logger = options.logger
    this.#report = report
  }

  /** Reads and answers the question about a CONNECT. */
  askAuthenticate(reader: EventReader): void {
    const [id, token] = [reader.word(), reader.word()]
    const version = reader.byte() as ProtocolVersion
    const flags = reader.byte()
    const clientId = reader.string()
    const username = reader.string()
    const password = reader.bytes()
    const connection = this.#host.connection(id)
    const hook = this.#options.authenticate
    if (connection === undefined || hook === undefined) return
    if ((flags & 2) !== 0) connection.username = username
    connection.clientId = clientId
    const request: AuthenticateRequest = {
      clientId,
      ...((flags & 2) !== 0 && { username }),
      ...((flags & 4) !== 0 && { password: Buffer.from(password) }),
      remoteAddress: connection.remoteAddress,
      protocol: connection.protocol,
      version,
      cleanStart: (flags & 1) !== 0,
    }
    const answer = this.#ask('authenticate', hook, request, answerToConnect)
    this.#answer(id, token, answer)
  }

  /** Reads and answers the question about a PUBLISH: first whether it is allowed, then as what it is published. */
  askPublish(reader: EventReader): void {
    const id = reader.word()
    const token = reader.word()
    const qos = reader.byte() as QoS
    const flags = reader.byte()
    const connection = this.#host.connection(id)
    const client = readClient(reader, connection)
    const topicName = reader.repeatedString()
    const payload = reader.span()
    if (connection === undefined || client === undefined) return
    if (!this.#host.beginQuestion(connection, token, (flags & 16) !== 0)) return
    const request = new LazyPublishRequest(client, topicName, qos, (flags & 8) !== 0, payload)
    const answer = this.#answerToPublish(request, (flags & 2) !== 0, (flags & 4) !== 0)
    if (isPromise(answer)) void answer.then((value) => this.#notePublish(request, value))
    else if (answer !== ALLOW) this.#notePublish(request, answer)
    if (typeof answer === 'number') this.#host.endQuestion(connection, token, answer)
    else this.#answer(id, token, answer)
  }

  #answerToPublish(
    request: PublishRequest,
    isToAuthorize: boolean,
    isToChange: boolean,
  ): MaybePromise<Answer> {
    const { authorizePublish, onPublish } = this.#options
    const allowed = isToAuthorize ? this.#authorize(authorizePublish, request) : ALLOW
    if (!isToChange) return allowed
    return then<Permission, Answer>(allowed, (permission) =>
      permission === ALLOW ? this.#change(onPublish, request) : permission,
    )
  }

  /** Reads and answers the question about the filters of a SUBSCRIBE. */
  askSubscribe(reader: EventReader): void {
    const id = reader.word()
    const token = reader.word()
    const connection = this.#host.connection(id)
    const client = readClient(reader, connection)
    const filters = Array.from({ length: reader.word() }, () => ({
      qos: reader.byte() as QoS,
      topicFilter: withoutShare(reader.string()),
    }))
    if (connection === undefined || client === undefined) return
    const hooks = this.#options.authorizeSubscribe
    const permissions = filters.map(({ topicFilter, qos }) => {
      const request: SubscribeRequest = { client, topicFilter, qos }
      const concerned = hooks.filter((hook) => concernsFilter(hook.filter, topicFilter))
      return this.#askInOrder('authorizeSubscribe', concerned, request)
    })
    for (const [index, permission] of permissions.entries()) {
      const topicFilter = filters[index]?.topicFilter ?? ''
      if (isPromise(permission))
        void permission.then((value) => this.#noteSubscribe(client, topicFilter, value))
      else if (permission !== ALLOW) this.#noteSubscribe(client, topicFilter, permission)
    }
    const settled = permissions.filter((permission): permission is Permission => !isPromise(permission))
    if (settled.length === permissions.length) this.#answer(id, token, settled.map(refusalOf))
    else this.#answer(id, token, settle(permissions))
  }

  #authorize(hooks: ResolvedOptions['authorizePublish'], request: PublishRequest): MaybePromise<Permission> {
    const [only] = hooks
    if (hooks.length === 1 && only !== undefined) {
      // The core has matched its filter already.
      return this.#ask('authorizePublish', only.handler, request, permissionOf)
    }
    const concerned = hooks.filter((hook) => concernsTopic(hook.filter, request.topicName))
    return this.#askInOrder('authorizePublish', concerned, request)
  }

  #askInOrder<Request>(
    name: string,
    hooks: readonly FilteredHook<(request: Request) => MaybePromise<Verdict>>[],
    request: Request,
    from = 0,
  ): MaybePromise<Permission> {
    const hook = hooks[from]
    if (hook === undefined) return ALLOW
    const permission = this.#ask(name, hook.handler, request, permissionOf)
    return then(permission, (value) =>
      value === ALLOW ? this.#askInOrder(name, hooks, request, from + 1) : value,
    )
  }

  /** Each hook sees what the one before it has made of the message. */
  #change(
    hooks: ResolvedOptions['onPublish'],
    message: PublishRequest,
    from = 0,
    change: NativeReplacement | undefined = undefined,
  ): MaybePromise<Answer> {
    const hook = hooks[from]
    if (hook === undefined) return change ?? ALLOW
    if (!concernsTopic(hook.filter, message.topicName)) return this.#change(hooks, message, from + 1, change)
    const answer = this.#ask(
      'onPublish',
      hook.handler,
      message,
      (said): Changed => (said === false ? DISCARD : said),
    )
    return then(answer, (said): MaybePromise<Answer> => {
      if (typeof said === 'number') return said
      if (said === undefined || said === null) return this.#change(hooks, message, from + 1, change)
      const replacement = { ...change, ...nativeReplacement(said) }
      return this.#change(hooks, new ReplacedPublishRequest(message, replacement), from + 1, replacement)
    })
  }

  /** Calls one hook. What goes wrong in it denies. */
  #ask<Request, Said, Result>(
    name: string,
    hook: (request: Request) => MaybePromise<Said>,
    request: Request,
    read: (said: Said) => Result,
  ): MaybePromise<Result | number> {
    try {
      const said = hook(request)
      if (!isPromise(said)) return read(said)
      return said.then(read).catch((error: unknown) => this.#failed(name, error))
    } catch (error) {
      return this.#failed(name, error)
    }
  }

  #failed(name: string, error: unknown): number {
    this.#logger.error(
      { hook: name, code: 'ERR_MQTT_HOOK_FAILED', err: error },
      `The hook ${name} failed; denied.`,
    )
    return name === 'authenticate' ? UNSPECIFIED_ERROR : NOT_AUTHORIZED
  }

  #notePublish({ client, topicName }: PublishRequest, answer: Answer): void {
    if (!isRefused(answer)) return
    const text = `A hook did not allow a message to ${quote(topicName)}.`
    this.#report({ code: 'publishDenied', text, ...whoOf(client) })
  }

  #noteSubscribe(client: HookClient, topicFilter: string, permission: Permission): void {
    if (!isRefused(permission)) return
    const text = `A hook did not allow a subscription to ${quote(topicFilter)}.`
    this.#report({ code: 'subscribeDenied', text, ...whoOf(client) })
  }

  #answer(id: number, token: number, answer: MaybePromise<Answer>): void {
    if (isPromise(answer)) void answer.then((value) => this.#host.decide(id, token, value))
    else this.#host.decide(id, token, answer)
  }
}

/** The payload is copied out of the turn's memory when it is first looked at. */
class LazyPublishRequest implements PublishRequest {
  readonly client: HookClient
  readonly topicName: string
  readonly qos: QoS
  readonly retain: boolean
  readonly #span: Span
  #payload: Buffer | undefined

  constructor(client: HookClient, topicName: string, qos: QoS, retain: boolean, span: Span) {
    this.client = client
    this.topicName = topicName
    this.qos = qos
    this.retain = retain
    this.#span = span
  }

  get payload(): Buffer {
    const { memory, from, to } = this.#span
    this.#payload ??= Buffer.from(memory.subarray(from, to))
    return this.#payload
  }
}

class ReplacedPublishRequest implements PublishRequest {
  readonly client: HookClient
  readonly topicName: string
  readonly qos: QoS
  readonly retain: boolean
  readonly payload: Buffer

  constructor(before: PublishRequest, change: NativeReplacement) {
    this.client = before.client
    this.topicName = change.topicName ?? before.topicName
    this.qos = (change.qos ?? before.qos) as QoS
    this.retain = change.retain ?? before.retain
    this.payload = change.payload === undefined ? before.payload : Buffer.from(change.payload)
  }
}

/**
 * For a hook `#` is every topic, those that begin with `$` too: a rule about everything must not have a hole. The core
 * says the same (`HookFilters`).
 */
function concernsTopic(filter: string, topicName: string): boolean {
  return filter === '#' || topicMatches(filter, topicName)
}

function concernsFilter(filter: string, asked: string): boolean {
  return filter === '#' || topicFiltersOverlap(filter, asked)
}

function withoutShare(topicFilter: string): string {
  return topicFilter.startsWith('$share/') ? topicFilter.split('/').slice(2).join('/') : topicFilter
}

/** Reads a client identifier. Of a client that hooks have seen, what they saw. */
function readClient(reader: EventReader, connection: AnyConnection | undefined): HookClient | undefined {
  const known = connection?.hookClient
  if (known !== undefined || connection === undefined) {
    reader.skip()
    return known
  }
  const { username, remoteAddress, protocol } = connection
  const clientId = reader.string()
  const client = { clientId, ...(username !== undefined && { username }), remoteAddress, protocol }
  // Of a Will that is asked about during CONNECT there may be more to come.
  if (connection.clientId === clientId) connection.hookClient = Object.freeze(client)
  return client
}

function nativeReplacement(said: PublishReplacement): NativeReplacement {
  const { topicName, payload, qos, retain } = said
  return {
    ...(topicName !== undefined && { topicName }),
    ...(payload !== undefined && { payload: typeof payload === 'string' ? Buffer.from(payload) : payload }),
    ...(qos !== undefined && { qos }),
    ...(retain !== undefined && { retain }),
  }
}

/** Only `true` allows: a hook that forgets its answer denies. */
function permissionOf(verdict: Verdict): Permission {
  if (verdict === true) return ALLOW
  return isRefusal(verdict) ? resolveFarewell(verdict, NOT_AUTHORIZED) : NOT_AUTHORIZED
}

function answerToConnect(verdict: AuthenticateVerdict): Answer {
  if (verdict === true) return ALLOW
  if (isRefusal(verdict)) return resolveFarewell(verdict, BAD_USER_NAME_OR_PASSWORD)
  const { responseInformation } = (verdict || {}) as Acceptance
  if (responseInformation === undefined) return BAD_USER_NAME_OR_PASSWORD
  checkText('responseInformation', responseInformation)
  return { responseInformation }
}

/** Neither allowed, nor discarded, nor changed. */
function isRefused(answer: Answer): boolean {
  if (typeof answer === 'number') return answer > DISCARD
  return !Array.isArray(answer) && 'reasonCode' in answer
}

function whoOf({ clientId, remoteAddress }: HookClient): { clientId: string; remoteAddress: string } {
  return { clientId, remoteAddress }
}

/** A peer's text inside our sentence. */
function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100))
}

function isRefusal(verdict: unknown): verdict is Refusal {
  return typeof verdict === 'object' && verdict !== null && 'reasonCode' in verdict
}

async function settle(permissions: readonly MaybePromise<Permission>[]): Promise<Answer> {
  return (await Promise.all(permissions)).map(refusalOf)
}

/** What one filter of a SUBSCRIBE is told; undefined where it is allowed. */
function refusalOf(permission: Permission): NativeRefusal | undefined {
  if (permission === ALLOW) return undefined
  return typeof permission === 'number' ? { reasonCode: permission } : permission
}

function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && 'then' in value
}

function then<A, B>(value: MaybePromise<A>, next: (value: A) => MaybePromise<B>): MaybePromise<B> {
  return isPromise(value) ? value.then(next) : next(value)
}
