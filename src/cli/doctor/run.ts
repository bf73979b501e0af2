/** Runs the checks side by side and says what came of them, in the order of the table. */
import { type Knowledge, type KnowledgeCode, knowledge } from '../../knowledge/table.js'
import { escapeText } from '../lib/plain-text.js'
import { type Check, type Outcome, warn } from './check.js'
import { allChecks } from './checks/all.js'
import { Context, type DoctorOptions } from './context.js'

/** A check and its outcome, as `--json` shows it. */
export interface Finding {
  /** The row of the table, from 1. */
  readonly number: number
  readonly code: KnowledgeCode
  readonly title: string
  readonly status: Outcome['status']
  readonly text: string
  /** What helps, where there is something to help with. */
  readonly remedy?: string
}

/** So many steps of a check may each take the whole time-out. */
const STEPS = 8
const rows: readonly Knowledge[] = knowledge

/** Examines a server. Nothing of it stays there. */
export async function examine(options: DoctorOptions): Promise<Finding[]> {
  const context = new Context(options)
  try {
    // Alone: it is timed, and everything else stands on it.
    await context.doors()
    return await Promise.all(
      allChecks.map(async (check, index): Promise<Finding> => {
        const outcome = await outcomeOf(check, context)
        return finding(check, index, outcome)
      }),
    )
  } finally {
    await context.clients.endAll()
  }
}

async function outcomeOf(check: Check, context: Context): Promise<Outcome> {
  const { timeoutMs, idleSecs = 0 } = context.options
  const limitMs = timeoutMs * STEPS + (check.code === 'idle' ? idleSecs * 1_000 : 0)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Outcome>((resolve) => {
    timer = setTimeout(() => resolve(warn(`this check has not ended in ${limitMs / 1_000} s`)), limitMs)
  })
  const run = async (): Promise<Outcome> => check.run(context)
  const failed = (error: unknown): Outcome =>
    warn(
      `this check could not be made: ${context.said(error)}`,
      'The server may have gone away in the meantime; try again.',
    )
  return Promise.race([run().catch(failed), late]).finally(() => clearTimeout(timer))
}

function finding(check: Check, index: number, outcome: Outcome): Finding {
  const { title = check.code, remedy: general = '' } = rows[index] ?? {}
  const { status, text } = outcome
  const remedy = status === 'warn' || status === 'fail' ? (outcome.remedy ?? general) : undefined
  return {
    number: index + 1,
    code: check.code,
    title,
    status,
    text: escapeText(text),
    ...(remedy !== undefined && { remedy: escapeText(remedy) }),
  }
}
