/** `topicwire ls`: which topics there are, as a live tree on a terminal, as lines or JSON in a pipe. */
import { Command, Option } from 'commander'
import { wantsColor } from '../banner.js'
import type { Io } from '../lib/io.js'
import { addServerFlags, type ServerFlags, serverOf } from '../lib/server-flags.js'
import { seconds, wholeNumber } from '../lib/values.js'
import { listTopics } from './listing.js'
import { showLive } from './live.js'
import { checkFilters } from './watch.js'

/** What `ls` is told beside the server. */
export interface LsFlags extends ServerFlags {
  readonly for?: number
  readonly json?: boolean
  readonly maxTopics: number
  readonly sort: 'name' | 'rate' | 'time'
}

/** How long topics are collected in a pipe, unless something else is said. */
const DEFAULT_SECS = 5
const DEFAULT_MAXIMUM_TOPICS = 10_000

const EXAMPLES = `
Examples:
  topicwire ls                                   all topics of the broker on this machine, live
  topicwire ls -h test.mosquitto.org 'sensors/#' some topics of another
  topicwire ls '#' '$SYS/#'                      with those about the broker, which # leaves out
  topicwire ls --for 10 | sort -k3 -n            ten seconds of topics, a line each
  topicwire ls --for 10 --json                   the same for a program

On a terminal: arrows, Page Up, Page Down, Home, End scroll; s sorts by name, rate, time; q or Ctrl+C ends.
In a pipe, or with --for: topic, messages, messages a second, last value, separated by tabs.

Exit codes: 0 ended in order, 1 the connection failed, 2 wrong usage, or the code with which the server refused.`

/** The command, for the frame in src/cli/commands.ts. */
export function lsCommand(io: Io): Command {
  return addServerFlags(new Command('ls'))
    .description('Shows the topics of a server as a tree, with their last values and their rates.')
    .argument('[filters...]', 'topic filters (default: #)')
    .option(
      '--for <seconds>',
      `collect for so long, then print and end (in a pipe: ${DEFAULT_SECS})`,
      seconds,
    )
    .option('--json', 'print one JSON document instead of lines')
    .addOption(
      new Option('--sort <order>', 'how levels are sorted').choices(['name', 'rate', 'time']).default('name'),
    )
    .option(
      '--max-topics <count>',
      'remember so many topics at most',
      wholeNumber(1, 1_000_000),
      DEFAULT_MAXIMUM_TOPICS,
    )
    .addHelpText('after', EXAMPLES)
    .action(async (given: readonly string[], flags: LsFlags) => {
      const filters = given.length === 0 ? ['#'] : given
      checkFilters(filters)
      const server = serverOf(flags)
      const request = { server, filters, maximumTopics: flags.maxTopics, order: flags.sort }
      const { stdin, stdout } = process
      const isLive = stdin.isTTY === true && stdout.isTTY === true && flags.for === undefined && !flags.json
      if (isLive) await showLive({ ...request, color: wantsColor(true, process.env) }, stdin, stdout)
      else
        await listTopics({ ...request, forSecs: flags.for ?? DEFAULT_SECS, isJson: flags.json === true }, io)
    })
}
