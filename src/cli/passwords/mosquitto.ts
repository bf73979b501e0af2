/**
 * The hashes of Mosquitto's password files up to 2.0: `$6$<salt>$<hash>` is SHA-512 of password and salt, once, and
 * `$7$<iterations>$<salt>$<hash>` is PBKDF2 with HMAC-SHA-512. Both in base64 with padding. They are read so that a
 * file can be taken over; new hashes are of a kind that is dearer to guess.
 */
import { createHash, pbkdf2 } from 'node:crypto'

/** A hash out of a password file of Mosquitto, taken apart. */
export type MosquittoHash =
  | { readonly kind: '$6$'; readonly salt: Buffer; readonly hash: Buffer }
  | { readonly kind: '$7$'; readonly iterations: number; readonly salt: Buffer; readonly hash: Buffer }

/** Some ten seconds for one log-in: above it is a mistake, or somebody's attack. */
const MAXIMUM_ITERATIONS = 10_000_000
const SHA512_BYTES = 64
const MOSQUITTO = /^\$(?:6|7\$(\d{1,8}))\$([A-Za-z0-9+/]{1,128}={0,2})\$([A-Za-z0-9+/]{86}==)$/

/** Takes a hash apart, or answers undefined when it is none. */
export function parseMosquitto(text: string): MosquittoHash | undefined {
  const [, iterations, saltText, hashText] = MOSQUITTO.exec(text) ?? []
  if (saltText === undefined || hashText === undefined) return undefined
  const [salt, hash] = [Buffer.from(saltText, 'base64'), Buffer.from(hashText, 'base64')]
  if (iterations === undefined) return { kind: '$6$', salt, hash }
  const count = Number(iterations)
  return count >= 1 && count <= MAXIMUM_ITERATIONS
    ? { kind: '$7$', iterations: count, salt, hash }
    : undefined
}

/** `$7$` runs in the thread pool; a single SHA-512 is not worth the way there. */
export async function deriveMosquitto(password: Uint8Array, like: MosquittoHash): Promise<Buffer> {
  if (like.kind === '$6$') return createHash('sha512').update(password).update(like.salt).digest()
  return new Promise((resolve, reject) => {
    pbkdf2(password, like.salt, like.iterations, SHA512_BYTES, 'sha512', (error, key) =>
      error ? reject(error) : resolve(key),
    )
  })
}
