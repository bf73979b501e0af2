/** `topicwire simulate`: plays a scenario file against a server. */
import { Command } from 'commander'
import { EXIT_FAILURE, Exit } from '../lib/exit.js'
import { untilInterrupted } from '../lib/interrupt.js'
import { type Io, whenReaderGone } from '../lib/io.js'
import { ProgressLine } from '../lib/progress.js'
import { addServerFlags, type ServerFlags, serverOf } from '../lib/server-flags.js'
import { seconds, wholeNumber } from '../lib/values.js'
import { Fleet, type FleetCounts } from './fleet.js'
import { readScenario } from './scenario.js'

interface Flags extends ServerFlags {
  readonly for?: number
  readonly seed?: number
  readonly json?: boolean
  readonly check?: boolean
  readonly reportEvery: number
}

const REDRAW_MS = 250
const LARGEST_SEED = 4_294_967_295

const EXAMPLES = `
Examples:
  topicwire simulate thermostats.yaml              until Ctrl+C
  topicwire simulate thermostats.yaml --for 60     one minute
  topicwire simulate thermostats.yaml --seed 7     the same values in every run
  topicwire simulate thermostats.yaml --check      say what is wrong with the file, and end
  topicwire simulate thermostats.yaml --for 60 --json | tail -1

A scenario has groups of devices: their number, client ids, values, messages, period and jitter, QoS, will. The
package's documentation (docs/tools.md) has all of it, examples/thermostats.yaml is one.

Exit codes: 0 ended in order, 1 no device could connect, 2 wrong usage or scenario, or the code with which the server
refused the first device.`

/** The command, for the frame in src/cli/commands.ts. */
export function simulateCommand(io: Io): Command {
  return addServerFlags(new Command('simulate'))
    .description('Plays the devices of a scenario file: they connect, publish, and end in order.')
    .argument('<scenario>', 'a scenario file, YAML or JSON')
    .option('--for <seconds>', 'end so long after the first connection (default: at Ctrl+C)', seconds)
    .option('--seed <number>', 'makes values and times repeatable', wholeNumber(0, LARGEST_SEED))
    .option('--check', 'only check the file')
    .option('--json', 'print reports as JSON, one object a line')
    .option('--report-every <seconds>', 'time between two reports in a pipe', seconds, 5)
    .addHelpText('after', EXAMPLES)
    .action((path: string, flags: Flags) => run(path, flags, io))
}

async function run(path: string, flags: Flags, io: Io): Promise<void> {
  const scenario = readScenario(path)
  if (flags.check) return io.out('The scenario is valid.\n')
  const server = serverOf(flags)
  const seed = flags.seed ?? Math.floor(Math.random() * LARGEST_SEED)
  const fleet = new Fleet({ scenario, server, seed })
  const startedMs = performance.now()
  const report = new Reports(fleet.counts, flags, io, startedMs)
  const interrupt = untilInterrupted()
  let end: () => void = () => undefined
  const readerGone = new Promise<void>((resolve) => {
    end = resolve
  })
  whenReaderGone(end)
  fleet.start()
  report.start()
  try {
    await Promise.race([
      interrupt.promise,
      readerGone,
      timeUp(fleet.counts, flags.for),
      firstFailure(fleet.counts),
    ])
  } finally {
    report.stop()
    // The counts of the end are those from before the farewell.
    const summary = { ...fleet.counts }
    await fleet.stop()
    interrupt.dispose()
    if (summary.everConnected > 0) report.finish(summary)
  }
  const { everConnected, trouble, troubleCause } = fleet.counts
  if (everConnected > 0 || interrupt.isInterrupted()) return
  throw troubleCause === undefined
    ? new Exit(EXIT_FAILURE, trouble ?? `No device could connect to ${server.name}.`)
    : troubleCause
}

/** When the first thing that happens is an error there is no server to try again. */
async function firstFailure(counts: FleetCounts): Promise<void> {
  while (counts.everConnected === 0 && counts.trouble === undefined) await sleep(20)
  if (counts.everConnected > 0) await new Promise(() => undefined)
}

/** Counted from the first connection: how long that takes is the server's affair. */
async function timeUp(counts: FleetCounts, secs: number | undefined): Promise<void> {
  if (secs === undefined) return new Promise(() => undefined)
  while (counts.everConnected === 0) await sleep(20)
  return sleep(secs * 1_000)
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}

/** A line on a terminal, which is written over; lines in a pipe. */
class Reports {
  readonly #counts: FleetCounts
  readonly #flags: Flags
  readonly #io: Io
  readonly #progress: ProgressLine
  readonly #startedMs: number
  #last: { readonly atMs: number; readonly sent: number }
  #timers: NodeJS.Timeout[] = []

  constructor(counts: FleetCounts, flags: Flags, io: Io, startedMs: number) {
    this.#counts = counts
    this.#flags = flags
    this.#io = io
    this.#progress = new ProgressLine(io)
    this.#startedMs = startedMs
    this.#last = { atMs: startedMs, sent: 0 }
  }

  start(): void {
    const lines = process.stdout.isTTY !== true || this.#flags.json === true
    if (this.#progress.isOnTerminal && !lines)
      this.#timers.push(setInterval(() => this.#progress.show(lineOf(this.#state(false))), REDRAW_MS))
    const everyMs = Math.max(this.#flags.reportEvery * 1_000, REDRAW_MS)
    if (lines) this.#timers.push(setInterval(() => this.#print(this.#state(true)), everyMs))
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer)
    this.#progress.clear()
  }

  finish(counts: FleetCounts): void {
    const elapsedSecs = (performance.now() - this.#startedMs) / 1_000
    const ratePerSec = counts.sent / Math.max(elapsedSecs, 0.001)
    const state = { ...counts, elapsedSecs, ratePerSec }
    if (this.#flags.json) this.#io.out(`${JSON.stringify({ end: true, ...plain(state) })}\n`)
    else this.#io.out(`Ended: ${lineOf(state)}\n`)
  }

  #print(state: State): void {
    this.#io.out(
      this.#flags.json ? `${JSON.stringify({ end: false, ...plain(state) })}\n` : `${lineOf(state)}\n`,
    )
  }

  /** The rate is that since the last report; on a terminal over a second or so. */
  #state(always: boolean): State {
    const nowMs = performance.now()
    const passedMs = nowMs - this.#last.atMs
    const ratePerSec = ((this.#counts.sent - this.#last.sent) * 1_000) / Math.max(passedMs, 1)
    if (always || passedMs >= 2_000) this.#last = { atMs: nowMs, sent: this.#counts.sent }
    return { ...this.#counts, elapsedSecs: (nowMs - this.#startedMs) / 1_000, ratePerSec }
  }
}

interface State extends Readonly<FleetCounts> {
  readonly elapsedSecs: number
  readonly ratePerSec: number
}

function lineOf(state: State): string {
  const { devices, connected, sent, received, ratePerSec, missed, failed, lost, elapsedSecs, trouble } = state
  const parts = [
    `${connected} of ${devices} connected`,
    `${sent} sent`,
    `${ratePerSec.toFixed(1)}/s`,
    received > 0 && `${received} received`,
    missed > 0 && `${missed} missed`,
    failed > 0 && `${failed} failed`,
    lost > 0 && `${lost} connections lost`,
    `${elapsedSecs.toFixed(0)} s`,
    trouble,
  ]
  return parts.filter((part) => typeof part === 'string').join('  ')
}

function plain({ troubleCause: _, elapsedSecs, ratePerSec, ...counts }: State): Record<string, unknown> {
  return { elapsedSecs: Number(elapsedSecs.toFixed(3)), ratePerSec: Number(ratePerSec.toFixed(3)), ...counts }
}
