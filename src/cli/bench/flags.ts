/** The flags of `bench`, with MQTTX's letters, and what they mean. */
import { randomBytes } from 'node:crypto'
import { Command, InvalidArgumentError } from 'commander'
import { addServerFlags, type Server, type ServerFlags, serverOf } from '../lib/server-flags.js'
import { seconds, wholeNumber } from '../lib/values.js'
import type { ReportOptions } from './report.js'

/** What `conn`, `pub` and `sub` have in common. */
export interface BenchFlags extends ServerFlags {
  readonly count: number
  readonly interval: number
  readonly clientId?: string
  readonly for?: number
  readonly json?: boolean
  readonly reportEvery: number
}

/** What every benchmark needs. */
export interface BenchSettings extends ReportOptions {
  readonly server: Server
  readonly count: number
  readonly intervalMs: number
  readonly clientId: string
  readonly forSecs: number | undefined
}

const MAXIMUM_CLIENTS = 100_000

export function addBenchFlags(command: Command): Command {
  return addServerFlags(command)
    .option('-c, --count <number>', 'clients', wholeNumber(1, MAXIMUM_CLIENTS), 1_000)
    .option('-i, --interval <ms>', 'milliseconds between two connections', milliseconds, 10)
    .option('-I, --client-id <id>', 'with %i for the number of the client (default: topicwire-bench-…-%i)')
    .option('--json', 'print reports as JSON, one object a line; the last one has "end": true')
    .option('--report-every <seconds>', 'time between two reports in a pipe', seconds, 5)
}

export function benchSettings(flags: BenchFlags): BenchSettings {
  const clientId = flags.clientId ?? `topicwire-bench-${randomBytes(3).toString('hex')}-%i`
  return {
    server: serverOf(flags),
    count: flags.count,
    intervalMs: flags.interval,
    // Clients of one id would throw each other out.
    clientId: flags.count > 1 && !clientId.includes('%i') ? `${clientId}-%i` : clientId,
    forSecs: flags.for,
    isJson: flags.json === true,
    everySecs: flags.reportEvery,
  }
}

/** Milliseconds, with a fraction if need be. */
export function milliseconds(text: string): number {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= 0 && value <= 86_400_000))
    throw new InvalidArgumentError('It is a number of milliseconds, at most a day.')
  return value
}

/** The same, but not 0. */
export function someMilliseconds(text: string): number {
  const value = milliseconds(text)
  if (value < 0.001) throw new InvalidArgumentError('It is a number of milliseconds from 0.001 on.')
  return value
}

/** MQTTX has short flags of two letters, which commander does not know. */
export class BenchCommand extends Command {
  override parseOptions(args: string[]): { operands: string[]; unknown: string[] } {
    return super.parseOptions(args.map((arg) => arg.replace(/^-im(?==|$)/, '--message-interval')))
  }

  override createCommand(name?: string): Command {
    return new BenchCommand(name)
  }
}

/** `%i` the number of the client, `%c` its id, `%u` its user name. */
export function fillTopic(template: string, number: number, clientId: string, username = ''): string {
  const values: Readonly<Record<string, string>> = { i: String(number), c: clientId, u: username }
  return template.replace(/%([icu])/g, (_, letter: string) => values[letter] ?? '')
}
