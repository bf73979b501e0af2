/** The files below `__test__/vectors`, as they are written. */
import { readdirSync, readFileSync } from 'node:fs'
import { parse } from 'smol-toml'
import type { BrokerOptions } from '../../../src/index.js'
import type { Version } from './notation.js'

/** One packet, as the codec is to read it: `packets/<kind>.toml`. */
export interface PacketVector {
  readonly file: string
  readonly name: string
  readonly versions: readonly Version[]
  /** Who may send it. */
  readonly from: 'client' | 'server'
  readonly bytes: string
  /** What is wrong with it; absent where nothing is. */
  readonly reason_code?: number
  /** False: it encodes to other bytes, which mean the same. */
  readonly canonical?: boolean
  /** For a CONNECT that is not valid: what a broker answers before it closes. */
  readonly answer?: string
  readonly statements: readonly string[]
}

/** A conversation with a broker: `exchanges/<subject>.toml`. */
export interface Exchange {
  readonly file: string
  readonly name: string
  readonly versions: readonly Version[]
  readonly statements: readonly string[]
  readonly options?: BrokerOptions
  /** Why it runs under virtual time only; absent where it runs on a wire too. */
  readonly wire?: string
  readonly steps: string
}

/** All of `packets/`. */
export function readPackets(): PacketVector[] {
  return readFolder<PacketVector>('packets', 'packet')
}

/** All of `exchanges/`. */
export function readExchanges(): Exchange[] {
  return readFolder<Exchange>('exchanges', 'exchange')
}

function readFolder<T>(folder: string, table: string): T[] {
  const root = new URL(`../${folder}/`, import.meta.url)
  const files = readdirSync(root).filter((name) => name.endsWith('.toml'))
  return files.sort().flatMap((name) => {
    const contents = parse(readFileSync(new URL(name, root), 'utf8'))
    return (contents[table] as T[]).map((vector) => ({ ...vector, file: `${folder}/${name}` }))
  })
}
