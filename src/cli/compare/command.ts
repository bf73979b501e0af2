/** `topicwire compare`: what each protocol costs, measured on this machine, in one run. */
import { readFileSync, writeFileSync } from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import { EXIT_FAILURE, Exit, wrongUsage } from '../lib/exit.js'
import type { Io } from '../lib/io.js'
import { ProgressLine } from '../lib/progress.js'
import { dieOf } from '../lib/session.js'
import { wholeNumber } from '../lib/values.js'
import { addressOf } from './addresses.js'
import { FULL, QUICK, STEP_NAMES, type StepName } from './plan.js'
import { reportPage } from './report/page.js'
import type { Results } from './results.js'
import { runComparison } from './run.js'
import { tableOf } from './table.js'

interface Flags {
  readonly quick?: boolean
  readonly rounds?: number
  readonly only?: readonly StepName[]
  readonly broker?: string
  readonly ws?: string
  /** true without a file. */
  readonly json?: string | true
  readonly html?: string
}

const DEFAULT_NAME = 'topicwire-compare'
const MOST_ROUNDS = 100

const EXAMPLES = `
Examples:
  topicwire compare --quick                      a table, in less than a minute
  topicwire compare                              some fifteen minutes: a report with charts, and its figures as JSON
  topicwire compare --quick --json               JSON on standard output, and nothing else
  topicwire compare --broker mqtt://localhost:1883 --ws ws://localhost:8080/mqtt
                                                 another broker, beside a bare WebSocket server

Compared are MQTT over TCP and over WebSocket, /live, topic URLs and a WebSocket server without a broker, with and
without TLS: bytes on the wire, latency, messages a second, CPU time, memory, one to many, connecting again, and what
bad networks do to messages. Servers are started for it, on this machine only, and are gone when it ends.

Exit codes: 0 ended in order, 1 a server could not be reached or failed, 2 wrong usage.`

/** The command, for the frame in src/cli/commands.ts. */
export function compareCommand(io: Io): Command {
  return new Command('compare')
    .description('Measures what MQTT, WebSockets and our own protocols cost, on this machine.')
    .option('--quick', 'less of everything, with a table instead of a report')
    .option('--rounds <number>', 'rounds, over which spreads are taken (default: 5, with --quick 3)', rounds)
    .option('--only <measures>', `of ${STEP_NAMES.join(', ')}; with commas between them`, stepsOf)
    .option('--broker <url>', 'another broker instead of ours: mqtt(s)://user:password@host:port')
    .option('--ws <url>', 'where that has MQTT over WebSocket: ws(s)://user:password@host:port/path')
    .addOption(
      new Option(
        '--json [file]',
        `write the figures there; without a file on standard output (default: ${DEFAULT_NAME}.json, with --quick none)`,
      ),
    )
    .option('--html <file>', `write the report there (default: ${DEFAULT_NAME}.html, with --quick none)`)
    .helpOption('--help', 'print this and end')
    .addHelpText('after', EXAMPLES)
    .action((flags: Flags) => compare(flags, io))
}

const rounds = wholeNumber(1, MOST_ROUNDS)

function stepsOf(text: string): StepName[] {
  return text.split(',').map((word) => {
    const name = STEP_NAMES.find((one) => one === word.trim())
    if (name === undefined) throw new InvalidArgumentError(`There are ${STEP_NAMES.join(', ')}.`)
    return name
  })
}

async function compare(flags: Flags, io: Io): Promise<void> {
  const base = flags.quick === true ? QUICK : FULL
  const plan = { ...base, rounds: flags.rounds ?? base.rounds }
  const mqtt = flags.broker === undefined ? undefined : addressOf('--broker', flags.broker)
  const ws = flags.ws === undefined ? undefined : addressOf('--ws', flags.ws)
  const files = filesOf(flags)
  // Before anything is measured: a quarter of an hour later it would be a pity.
  for (const path of [files.json, files.html]) if (path !== undefined) write(path, '', 'a')
  const isSilent = flags.json === true
  const progress = new Progress(io, isSilent)
  const forget = endOnSignals(progress)
  let results: Results
  try {
    results = await runComparison({
      plan,
      only: flags.only,
      mqtt,
      ws,
      version: ownVersion(),
      command: ['topicwire compare', ...wordsOf(flags, mqtt?.text, ws?.text)].join(' '),
      onStep: (what, done, all) => progress.show(what, done, all),
    })
  } finally {
    forget()
    progress.end()
  }
  const json = `${JSON.stringify(results, undefined, 1)}\n`
  if (files.json !== undefined) write(files.json, json)
  if (files.html !== undefined) write(files.html, reportPage(results))
  if (isSilent) {
    io.out(json)
    return
  }
  io.out(tableOf(results))
  const written = [files.html, files.json].filter((path) => path !== undefined)
  if (written.length > 0) io.out(`\nWritten: ${written.join(', ')}\n`)
}

function filesOf({ quick, json, html }: Flags): { json: string | undefined; html: string | undefined } {
  const isFull = quick !== true
  return {
    json: json === true ? undefined : (json ?? (isFull ? `${DEFAULT_NAME}.json` : undefined)),
    html: html ?? (isFull && json !== true ? `${DEFAULT_NAME}.html` : undefined),
  }
}

/** @throws Exit with 2 where the file cannot be written. */
function write(path: string, text: string, flag: 'w' | 'a' = 'w'): void {
  try {
    writeFileSync(path, text, { flag })
  } catch (error) {
    throw wrongUsage(`${path} cannot be written (${(error as NodeJS.ErrnoException).code}).`)
  }
}

/** What was asked for, without a log-in. */
function wordsOf(flags: Flags, mqtt: string | undefined, ws: string | undefined): string[] {
  return [
    ...(flags.quick === true ? ['--quick'] : []),
    ...(flags.only === undefined ? [] : ['--only', flags.only.join(',')]),
    ...(flags.rounds === undefined ? [] : ['--rounds', String(flags.rounds)]),
    ...(mqtt === undefined ? [] : ['--broker', mqtt]),
    ...(ws === undefined ? [] : ['--ws', ws]),
  ]
}

/** A line that is written over on a terminal; in a pipe a line now and then. */
class Progress {
  readonly #line: ProgressLine
  readonly #io: Io
  readonly #isSilent: boolean
  #lastMs = 0

  constructor(io: Io, isSilent: boolean) {
    this.#io = io
    this.#line = new ProgressLine(io)
    this.#isSilent = isSilent
  }

  show(what: string, done: number, all: number): void {
    if (this.#isSilent) return
    const text = `${String(Math.floor((done * 100) / all)).padStart(3)} %  ${what}`
    if (this.#line.isOnTerminal) {
      this.#line.show(text)
      return
    }
    if (performance.now() - this.#lastMs < LINE_EVERY_MS && this.#lastMs > 0) return
    this.#lastMs = performance.now()
    this.#io.error(`${text}\n`)
  }

  end(): void {
    this.#line.clear()
  }
}

const LINE_EVERY_MS = 5_000

/** At once: the servers end with this process, and nothing that is half measured is worth waiting for. */
function endOnSignals(progress: Progress): () => void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const end = (signal: NodeJS.Signals) => {
    progress.end()
    dieOf(signal)
  }
  for (const signal of signals) process.on(signal, end)
  return () => {
    for (const signal of signals) process.off(signal, end)
  }
}

function ownVersion(): string {
  const manifest = new URL('../../../package.json', import.meta.url)
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version?: string }
  if (version === undefined) throw new Exit(EXIT_FAILURE, 'package.json has no version.')
  return version
}
