/**
 * User names and password hashes, the `authenticate` hook that compares them, and SCRAM for those that allow it.
 *
 * A hash is a PHC string, salt and hash in base64 without padding; the cost stands in it, so it can be raised for new
 * passwords while old ones stay valid. There are two kinds:
 *
 * - `$scrypt$ln=15,r=8,p=1$<salt>$<hash>` is the dearest to guess (`ln` is the binary logarithm of N), and checks a
 *   password that the client sends.
 * - `$scram-sha-256$i=15000$<salt>$<stored key>$<server key>` does so too, and also lets the client prove by
 *   SCRAM-SHA-256 that it knows the password without sending it.
 *
 * A users file has one `name:hash` a line; empty lines and lines that begin with `#` are skipped.
 */
import { createHash, createHmac, randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { MqttError } from '../errors.js'
import {
  deriveScramCredentials,
  isScramCost,
  prepareScramName,
  type ScramCredentials,
  scramSha256,
} from '../hooks/scram.js'
import type { AuthenticateHook, AuthenticationMethod } from '../hooks/types.js'
import { reasonOf } from './config-file.js'

/** A password hash, taken apart. */
export type PasswordHash = ScryptHash | ScramCredentials

/** A hash by scrypt. */
export interface ScryptHash {
  /** The binary logarithm of scrypt's N. */
  readonly logN: number
  readonly r: number
  readonly p: number
  readonly salt: Buffer
  readonly hash: Buffer
}

/** N = 2^15, r = 8: 32 MiB and some 80 ms for each log-in. */
const DEFAULT_COST = { logN: 15, r: 8, p: 1 } as const
/** Above this a single log-in would take seconds and gigabytes: a mistake, or somebody's attack. */
const MAXIMUM_MEMORY_BYTES = 1024 * 1024 * 1024
const SCRYPT =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/
const SCRAM =
  /^\$scram-sha-256\$i=(\d{4,8})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{43})\$([A-Za-z0-9+/]{43})$/

/** Makes the hash of a password, with a salt of its own. */
export async function hashPassword(password: string | Uint8Array): Promise<string> {
  const salt = randomBytes(16)
  const hash = await deriveScrypt(password, { ...DEFAULT_COST, salt, hash: Buffer.alloc(32) })
  const { logN, r, p } = DEFAULT_COST
  return `$scrypt$ln=${logN},r=${r},p=${p}$${unpadded(salt)}$${unpadded(hash)}`
}

/** Takes a hash apart, or answers undefined when it is none. */
export function parsePasswordHash(text: string): PasswordHash | undefined {
  const [, iterations, ...keys] = SCRAM.exec(text) ?? []
  if (iterations !== undefined) {
    const [salt, storedKey, serverKey] = keys.map((key) => Buffer.from(key, 'base64'))
    if (salt === undefined || storedKey === undefined || serverKey === undefined) return undefined
    const isPossible = isScramCost(Number(iterations), salt.length)
    return isPossible ? { iterations: Number(iterations), salt, storedKey, serverKey } : undefined
  }
  const [, logN, r, p, salt, hash] = SCRYPT.exec(text) ?? []
  if (salt === undefined || hash === undefined) return undefined
  const cost = { logN: Number(logN), r: Number(r), p: Number(p) }
  const isPossible = cost.logN >= 1 && cost.r >= 1 && cost.p >= 1 && memoryOf(cost) <= MAXIMUM_MEMORY_BYTES
  return isPossible
    ? { ...cost, salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') }
    : undefined
}

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
 * hashing itself runs in Node's thread pool; the event loop goes on.
 */
export function authenticateUsers(
  users: ReadonlyMap<string, PasswordHash>,
  allowAnonymous: boolean,
): AuthenticateHook {
  const hashes = [...users.values()]
  const nobody = { ...DEFAULT_COST, salt: randomBytes(16), hash: randomBytes(32) }
  const secret = randomBytes(32)
  const decoyOf = (username: string): PasswordHash => {
    const number = createHmac('sha256', secret).update(username).digest().readUInt32LE()
    return hashes[number % hashes.length] ?? nobody
  }
  return async ({ username, password }) => {
    if (username === undefined) return allowAnonymous
    const known = users.get(username)
    const isEqual = await verify(password ?? Buffer.alloc(0), known ?? decoyOf(username))
    return isEqual && known !== undefined && password !== undefined
  }
}

/**
 * SCRAM-SHA-256 for the users whose entries allow it; undefined where there are none. Others look as names that nobody
 * has: from a scrypt hash there is no way to the keys of SCRAM.
 */
export function scramForUsers(users: ReadonlyMap<string, PasswordHash>): AuthenticationMethod | undefined {
  const known = new Map<string, ScramCredentials>()
  const keys = createHash('sha256')
  for (const [name, hash] of users) {
    const prepared = prepareScramName(name)
    if ('logN' in hash || prepared === undefined) continue
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

async function verify(password: Buffer, expected: PasswordHash): Promise<boolean> {
  if ('logN' in expected) return timingSafeEqual(await deriveScrypt(password, expected), expected.hash)
  const { salt, iterations, storedKey } = expected
  try {
    const actual = await deriveScramCredentials(password.toString(), { salt, iterations })
    return timingSafeEqual(actual.storedKey, storedKey)
  } catch (error) {
    // Such a password cannot have been given to anybody.
    if (error instanceof TypeError) return false
    throw error
  }
}

function deriveScrypt(
  password: string | Uint8Array,
  { logN, r, p, salt, hash }: ScryptHash,
): Promise<Buffer> {
  const options: ScryptOptions = { N: 2 ** logN, r, p, maxmem: 2 * memoryOf({ logN, r }) + 1024 * 1024 }
  return new Promise((resolve, reject) => {
    scrypt(password, salt, hash.length, options, (error, key) => (error ? reject(error) : resolve(key)))
  })
}

function memoryOf({ logN, r }: Pick<ScryptHash, 'logN' | 'r'>): number {
  return 128 * r * 2 ** logN
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
      `${place}: this is not a password hash ($scrypt$ln=15,r=8,p=1$salt$hash or $scram-sha-256$i=15000$salt$storedKey$serverKey).`,
    )
  return hash
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}

function invalid(message: string, cause?: unknown): MqttError {
  return new MqttError('ERR_MQTT_INVALID_CONFIG', message, { cause })
}
