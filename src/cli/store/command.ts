/** `topicwire store`: looks into a directory of data that no broker has open, and copies it. */
import { existsSync, readdirSync } from 'node:fs'
import { Command } from 'commander'
import { MqttError } from '../../errors.js'
import type { NativeStoreReport, NativeStoreStats } from '../../native.js'
import { DEFAULT_STORE_PATH } from '../configuration.js'
import { EXIT_FAILURE, Exit, wrongUsage } from '../lib/exit.js'
import type { Io } from '../lib/io.js'
import { ProgressLine, type ProgressTerminal } from '../lib/progress.js'

interface Flags {
  readonly data: string
  readonly json?: boolean
}

/** How often a terminal is told how far it has come. */
const PROGRESS_EVERY_MS = 500

const EXAMPLES = `
Examples:
  topicwire store check                          is everything in ./topicwire-data whole?
  topicwire store stats --data /var/lib/topicwire
                                                 how much space what takes
  topicwire store export backup.jsonl            everything as lines of JSON
  topicwire store export - | gzip > backup.gz    the same on standard output
  topicwire store import backup.jsonl --data new-data
                                                 into a directory that has no data yet
  topicwire store stats --json                   for a program

The broker must not run: it has the directory to itself.

Exit codes: 0 done, and for check: all is well; 1 it is damaged, cannot be read or is in use; 2 wrong usage.`

/** The command, for the frame in src/cli/commands.ts. */
export function storeCommand(io: Io, terminal: ProgressTerminal = process.stderr): Command {
  const store = new Command('store')
    .description('Checks, measures and copies what a broker has kept in its directory.')
    .addHelpText('after', EXAMPLES)
  const add = (name: string, description: string) =>
    store
      .command(name)
      .description(description)
      .option('--data <directory>', "the broker's directory", DEFAULT_STORE_PATH)
      .option('--json', 'the result as a line of JSON')
  add('check', 'Reads everything, and looks whether it is what was written.').action((flags: Flags) =>
    check(flags, io, terminal),
  )
  add('stats', 'Says how much there is of what, and how much space it takes.').action((flags: Flags) =>
    stats(flags, io, terminal),
  )
  add('export', 'Writes everything as lines of JSON, sessions and messages with all their properties.')
    .argument('<file>', 'a file that is not there yet; - is standard output')
    .action((file: string, flags: Flags) => transfer('export', file, flags, io, terminal))
  add('import', 'Reads what export has written into a directory that has no data yet.')
    .argument('<file>', 'the file; - is standard input')
    .action((file: string, flags: Flags) => transfer('import', file, flags, io, terminal))
  return store
}

async function check(flags: Flags, io: Io, terminal: ProgressTerminal): Promise<void> {
  requireData(flags.data)
  const report = await withProgress(flags.data, io, terminal, (tool) => tool.check())
  io.out(flags.json ? `${JSON.stringify(report)}\n` : reportInWords(report))
  if (report.damage !== undefined) {
    throw new Exit(EXIT_FAILURE, `The data in ${flags.data} is damaged: ${report.damage}.`)
  }
}

async function stats(flags: Flags, io: Io, terminal: ProgressTerminal): Promise<void> {
  requireData(flags.data)
  const result = await withProgress(flags.data, io, terminal, (tool) => tool.stats())
  io.out(flags.json ? `${JSON.stringify(result)}\n` : statsInWords(result))
}

async function transfer(
  direction: 'export' | 'import',
  file: string,
  flags: Flags,
  io: Io,
  terminal: ProgressTerminal,
): Promise<void> {
  if (direction === 'export') requireData(flags.data)
  const path = file === '-' ? undefined : file
  const lines = await withProgress(flags.data, io, terminal, (tool) => tool[direction](path))
  // Standard output may be the export itself.
  const say = direction === 'export' && path === undefined ? io.error : io.out
  const done = { export: `${flags.data} was exported`, import: `${flags.data} has what ${file} holds` }
  say(flags.json ? `${JSON.stringify({ lines })}\n` : `${done[direction]}: ${lines} lines.\n`)
}

/** A mistyped directory must not become an empty one. */
function requireData(directory: string): void {
  if (existsSync(directory) && readdirSync(directory).length > 0) return
  throw wrongUsage(`There is no data in ${directory}: say with --data where the broker keeps it.`)
}

type Tool = InstanceType<typeof import('../../native.js')['NativeStoreTool']>

async function withProgress<Result>(
  directory: string,
  io: Io,
  terminal: ProgressTerminal,
  work: (tool: Tool) => Promise<Result>,
): Promise<Result> {
  // Loaded late: `--help` and mistakes are answered without the native addon.
  const { fromNative, NativeStoreTool } = await import('../../native.js')
  const tool = new NativeStoreTool(directory)
  const line = new ProgressLine(io, terminal)
  const timer = setInterval(() => line.show(`${tool.records()} records`), PROGRESS_EVERY_MS)
  try {
    return await work(tool)
  } catch (thrown) {
    const error = fromNative(thrown)
    if (!(error instanceof MqttError)) throw error
    throw new Exit(EXIT_FAILURE, `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}.`)
  } finally {
    clearInterval(timer)
    line.clear()
  }
}

function reportInWords({ damage, ...counts }: NativeStoreReport): string {
  const words: Record<keyof typeof counts, string> = {
    sessions: 'sessions',
    subscriptions: 'subscriptions',
    deliveries: 'messages for sessions',
    exchanges: 'of these or after them, exchanges that are open',
    inbound: 'received QoS 2 messages that await PUBREL',
    wills: 'wills',
    retained: 'retained messages',
  }
  const rows = Object.entries(words).map(([key, word]) => {
    const count = counts[key as keyof typeof counts]
    return `${String(count).padStart(12)}  ${word}`
  })
  return `${rows.join('\n')}\n${damage === undefined ? 'Everything is what was written.\n' : ''}`
}

function statsInWords({ tables, tablesFileBytes, journalBytes, lastSequence }: NativeStoreStats): string {
  const width = Math.max(...tables.map(({ name }) => name.length), 'table'.length)
  const row = (cells: readonly [string, string, string, string]) =>
    `${cells[0].padEnd(width)}${cells
      .slice(1)
      .map((cell) => cell.padStart(15))
      .join('')}`
  const rows = tables.map(({ name, rows, bytes, overheadBytes }) =>
    row([name, String(rows), String(bytes), String(overheadBytes)]),
  )
  return [
    row(['table', 'rows', 'bytes', 'overhead']),
    ...rows,
    '',
    `tables file: ${tablesFileBytes} bytes, journal: ${journalBytes} bytes, last batch: ${lastSequence}`,
    '',
  ].join('\n')
}
