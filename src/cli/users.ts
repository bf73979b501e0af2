/**
 * User names and password hashes, the `authenticate` hook that compares them, and SCRAM for those that allow it.
 *
 * A users file has one `name:hash` a line; empty lines and lines that begin with `#` are skipped. `topicwire passwd`
 * writes such files, `passwords/password-hash.ts` has the kinds of hashes. Password files of Mosquitto are users files.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { MqttError } from '../errors.js'
import { prepareScramName, type ScramCredentials, scramSha256 } from '../hooks/scram.js'
import type { AuthenticateHook, AuthenticationMethod } from '../hooks/types.js'
import { reasonOf } from './config-file.js'
import { nobodysArgon2id } from './passwords/argon2id.js'
import { type PasswordHash, parsePasswordHash, verifyPassword } from './passwords/password-hash.js'
import { Turnstile } from './passwords/turnstile.js'

export { hashPassword, type PasswordHash, parsePasswordHash } from './passwords/password-hash.js'

/** Hashes that are computed at once: half of Node's thread pool; and log-ins that wait: some ten seconds of work. */
const HASHES_AT_A_TIME = 2
const MAXIMUM_WAITING = 1_000
const SERVER_BUSY = { reasonCode: 0x89, reason: 'Too many log-ins wait to be checked.' } as const

/**
 * The users of a configuration and of a users file together; a name in both takes the file's hash.
 *
 * @throws MqttError ERR_MQTT_INVALID_CONFIG for a file that cannot be read, or a hash that is none.
 */
export function readUsers(
  users: Readonly<Record<string, string>> = {},
  usersFile?: string,
): ReadonlyMap<string, PasswordHash> {
  const known = new Map<string, PasswordHash>()
  for (const [name, hash] of Object.entries(users)) known.set(name, parsed(hash, `users.${name}`))
  if (usersFile !== undefined) {
    for (const [index, line] of readLines(usersFile).entries()) {
      if (line.trim() === '' || line.startsWith('#')) continue
      const colon = line.indexOf(':')
      const place = `${usersFile}:${index + 1}`
      if (colon < 1) throw invalid(`${place}: a line is a user name, a colon and a password hash.`)
      known.set(line.slice(0, colon), parsed(line.slice(colon + 1).trim(), place))
    }
  }
  return known
}

/**
 * The hook that lets known users in. A name that nobody has costs as much time as a wrong password of somebody, always
 * the same one, and hashes are compared in constant time, so that neither can be told from the answer's delay. The
 * hashing itself runs in Node's thread pool, few at a time; the event loop goes on, and a flood of log-ins cannot take
 * all memory: those beyond a thousand waiting ones are told that the server is busy.
 */
export function authenticateUsers(
  users: ReadonlyMap<string, PasswordHash>,
  allowAnonymous: boolean,
): AuthenticateHook {
  const hashes = [...users.values()]
  const nobody = nobodysArgon2id()
  const turnstile = new Turnstile(HASHES_AT_A_TIME, MAXIMUM_WAITING)
  const secret = randomBytes(32)
  const decoyOf = (username: string): PasswordHash => {
    const number = createHmac('sha256', secret).update(username).digest().readUInt32LE()
    return hashes[number % hashes.length] ?? nobody
  }
  return async ({ username, password }) => {
    if (username === undefined) return allowAnonymous
    const known = users.get(username)
    const expected = known ?? decoyOf(username)
    const isEqual = await turnstile.pass(() => verifyPassword(password ?? Buffer.alloc(0), expected))
    if (isEqual === undefined) return SERVER_BUSY
    return isEqual && known !== undefined && password !== undefined
  }
}

/**
 * SCRAM-SHA-256 for the users whose entries allow it; undefined where there are none. Others look as names that nobody
 * has: from another kind of hash there is no way to the keys of SCRAM.
 */
export function scramForUsers(users: ReadonlyMap<string, PasswordHash>): AuthenticationMethod | undefined {
  const known = new Map<string, ScramCredentials>()
  const keys = createHash('sha256')
  for (const [name, hash] of users) {
    const prepared = prepareScramName(name)
    if (hash.kind !== 'scram-sha-256' || prepared === undefined) continue
    known.set(prepared, hash)
    keys.update(hash.serverKey)
  }
  const [first] = known.values()
  if (first === undefined) return undefined
  return scramSha256({
    credentials: (username) => known.get(username),
    decoy: { iterations: first.iterations, saltBytes: first.salt.length },
    // The same as long as the users are, whatever is started again, and known to nobody who has not read their keys.
    secret: keys.digest(),
  })
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split(/\r?\n/)
  } catch (error) {
    throw invalid(`The users file ${path} cannot be read: ${reasonOf(error)}.`, error)
  }
}

function parsed(text: string, place: string): PasswordHash {
  const hash = parsePasswordHash(text)
  if (hash === undefined)
    throw invalid(
      `${place}: this is not a password hash ($argon2id$…, $scrypt$…, $scram-sha-256$…, or Mosquitto's $7$… and $6$…); topicwire passwd makes one.`,
    )
  return hash
}

function invalid(message: string, cause?: unknown): MqttError {
  return new MqttError('ERR_MQTT_INVALID_CONFIG', message, { cause })
}
