/** `topicwire pub`: mosquitto_pub's letters. */
import { type Command, Option } from 'commander'
import { addConnectionFlags, type ConnectionFlags, readConnectionFlags } from '../lib/connection-flags.js'
import { Exit, wrongUsage } from '../lib/exit.js'
import type { Io } from '../lib/io.js'
import { addPayloadFlags, checkPayloadFlags, type PayloadFlags, readPayload } from '../lib/payload.js'
import { CommandWithProperties } from '../lib/properties.js'
import { runSession } from '../lib/run-session.js'
import { Session } from '../lib/session.js'
import { checkTopicName } from '../lib/topics.js'
import { qosOf, seconds, wholeNumber } from '../lib/values.js'
import { publishLines, publishRepeatedly } from './publish.js'

interface PubFlags extends ConnectionFlags, PayloadFlags {
  topic?: string
  qos?: 0 | 1 | 2
  retain?: boolean
  W?: number
  repeat?: number
  repeatDelay?: number
}

const EXAMPLES = `
Examples:
  topicwire pub -t sensors/1/temperature -m 21.5
  topicwire pub -L mqtts://user:secret@example.org/sensors/1/temperature -m 21.5 -q 1 -r
  tail -f log.txt | topicwire pub -t log -l
  topicwire pub -t camera/1 -f photo.jpg -D PUBLISH content-type image/jpeg
  topicwire pub -t sensors/1/temperature -n -r          clears the retained message

Exit codes: 0 published, 1 something failed, 2 wrong usage, 27 timed out (-W), the Reason Code (128 and more; 1 to 5
before MQTT 5.0) where the server refused.`

export function pubCommand(io: Io): Command {
  const command = new CommandWithProperties()
    .description('Publishes messages.')
    .option('-t, --topic <topic>', 'the topic')
  addPayloadFlags(command)
    .addOption(new Option('-l, --stdin-line', 'each line of standard input is a message'))
    .option('-q, --qos <qos>', 'QoS: 0, 1 or 2 (default: 0)', qosOf)
    .option('-r, --retain', 'the server is to keep it for those who subscribe later')
    .addOption(
      new Option('--repeat <count>', 'publish the message that many times')
        .argParser(wholeNumber(1, 4_294_967_295))
        .conflicts('stdinLine'),
    )
    .option('--repeat-delay <seconds>', 'pause between them', seconds)
    .option('-W <seconds>', 'give up after that time, with exit code 27', seconds)
  return addConnectionFlags(command)
    .addHelpText('after', EXAMPLES)
    .action((flags: PubFlags) => publish(flags, io))
}

async function publish(flags: PubFlags, io: Io): Promise<void> {
  const settings = readConnectionFlags(flags)
  if (flags.topic !== undefined && settings.urlTopic !== undefined) {
    throw wrongUsage('-t and the URL of -L both name a topic.')
  }
  const topic = flags.topic ?? settings.urlTopic
  if (topic === undefined) throw wrongUsage('Which topic? -t names it.')
  checkTopicName(topic, '-t')
  checkPayloadFlags(flags, '-m, -f, -l, -n, -s')
  const payload = flags.stdinLine ? undefined : await readPayload(flags)
  const properties = settings.properties.get('publish')
  const message = {
    topic,
    options: {
      qos: flags.qos ?? 0,
      retain: flags.retain ?? false,
      ...(properties !== undefined && { properties }),
    },
  }
  await runSession(new Session(settings, io, undefined, flags.W), async (session) => {
    await session.connected()
    const work =
      payload === undefined
        ? publishLines(session, message)
        : publishRepeatedly(session, message, payload, flags.repeat ?? 1, flags.repeatDelay ?? 0)
    await session.race(work)
    throw new Exit(0)
  })
}
