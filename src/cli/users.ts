/**
 * User names and password hashes, and the `authenticate` hook that compares them.
 *
 * A hash is a PHC string, `$scrypt$ln=15,r=8,p=1$<salt>$<hash>`, salt and hash in base64 without padding; the cost
 * stands in it (`ln` is the binary logarithm of N), so it can be raised for new passwords while old ones stay valid.
 * A users file has one `name:hash` a line; empty lines and lines that begin with `#` are skipped.
 */
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { MqttError } from '../errors.js'
import type { AuthenticateHook } from '../hooks/types.js'
import { reasonOf } from './config-file.js'

/** A password hash, taken apart. */
export interface PasswordHash {
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
const PHC = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/

/** Makes the hash of a password, with a salt of its own. */
export async function hashPassword(password: string | Uint8Array): Promise<string> {
  const salt = randomBytes(16)
  const hash = await derive(password, { ...DEFAULT_COST, salt, hash: Buffer.alloc(32) })
  const { logN, r, p } = DEFAULT_COST
  return `$scrypt$ln=${logN},r=${r},p=${p}$${unpadded(salt)}$${unpadded(hash)}`
}

/** Takes a hash apart, or answers undefined when it is none. */
export function parsePasswordHash(text: string): PasswordHash | undefined {
  const [, logN, r, p, salt, hash] = PHC.exec(text) ?? []
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
 * The hook that lets known users in. A name that nobody has costs as much time as a wrong password, and hashes are
 * compared in constant time, so that neither can be told from the answer's delay. The hashing itself runs in Node's
 * thread pool; the event loop goes on.
 */
export function authenticateUsers(
  users: ReadonlyMap<string, PasswordHash>,
  allowAnonymous: boolean,
): AuthenticateHook {
  const nobody: PasswordHash = users.values().next().value ?? {
    ...DEFAULT_COST,
    salt: randomBytes(16),
    hash: randomBytes(32),
  }
  return async ({ username, password }) => {
    if (username === undefined) return allowAnonymous
    const known = users.get(username)
    const expected = known ?? nobody
    const actual = await derive(password ?? '', expected)
    const isEqual = timingSafeEqual(actual, expected.hash)
    return isEqual && known !== undefined && password !== undefined
  }
}

function derive(password: string | Uint8Array, { logN, r, p, salt, hash }: PasswordHash): Promise<Buffer> {
  const options: ScryptOptions = { N: 2 ** logN, r, p, maxmem: 2 * memoryOf({ logN, r }) + 1024 * 1024 }
  return new Promise((resolve, reject) => {
    scrypt(password, salt, hash.length, options, (error, key) => (error ? reject(error) : resolve(key)))
  })
}

function memoryOf({ logN, r }: Pick<PasswordHash, 'logN' | 'r'>): number {
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
    throw invalid(`${place}: this is not a password hash ($scrypt$ln=15,r=8,p=1$salt$hash).`)
  return hash
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}

function invalid(message: string, cause?: unknown): MqttError {
  return new MqttError('ERR_MQTT_INVALID_CONFIG', message, { cause })
}
