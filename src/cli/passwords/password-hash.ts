/** A password hash of any kind: made, taken apart, compared. The kinds are in the files beside this one. */
import { timingSafeEqual } from 'node:crypto'
import { deriveScramCredentials, isScramCost, type ScramCredentials } from '../../hooks/scram.js'
import { type Argon2idHash, deriveArgon2id, hashArgon2id, parseArgon2id } from './argon2id.js'
import { deriveMosquitto, type MosquittoHash, parseMosquitto } from './mosquitto.js'
import { deriveScrypt, hashScrypt, parseScrypt, type ScryptHash } from './scrypt.js'
import { unpadded } from './text.js'

/** The keys of SCRAM-SHA-256, which check a password too. */
export interface ScramHash extends ScramCredentials {
  readonly kind: 'scram-sha-256'
}

/** A password hash, taken apart. */
export type PasswordHash = Argon2idHash | ScryptHash | ScramHash | MosquittoHash

/** The kinds of which new hashes can be made; the first is the one to take. */
export const HASH_KINDS = ['argon2id', 'scrypt', 'scram-sha-256'] as const
export type HashKind = (typeof HASH_KINDS)[number]

const SCRAM =
  /^\$scram-sha-256\$i=(\d{4,8})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{43})\$([A-Za-z0-9+/]{43})$/

/**
 * Makes the hash of a password, with a salt of its own.
 *
 * @throws TypeError for SCRAM and a password with characters that SASLprep forbids.
 */
export async function hashPassword(password: string, kind: HashKind = 'argon2id'): Promise<string> {
  if (kind === 'argon2id') return hashArgon2id(password)
  if (kind === 'scrypt') return hashScrypt(password)
  const { iterations, salt, storedKey, serverKey } = await deriveScramCredentials(password)
  const keys = [salt, storedKey, serverKey].map((bytes) => unpadded(Buffer.from(bytes))).join('$')
  return `$scram-sha-256$i=${iterations}$${keys}`
}

/** Takes a hash apart, or answers undefined when it is none. */
export function parsePasswordHash(text: string): PasswordHash | undefined {
  return parseArgon2id(text) ?? parseScrypt(text) ?? parseScram(text) ?? parseMosquitto(text)
}

/** Whether a password has this hash. Compared in constant time; what takes long runs in Node's thread pool. */
export async function verifyPassword(password: Buffer, expected: PasswordHash): Promise<boolean> {
  switch (expected.kind) {
    case 'argon2id':
      return timingSafeEqual(await deriveArgon2id(password, expected), expected.hash)
    case 'scrypt':
      return timingSafeEqual(await deriveScrypt(password, expected), expected.hash)
    case 'scram-sha-256':
      return verifyScram(password, expected)
    default:
      return timingSafeEqual(await deriveMosquitto(password, expected), expected.hash)
  }
}

function parseScram(text: string): ScramHash | undefined {
  const [, iterations, ...keys] = SCRAM.exec(text) ?? []
  const [salt, storedKey, serverKey] = keys.map((key) => Buffer.from(key, 'base64'))
  if (salt === undefined || storedKey === undefined || serverKey === undefined) return undefined
  const isPossible = isScramCost(Number(iterations), salt.length)
  return isPossible
    ? { kind: 'scram-sha-256', iterations: Number(iterations), salt, storedKey, serverKey }
    : undefined
}

async function verifyScram(password: Buffer, { salt, iterations, storedKey }: ScramHash): Promise<boolean> {
  try {
    const actual = await deriveScramCredentials(password.toString(), { salt, iterations })
    return timingSafeEqual(actual.storedKey, storedKey)
  } catch (error) {
    // Such a password cannot have been given to anybody.
    if (error instanceof TypeError) return false
    throw error
  }
}
