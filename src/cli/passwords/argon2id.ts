/** Argon2id (RFC 9106) in its PHC form, `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>`, as Mosquitto 2.1 has it too. */
import { randomBytes } from 'node:crypto'
import { MAXIMUM_MEMORY_BYTES, unpadded } from './text.js'

/** A hash by Argon2id, taken apart. */
export interface Argon2idHash {
  readonly kind: 'argon2id'
  readonly memoryKib: number
  readonly iterations: number
  readonly lanes: number
  readonly salt: Buffer
  readonly hash: Buffer
}

type Cost = Pick<Argon2idHash, 'memoryKib' | 'iterations' | 'lanes'>

/** What OWASP's password storage cheat sheet asks for: 19 MiB, and some 30 ms for each log-in. */
const DEFAULT_COST: Cost = { memoryKib: 19_456, iterations: 2, lanes: 1 }
/** Above this a single log-in would take many seconds: a mistake, or somebody's attack. */
const MAXIMUM_PASSES_KIB = 16 * 1024 * 1024
const MAXIMUM_LANES = 255
const ARGON2ID =
  /^\$argon2id\$v=19\$m=(\d{1,8}),t=(\d{1,4}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/

/** Makes a hash with a salt of its own. */
export async function hashArgon2id(password: string | Uint8Array): Promise<string> {
  const expected: Argon2idHash = {
    kind: 'argon2id',
    ...DEFAULT_COST,
    salt: randomBytes(16),
    hash: Buffer.alloc(32),
  }
  const hash = await deriveArgon2id(password, expected)
  const { memoryKib, iterations, lanes, salt } = expected
  return `$argon2id$v=19$m=${memoryKib},t=${iterations},p=${lanes}$${unpadded(salt)}$${unpadded(hash)}`
}

/** Takes a hash apart, or answers undefined when it is none or its cost is beyond reason. */
export function parseArgon2id(text: string): Argon2idHash | undefined {
  const [, memory, passes, lanes, salt, hash] = ARGON2ID.exec(text) ?? []
  if (salt === undefined || hash === undefined) return undefined
  const cost: Cost = { memoryKib: Number(memory), iterations: Number(passes), lanes: Number(lanes) }
  if (!isPossible(cost)) return undefined
  return { kind: 'argon2id', ...cost, salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') }
}

/** A hash that no password has: what is computed for names that nobody has, where nobody has a hash. */
export function nobodysArgon2id(): Argon2idHash {
  return { kind: 'argon2id', ...DEFAULT_COST, salt: randomBytes(16), hash: randomBytes(32) }
}

/** Runs in the thread pool. The addon is loaded by the first log-in, not by whoever only reads a configuration. */
export async function deriveArgon2id(password: string | Uint8Array, like: Argon2idHash): Promise<Buffer> {
  const { argon2id } = await import('../../native.js')
  const { salt, memoryKib, iterations, lanes, hash } = like
  return argon2id(Buffer.from(password), salt, memoryKib, iterations, lanes, hash.length)
}

/** The least memory is eight blocks a lane, by the RFC. */
function isPossible({ memoryKib, iterations, lanes }: Cost): boolean {
  if (lanes < 1 || lanes > MAXIMUM_LANES || iterations < 1 || memoryKib < 8 * lanes) return false
  return memoryKib * 1024 <= MAXIMUM_MEMORY_BYTES && memoryKib * iterations <= MAXIMUM_PASSES_KIB
}
