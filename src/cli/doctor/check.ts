/** What a check is, and what comes of it. */
import type { KnowledgeCode } from '../../knowledge/table.js'
import type { Context } from './context.js'

/** What has come of a check. */
export type Outcome =
  | { readonly status: 'ok' | 'skip'; readonly text: string }
  /** Without a remedy that of the table is said. */
  | { readonly status: 'warn' | 'fail'; readonly text: string; readonly remedy?: string }

export interface Check {
  /** Its row in src/knowledge/table.ts. */
  readonly code: KnowledgeCode
  run(context: Context): Outcome | Promise<Outcome>
}

export function ok(text: string): Outcome {
  return { status: 'ok', text }
}

/** The check does not apply, or needs something; `why` says so. */
export function skip(why: string): Outcome {
  return { status: 'skip', text: why }
}

export function warn(text: string, remedy?: string): Outcome {
  return { status: 'warn', text, ...(remedy !== undefined && { remedy }) }
}

export function fail(text: string, remedy?: string): Outcome {
  return { status: 'fail', text, ...(remedy !== undefined && { remedy }) }
}
