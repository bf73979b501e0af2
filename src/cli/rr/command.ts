/** `topicwire rr`: mosquitto_rr's letters. */
import { randomBytes } from 'node:crypto'
import type { Command } from 'commander'
import { type ReceivedMessage, receivedMessage } from '../format/message.js'
import {
  addConnectionFlags,
  type ConnectionFlags,
  type ConnectionSettings,
  readConnectionFlags,
} from '../lib/connection-flags.js'
import { Exit, wrongUsage } from '../lib/exit.js'
import type { Io } from '../lib/io.js'
import { addPayloadFlags, checkPayloadFlags, type PayloadFlags, readPayload } from '../lib/payload.js'
import { addPrintFlags, FORMAT_HELP, Printer, type PrintFlags } from '../lib/printer.js'
import { CommandWithProperties } from '../lib/properties.js'
import { runSession } from '../lib/run-session.js'
import { Session } from '../lib/session.js'
import { checkTopicName } from '../lib/topics.js'
import { qosOf, seconds } from '../lib/values.js'

interface RrFlags extends ConnectionFlags, PayloadFlags, PrintFlags {
  topic?: string
  e?: string
  qos?: 0 | 1 | 2
  R?: boolean
  W?: number
}

const EXAMPLES = `
Examples:
  topicwire rr -t devices/1/status -m now -W 5
  topicwire rr -t rpc/add -m '{"a":1,"b":2}' -F %J

The response topic is made up unless -e names one: below what the server gives for it (Response Information), else below
topicwire/responses. So is the correlation data unless there is a -D PUBLISH correlation-data. A response with other
correlation data is another's, and is left alone.

Exit codes: 0 there was a response, 1 something failed, 2 wrong usage, 27 timed out (-W), the Reason Code (128 and more; 1
to 5 before MQTT 5.0) where the server refused.`

export function rrCommand(io: Io): Command {
  const command = new CommandWithProperties()
    .description('Publishes a request and prints its response.')
    .option('-t, --topic <topic>', 'the topic of the request')
    .option('-e <topic>', 'the response topic (default: one of our own)')
  addPayloadFlags(command)
    .option('-q, --qos <qos>', 'QoS of the request, and the highest of the response (default: 0)', qosOf)
    .option('-W <seconds>', 'give up after that time, with exit code 27', seconds)
    .option('-R', 'a retained message is no response')
  addPrintFlags(command)
  return addConnectionFlags(command)
    .addHelpText('after', FORMAT_HELP + EXAMPLES)
    .action((flags: RrFlags) => request(flags, io))
}

async function request(flags: RrFlags, io: Io): Promise<void> {
  const settings = readConnectionFlags(flags)
  const topic = flags.topic ?? settings.urlTopic
  if (topic === undefined) throw wrongUsage('Which topic? -t names it.')
  checkTopicName(topic, '-t')
  if (flags.e !== undefined) checkTopicName(flags.e, '-e')
  if (flags.e === undefined && settings.version !== 5) {
    throw wrongUsage(
      '-e: before MQTT 5.0 a request cannot say where its response belongs, so name the topic.',
    )
  }
  checkPayloadFlags(flags, '-m, -f, -n, -s')
  const payload = await readPayload(flags)

  const given = settings.properties.get('publish')
  const correlationData = (given?.correlationData as Buffer | undefined) ?? randomBytes(16)
  const isResponse = ({ retain, properties }: ReceivedMessage): boolean => {
    if (retain && flags.R) return false
    // Who answers without any is older than the property, or sloppy; who answers with another's is not for us.
    const theirs = properties.correlationData as Buffer | undefined
    return theirs === undefined || settings.version !== 5 || correlationData.equals(theirs)
  }
  const warn = (text: string): void => {
    if (!settings.quiet) io.error(`topicwire: ${text}\n`)
  }
  const printer = new Printer(flags, warn)
  let isAnswered = false
  const session: Session = new Session(
    flags.e === undefined ? askingWhere(settings) : settings,
    io,
    {
      take: (topicName, bytes, packet) => {
        const message = receivedMessage(topicName, bytes, packet)
        if (isAnswered || !isResponse(message)) return
        isAnswered = true
        printer.print(message)
        session.stop(new Exit(0))
      },
      whenReady: (ready) => ready(),
    },
    flags.W,
  )
  await runSession(session, async () => {
    await session.connected()
    const responseTopic = flags.e ?? ownResponseTopic(session.client.serverProperties?.responseInformation)
    const qos = flags.qos ?? 0
    await session.race(session.client.subscribeAsync(responseTopic, { qos }))
    const properties = { responseTopic, correlationData, ...given }
    await session.race(
      session.client.publishAsync(topic, payload, {
        qos,
        ...(settings.version === 5 && { properties }),
      }),
    )
    await session.over
  })
}

/** The server is asked for Response Information, unless -D CONNECT has said whether it is. */
function askingWhere(settings: ConnectionSettings): ConnectionSettings {
  const { options } = settings
  const properties = { requestResponseInformation: true, ...options.properties }
  return { ...settings, options: { ...options, properties } }
}

/** A topic that nobody guesses, below what the server gives for it. */
function ownResponseTopic(information = ''): string {
  const place = information === '' ? 'topicwire/responses' : information.replace(/\/$/, '')
  return `${place}/${randomBytes(8).toString('hex')}`
}
