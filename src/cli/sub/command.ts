/** `topicwire sub`: mosquitto_sub's letters. */
import { type Command, Option } from 'commander'
import { addConnectionFlags, type ConnectionFlags, readConnectionFlags } from '../lib/connection-flags.js'
import { Exit, wrongUsage } from '../lib/exit.js'
import type { Io } from '../lib/io.js'
import { addPrintFlags, FORMAT_HELP, Printer, type PrintFlags } from '../lib/printer.js'
import { CommandWithProperties } from '../lib/properties.js'
import { whenNobodyReads } from '../lib/reader-gone.js'
import { runSession } from '../lib/run-session.js'
import { checkTopicFilter } from '../lib/topics.js'
import { collect, percentage, qosOf, seconds, wholeNumber } from '../lib/values.js'
import { Subscriber } from './subscriber.js'

export interface SubFlags extends ConnectionFlags, PrintFlags {
  topic?: readonly string[]
  filterOut?: readonly string[]
  unsubscribe?: readonly string[]
  qos?: 0 | 1 | 2
  C?: number
  W?: number
  E?: boolean
  R?: boolean
  retainedOnly?: boolean
  removeRetained?: boolean
  retainAsPublished?: boolean
  randomFilter?: number
}

const EXAMPLES = `
Examples:
  topicwire sub -t 'sensors/#' -v                       topics and payloads
  topicwire sub -t 'sensors/+/temperature' -C 1 -W 10   the next one; exit code 27 if there is none in 10 s
  topicwire sub -t '#' --json | jq .topic               for programs
  topicwire sub -t '#' -F '@H:@M:@S %-30t %p'           your own columns
  topicwire sub -t 'old/#' --remove-retained --retained-only -W 5

Exit codes: 0 in order, 1 something failed, 2 wrong usage, 27 timed out (-W), 130 Ctrl+C, the Reason Code (128 and more; 1
to 5 before MQTT 5.0) where the server refused.`

export function subCommand(io: Io): Command {
  const command = new CommandWithProperties()
    .description('Subscribes, and prints the messages that arrive.')
    .option('-t, --topic <filter>', 'a topic filter, with + and #; can be repeated', collect)
    .option('-T, --filter-out <filter>', 'do not print these; can be repeated', collect)
    .option('-U, --unsubscribe <filter>', 'unsubscribe from it; can be repeated', collect)
    .option('-q, --qos <qos>', 'the highest QoS wanted: 0, 1 or 2 (default: 0)', qosOf)
    .option('-C <count>', 'end after that many messages', wholeNumber(1, 4_294_967_295))
    .option('-W <seconds>', 'end after that time, with exit code 27', seconds)
    .option('-E', 'end when the server has confirmed the subscriptions')
  addPrintFlags(command)
    .addOption(new Option('-R', 'do not print retained messages').conflicts('retainedOnly'))
    .option('--retained-only', 'print retained messages only, and end at the first other one')
    .option('--remove-retained', 'remove each retained message from the server')
    .option('--retain-as-published', 'leave the retain flag as the publisher set it')
    .option('--random-filter <percent>', 'print only so many of the messages, at random', percentage)
  return addConnectionFlags(command)
    .addHelpText('after', FORMAT_HELP + EXAMPLES)
    .action((flags: SubFlags) => subscribe(flags, io))
}

async function subscribe(flags: SubFlags, io: Io): Promise<void> {
  const settings = readConnectionFlags(flags)
  const filters = [...(flags.topic ?? []), ...(settings.urlTopic === undefined ? [] : [settings.urlTopic])]
  if (filters.length === 0 && flags.unsubscribe === undefined)
    throw wrongUsage('Which topics? -t names them.')
  for (const filter of filters) checkTopicFilter(filter, '-t')
  for (const filter of flags.filterOut ?? []) checkTopicFilter(filter, '-T')
  for (const filter of flags.unsubscribe ?? []) checkTopicFilter(filter, '-U')
  if (flags.retainAsPublished && settings.version !== 5) {
    throw wrongUsage('--retain-as-published: only MQTT 5.0 has it (-V 5).')
  }
  const warn = (text: string): void => {
    if (!settings.quiet) io.error(`topicwire: ${text}\n`)
  }
  const subscriber = new Subscriber(settings, flags, filters, new Printer(flags, warn), io)
  whenNobodyReads(() => subscriber.session.stop(new Exit(0)))
  await runSession(subscriber.session, () => subscriber.run())
}
