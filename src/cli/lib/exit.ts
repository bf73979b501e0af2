/** How a command ends: exit codes, and the one sentence on standard error that goes with them. */
import { type ErrorCode, MqttError } from '../../errors.js'
import type { Io } from './io.js'

/** Something failed while running. */
export const EXIT_FAILURE = 1
/** Wrong usage or configuration. */
export const EXIT_USAGE = 2

/** Thrown by a command that is over with a code of its own. An empty message says nothing. */
export class Exit extends Error {
  readonly exitCode: number

  constructor(exitCode: number, message = '') {
    super(message)
    this.exitCode = exitCode
  }
}

/** A mistake on the command line that commander cannot see. */
export function wrongUsage(message: string): Exit {
  return new Exit(EXIT_USAGE, message)
}

/** What the operator mends by saying something else. */
const USAGE_ERRORS: ReadonlySet<ErrorCode> = new Set([
  'ERR_MQTT_INVALID_CONFIG',
  'ERR_MQTT_INVALID_OPTION',
  'ERR_MQTT_TLS',
])

/** One sentence on standard error; a stack trace only for what nobody foresaw. Answers the exit code. */
export function report(error: unknown, io: Io): number {
  if (error instanceof Exit) {
    if (error.message !== '') say(error.message, io)
    return error.exitCode
  }
  if (!(error instanceof MqttError)) {
    say(error instanceof Error ? (error.stack ?? error.message) : String(error), io)
    return EXIT_FAILURE
  }
  say(error.message, io)
  return USAGE_ERRORS.has(error.code) ? EXIT_USAGE : EXIT_FAILURE
}

function say(message: string, io: Io): void {
  for (const line of message.split('\n')) io.error(`topicwire: ${line}\n`)
}
