/** Runs the doctor in this process and gives what it has found. */
import { expect } from 'vitest'
import type { Finding } from '../../../src/cli/doctor/run.js'
import { type KnowledgeCode, knowledge } from '../../../src/knowledge/table.js'
import { TOPICWIRE, Tool } from '../../support/tool.js'
import { usage } from '../usage.js'

export interface Examined {
  readonly exitCode: number | null
  readonly checks: readonly Finding[]
  of(code: KnowledgeCode): Finding
}

/** Busy machines take their time, and a time-out that is too short is an outcome of its own. */
const PATIENCE = ['--timeout', '10']

export async function examined(...args: readonly string[]): Promise<Examined> {
  const given = args.includes('--timeout') ? [] : PATIENCE
  const { exitCode = 0, out, error } = await usage('doctor', [...args, ...given, '--json'])
  return inWhole({ exitCode, out, error })
}

/** The same in a process of its own, behind a command such as `env`. */
export async function examinedBehind(prefix: readonly string[], ...args: string[]): Promise<Examined> {
  const command = [...prefix, process.execPath, TOPICWIRE, 'doctor', ...args, ...PATIENCE, '--json']
  const [program = '', ...rest] = command
  return inWhole(await new Tool(program, rest).ended)
}

interface Ended {
  /** null when a signal ended it. */
  readonly exitCode: number | null
  readonly out: string
  readonly error: string
}

function inWhole({ exitCode, out, error }: Ended): Examined {
  if (out === '') throw new Error(`the doctor said nothing but ${error}`)
  const { checks, failed } = JSON.parse(out) as { checks: Finding[]; failed: number }
  // The exit code and the count are those of the lines, whatever was examined.
  expect(checks.map(({ code }) => code)).toEqual(knowledge.map(({ code }) => code))
  expect(checks.filter(({ status }) => status === 'fail')).toHaveLength(failed)
  expect(exitCode).toBe(failed > 0 ? 1 : 0)
  for (const { status, text, remedy } of checks) {
    // A check that has thrown, or taken for ever, is a mistake of ours.
    expect(text).not.toMatch(/^this check (could not be made|has not ended)/)
    expect(remedy !== undefined && remedy.length > 0).toBe(status === 'warn' || status === 'fail')
  }
  return {
    exitCode,
    checks,
    of(code) {
      const found = checks.find((one) => one.code === code)
      if (found === undefined) throw new Error(`there is no check ${code}`)
      return found
    },
  }
}

/** A line of it in one piece: `fail: nothing listens … Start the broker …`. */
export function line({ status, text, remedy = '' }: Finding): string {
  return `${status}: ${text}. ${remedy}`.trim()
}
