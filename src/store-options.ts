/**
 * What a broker keeps on disk, and what that survives: the option `store`. Without it what is promised is kept in memory,
 * and gone with the process.
 */
import { z } from 'zod'
import { oneOf } from './validate.js'

/**
 * What a store survives. `process`: that the process is killed, or crashes; an acknowledgement says that the operating
 * system has what it promises. `power`: that the power is lost, too; it says that the disk has it.
 */
export type Durability = 'process' | 'power'

/** How far reading a store has come. */
export interface StoreProgress {
  /** Sessions, subscriptions, retained messages and so on that have been read. */
  readonly records: number
  /** Since the start. */
  readonly elapsedMs: number
}

/** What a broker keeps on disk: sessions with their subscriptions and queues, retained messages and Wills. */
export interface StoreOptions {
  /** A directory, made where there is none. One broker at a time can have it. */
  readonly path: string
  /** What it survives. Default 'process'. */
  readonly durability?: Durability
  /** Called twice a second while a store is read that takes longer than a second. */
  readonly onProgress?: (progress: StoreProgress) => void
}

/** `StoreOptions`, checked and complete. */
export interface ResolvedStore {
  readonly path: string
  readonly durability: Durability
  readonly onProgress: ((progress: StoreProgress) => void) | undefined
}

/** How a store is. */
export interface StoreStatus {
  /**
   * `failing`: it does not do its work and is tried again; what needs it is refused meanwhile. `damaged`: the same until
   * the broker is started anew.
   */
  readonly state: 'working' | 'failing' | 'damaged'
  /** Why it does not do its work. */
  readonly problem?: string
}

/** What a store survives where nobody says. */
export const DEFAULT_DURABILITY: Durability = 'process'

const error = 'must be an object with path'
export const storePath = z
  .string({ error: 'must be the path of a directory' })
  .min(1, { error: 'must be the path of a directory' })

/** The option, as an application gives it. */
export const storeSchema = z
  .strictObject(
    {
      path: storePath,
      durability: oneOf(['process', 'power']).optional(),
      onProgress: z
        .custom<(progress: StoreProgress) => void>((value) => typeof value === 'function', {
          error: 'must be a function',
        })
        .optional(),
    },
    { error },
  )
  .optional()

/** Fills in the defaults. */
export function resolveStore(store: StoreOptions | undefined): ResolvedStore | undefined {
  if (store === undefined) return undefined
  const { path, durability = DEFAULT_DURABILITY, onProgress } = store
  return { path, durability, onProgress }
}
