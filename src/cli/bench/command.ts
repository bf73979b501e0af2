/** `topicwire bench`: a load generator with the words of MQTTX. */
import type { Command } from 'commander'
import type { Io } from '../lib/io.js'
import { collect, qosOf, seconds, wholeNumber } from '../lib/values.js'
import { benchConn } from './conn.js'
import { addBenchFlags, BenchCommand, type BenchFlags, benchSettings, someMilliseconds } from './flags.js'
import { benchPub } from './pub.js'
import { benchSub } from './sub.js'

interface PubFlags extends BenchFlags {
  readonly topic: string
  readonly qos: 0 | 1 | 2
  readonly retain?: boolean
  readonly message?: string
  readonly payloadSize: number
  readonly messageInterval: number
  readonly limit: number
}

interface SubFlags extends BenchFlags {
  readonly topic: readonly string[]
  readonly qos: 0 | 1 | 2
  readonly limit: number
}

const DEFAULT_PAYLOAD_BYTES = 100
const MAXIMUM_PAYLOAD_BYTES = 16 * 1024 * 1024
const MAXIMUM_MESSAGES = Number.MAX_SAFE_INTEGER

const EXAMPLES = `
Examples:
  topicwire bench conn -c 5000 -i 1                            5000 connections, one every millisecond
  topicwire bench sub -c 10 -t 'bench/#'                       ten subscribers, until Ctrl+C
  topicwire bench pub -c 100 -im 100 -t bench/%i -q 1 --for 30 100 clients, each 10 messages a second
  topicwire bench pub -c 1 -im 0.1 -t bench -L 100000 --json   10000 messages a second, for a program

Messages are due by the clock, and latencies are measured from when they were due: a server that stalls cannot hide it.
Payloads of bench pub carry that time, and bench sub measures until they arrive; on two machines by both clocks.

Exit codes: 0 ended in order, 1 nobody could connect, 2 wrong usage, or the code with which the server refused.`

/** The command, for the frame in src/cli/commands.ts. */
export function benchCommand(io: Io): Command {
  const bench = new BenchCommand('bench')
    .description('Loads a server with connections or messages, and measures it.')
    .helpOption('--help', 'print this and end')
    .addHelpText('after', EXAMPLES)
  addConn(bench, io)
  addPub(bench, io)
  addSub(bench, io)
  return bench
}

function addConn(bench: Command, io: Io): void {
  addBenchFlags(bench.command('conn'))
    .description('Opens connections, and measures each from when it was due until CONNACK.')
    .option('--for <seconds>', 'then keep them open for so long', seconds)
    .addHelpText('after', '\nExample:\n  topicwire bench conn -h broker.example.org -c 5000 -i 1 --for 60')
    .action((flags: BenchFlags) => benchConn(benchSettings(flags), io))
}

function addPub(bench: Command, io: Io): void {
  addBenchFlags(bench.command('pub'))
    .description(
      'Publishes by schedule, and measures each message from when it was due until it is acknowledged.',
    )
    .requiredOption(
      '-t, --topic <topic>',
      'with %i for the number of the client, %c its id, %u its user name',
    )
    .option(
      '--message-interval <ms>',
      'also -im: milliseconds between two messages of one client',
      someMilliseconds,
      1_000,
    )
    .option('-q, --qos <qos>', 'QoS', qosOf, 0 as 0 | 1 | 2)
    .option('-r, --retain', 'retained messages')
    .option('-m, --message <text>', 'the payload')
    .option(
      '-S, --payload-size <bytes>',
      'instead, a payload of this size; from 16 on it carries its time',
      wholeNumber(0, MAXIMUM_PAYLOAD_BYTES),
      DEFAULT_PAYLOAD_BYTES,
    )
    .option(
      '-L, --limit <number>',
      'messages of all clients; 0: no limit',
      wholeNumber(0, MAXIMUM_MESSAGES),
      0,
    )
    .option('--for <seconds>', 'end after so long (default: at the limit, or at Ctrl+C)', seconds)
    .addHelpText('after', '\nExample:\n  topicwire bench pub -c 100 -im 100 -t bench/%i -q 1 --for 30')
    .action((flags: PubFlags) =>
      benchPub(
        {
          ...benchSettings(flags),
          topic: flags.topic,
          qos: flags.qos,
          retain: flags.retain === true,
          message: flags.message,
          payloadBytes: flags.payloadSize,
          messageIntervalMs: flags.messageInterval,
          limit: flags.limit || Number.POSITIVE_INFINITY,
          username: flags.username,
        },
        io,
      ),
    )
}

function addSub(bench: Command, io: Io): void {
  addBenchFlags(bench.command('sub'))
    .description('Subscribes, and measures what arrives and how long it was under way from bench pub.')
    .requiredOption(
      '-t, --topic <filter>',
      'with %i, %c, %u as in bench pub; may be given more than once',
      collect,
    )
    .option('-q, --qos <qos>', 'QoS', qosOf, 0 as 0 | 1 | 2)
    .option(
      '-L, --limit <number>',
      'end after so many messages; 0: no limit',
      wholeNumber(0, MAXIMUM_MESSAGES),
      0,
    )
    .option('--for <seconds>', 'end so long after all have connected (default: at Ctrl+C)', seconds)
    .addHelpText('after', "\nExample:\n  topicwire bench sub -c 10 -t 'bench/#' -L 10000 --json")
    .action((flags: SubFlags) =>
      benchSub(
        {
          ...benchSettings(flags),
          topics: flags.topic,
          qos: flags.qos,
          limit: flags.limit || Number.POSITIVE_INFINITY,
          username: flags.username,
        },
        io,
      ),
    )
}
