/**
 * SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side, as an authentication method: the password never travels, the
 * server stores nothing that lets anybody log in, and both sides prove themselves.
 *
 * The client's first message comes with CONNECT, the server's with AUTH, the client's proof with AUTH again, and the
 * server's signature with CONNACK. Without TLS what follows is still in the clear, and can be changed on its way.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import {
  base64,
  hash,
  hmac,
  ITERATIONS,
  isIterations,
  KEY_BYTES,
  NONCE_BYTES,
  prepare,
  saltPassword,
  serverKeyOf,
  storedKeyOf,
  xor,
} from './scram-keys.js'
import { type ClientFirst, parseClientFinal, parseClientFirst, writeServerFirst } from './scram-messages.js'
import type { AuthenticationExchange, AuthenticationMethod, AuthenticationStep, Refusal } from './types.js'

/** What a server keeps of a password. */
export interface ScramCredentials {
  readonly salt: Uint8Array
  /** 4096 to 10,000,000. */
  readonly iterations: number
  /** 32 bytes: the hash of the key with which a client proves that it knows the password. */
  readonly storedKey: Uint8Array
  /** 32 bytes: the key with which the server proves that it knows these credentials. */
  readonly serverKey: Uint8Array
}

/** What `scramSha256` needs. */
export interface ScramOptions {
  /** Looks a user up, by its name after SASLprep. undefined: there is no such user. */
  readonly credentials: (
    username: string,
  ) => ScramCredentials | undefined | Promise<ScramCredentials | undefined>
  /**
   * What a name that nobody has is told, so that it looks like one that somebody has: give the iterations and the
   * length of the salts that your credentials have. Default 15000 and 16.
   */
  readonly decoy?: { readonly iterations?: number; readonly saltBytes?: number }
  /**
   * Secret bytes from which the salts of names that nobody has are made: the same for all brokers of one service, and
   * across restarts, or the salts that change give those names away. Default: random for each call.
   */
  readonly secret?: Uint8Array
}

const SALT_BYTES = 16
const NOT_AUTHORIZED = 0x87

/**
 * Makes what a server keeps of a password.
 *
 * @throws TypeError for a password that is empty or has characters that SASLprep prohibits, RangeError for iterations
 * or a salt that are out of range.
 */
export async function deriveScramCredentials(
  password: string,
  options: { readonly iterations?: number; readonly salt?: Uint8Array } = {},
): Promise<ScramCredentials> {
  const { iterations = ITERATIONS.default, salt = randomBytes(SALT_BYTES) } = options
  checkCost(iterations, salt.length)
  const prepared = prepare(password, false)
  if (prepared === undefined) throw new TypeError('SASLprep does not allow this password')
  const saltedPassword = await saltPassword(prepared, salt, iterations)
  return { salt, iterations, storedKey: storedKeyOf(saltedPassword), serverKey: serverKeyOf(saltedPassword) }
}

/** A user name as SCRAM knows it: after SASLprep; undefined for one that it does not allow. */
export function prepareScramName(username: string): string | undefined {
  return prepare(username, true)
}

/** Whether credentials may have so many iterations and a salt of so many bytes. */
export function isScramCost(iterations: number, saltBytes: number): boolean {
  return isIterations(iterations) && Number.isInteger(saltBytes) && saltBytes >= 8 && saltBytes <= 64
}

/** The method SCRAM-SHA-256, for `enhancedAuthentication`. The user name that it establishes is the one in SCRAM. */
export function scramSha256(options: ScramOptions): AuthenticationMethod {
  return scramWithNonces(options, () => randomBytes(NONCE_BYTES).toString('base64'))
}

/** The method with a source of nonces: printable characters without a comma, never the same twice. */
export function scramWithNonces(options: ScramOptions, nonce: () => string): AuthenticationMethod {
  const lookUp = withDecoys(options)
  return { start: () => new ScramExchange(lookUp, nonce()) }
}

interface Known {
  readonly credentials: ScramCredentials
  /** False for a name that nobody has. */
  readonly isReal: boolean
}

class ScramExchange implements AuthenticationExchange {
  readonly #lookUp: (username: string) => Promise<Known>
  readonly #nonce: string
  #clientFirst: ClientFirst | undefined
  #username = ''
  #serverFirst = ''
  #known: Known | undefined

  constructor(lookUp: (username: string) => Promise<Known>, nonce: string) {
    this.#lookUp = lookUp
    this.#nonce = nonce
  }

  step(data: Buffer | undefined): Promise<AuthenticationStep> | AuthenticationStep {
    if (this.#clientFirst === undefined) {
      // A client that says nothing with CONNECT is asked to begin.
      return data === undefined ? { status: 'continue' } : this.#challenge(data)
    }
    return this.#verify(data)
  }

  async #challenge(data: Buffer): Promise<AuthenticationStep> {
    const message = parseClientFirst(data)
    if (typeof message === 'string') return refuse(message)
    const username = prepareScramName(message.username)
    if (username === undefined) return refuse('SASLprep does not allow this user name')
    if (message.authorizationId !== undefined && message.authorizationId !== message.username) {
      return refuse('nobody may act for another user')
    }
    this.#known = await this.#lookUp(username)
    this.#clientFirst = message
    this.#username = username
    const { salt, iterations } = this.#known.credentials
    this.#serverFirst = writeServerFirst({ nonce: message.nonce + this.#nonce, salt, iterations })
    return { status: 'continue', data: this.#serverFirst }
  }

  #verify(data: Buffer | undefined): AuthenticationStep {
    const [first, known] = [this.#clientFirst, this.#known]
    const message = parseClientFinal(data)
    if (typeof message === 'string') return refuse(message)
    if (first === undefined || known === undefined) return refuse('out of turn')
    // No channel is bound, so this is the header of the first message and nothing else.
    if (message.channelBinding !== base64(Buffer.from(first.header))) {
      return refuse('the channel binding is another one than at first')
    }
    if (message.nonce !== first.nonce + this.#nonce)
      return refuse('the nonce is not the one of this exchange')
    const { storedKey, serverKey } = known.credentials
    const authMessage = `${first.bare},${this.#serverFirst},${message.withoutProof}`
    const clientKey = xor(message.proof, hmac(storedKey, authMessage))
    const isProved = timingSafeEqual(hash(clientKey), storedKey)
    if (!isProved || !known.isReal) return refuse('the user name or the password is wrong')
    const signature = base64(hmac(serverKey, authMessage))
    return { status: 'success', data: `v=${signature}`, username: this.#username }
  }
}

/** Names that nobody has get credentials as well: the same salt each time, and keys that no password has. */
function withDecoys(options: ScramOptions): (username: string) => Promise<Known> {
  const { iterations = ITERATIONS.default, saltBytes = SALT_BYTES } = options.decoy ?? {}
  const secret = options.secret ?? randomBytes(KEY_BYTES)
  const made = (what: string, username: string) => hmac(secret, `${what}\0${username}`)
  const saltOf = (username: string) =>
    Buffer.concat([made('salt', username), made('more salt', username)]).subarray(0, saltBytes)
  checkCost(iterations, saltBytes)
  return async (username) => {
    const decoy: ScramCredentials = {
      salt: saltOf(username),
      iterations,
      storedKey: made('stored key', username),
      serverKey: made('server key', username),
    }
    const found = await options.credentials(username)
    if (found !== undefined) checkCredentials(found)
    return { credentials: found ?? decoy, isReal: found !== undefined }
  }
}

function checkCredentials({ iterations, salt, storedKey, serverKey }: ScramCredentials): void {
  checkCost(iterations, salt.length)
  if (storedKey.length !== KEY_BYTES || serverKey.length !== KEY_BYTES) {
    throw new RangeError(`the keys of SCRAM-SHA-256 have ${KEY_BYTES} bytes`)
  }
}

function checkCost(iterations: number, saltBytes: number): void {
  if (isScramCost(iterations, saltBytes)) return
  const { minimum, maximum } = ITERATIONS
  throw new RangeError(`SCRAM takes ${minimum} to ${maximum} iterations and a salt of 8 to 64 bytes`)
}

/** The client hears this in words too, so it must not say which of the name and the password was wrong. */
function refuse(reason: string): Refusal {
  return { reasonCode: NOT_AUTHORIZED, reason: `SCRAM: ${reason}` }
}
