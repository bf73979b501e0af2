/**
 * What the two sides of SCRAM-SHA-256 compute alike: RFC 5802, section 3, with SHA-256 (RFC 7677). The server's side is in
 * scram.ts, the client's in ../client/scram.ts, their messages in scram-messages.ts.
 */
import { createHash, createHmac, pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'
import { saslprep } from '@mongodb-js/saslprep'

/** Fewer are too cheap to try out (RFC 7677, section 4); more are a mistake, or meant to keep a client busy. */
export const ITERATIONS = { minimum: 4096, default: 15_000, maximum: 10_000_000 } as const
export const KEY_BYTES = 32
/** Of a nonce, before base64. */
export const NONCE_BYTES = 18

const derive = promisify(pbkdf2)

export function isIterations(count: number): boolean {
  return Number.isInteger(count) && count >= ITERATIONS.minimum && count <= ITERATIONS.maximum
}

/** The costly step. `prepared` is the password after SASLprep. */
export function saltPassword(prepared: string, salt: Uint8Array, iterations: number): Promise<Buffer> {
  return derive(prepared, salt, iterations, KEY_BYTES, 'sha256')
}

/** What a client proves that it has. */
export function clientKeyOf(saltedPassword: Uint8Array): Buffer {
  return hmac(saltedPassword, 'Client Key')
}

/** What a server keeps to check that. */
export function storedKeyOf(saltedPassword: Uint8Array): Buffer {
  return hash(clientKeyOf(saltedPassword))
}

/** What a server signs its last words with. */
export function serverKeyOf(saltedPassword: Uint8Array): Buffer {
  return hmac(saltedPassword, 'Server Key')
}

/** A name or a password as both sides must write it; undefined for one that SASLprep (RFC 4013) does not allow. */
export function prepare(text: string, allowUnassigned: boolean): string | undefined {
  try {
    return saslprep(text, { allowUnassigned }) || undefined
  } catch {
    return undefined
  }
}

export function hash(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

export function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

export function xor(one: Uint8Array, other: Uint8Array): Buffer {
  return Buffer.from(one.map((byte, index) => byte ^ (other[index] ?? 0)))
}

export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
