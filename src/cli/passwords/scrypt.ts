/** scrypt (RFC 7914) in PHC form, `$scrypt$ln=15,r=8,p=1$<salt>$<hash>`; `ln` is the binary logarithm of N. */
import { randomBytes, type ScryptOptions, scrypt } from 'node:crypto'
import { MAXIMUM_MEMORY_BYTES, unpadded } from './text.js'

/** A hash by scrypt, taken apart. */
export interface ScryptHash {
  readonly kind: 'scrypt'
  /** The binary logarithm of scrypt's N. */
  readonly logN: number
  readonly r: number
  readonly p: number
  readonly salt: Buffer
  readonly hash: Buffer
}

/** N = 2^15, r = 8: 32 MiB and some 80 ms for each log-in. */
const DEFAULT_COST = { logN: 15, r: 8, p: 1 } as const
const SCRYPT =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/

/** Makes a hash with a salt of its own. */
export async function hashScrypt(password: string | Uint8Array): Promise<string> {
  const { logN, r, p } = DEFAULT_COST
  const salt = randomBytes(16)
  const hash = await deriveScrypt(password, { kind: 'scrypt', logN, r, p, salt, hash: Buffer.alloc(32) })
  return `$scrypt$ln=${logN},r=${r},p=${p}$${unpadded(salt)}$${unpadded(hash)}`
}

/** Takes a hash apart, or answers undefined when it is none or its cost is beyond reason. */
export function parseScrypt(text: string): ScryptHash | undefined {
  const [, logN, r, p, salt, hash] = SCRYPT.exec(text) ?? []
  if (salt === undefined || hash === undefined) return undefined
  const cost = { logN: Number(logN), r: Number(r), p: Number(p) }
  const isPossible = cost.logN >= 1 && cost.r >= 1 && cost.p >= 1 && memoryOf(cost) <= MAXIMUM_MEMORY_BYTES
  return isPossible
    ? { kind: 'scrypt', ...cost, salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') }
    : undefined
}

/** Runs in the thread pool. */
export function deriveScrypt(password: string | Uint8Array, like: ScryptHash): Promise<Buffer> {
  const { logN, r, p, salt, hash } = like
  const options: ScryptOptions = { N: 2 ** logN, r, p, maxmem: 2 * memoryOf(like) + 1024 * 1024 }
  return new Promise((resolve, reject) => {
    scrypt(password, salt, hash.length, options, (error, key) => (error ? reject(error) : resolve(key)))
  })
}

function memoryOf({ logN, r }: Pick<ScryptHash, 'logN' | 'r'>): number {
  return 128 * r * 2 ** logN
}
