/** Received messages on standard output, in the form that `-v`, `-F`, `-N` and `--json` ask for. */
import type { Writable } from 'node:stream'
import type { WriteStream } from 'node:tty'
import { type Command, Option } from 'commander'
import { type Format, FormatError, NotJson, parseFormat } from '../format/format.js'
import { messageJson } from '../format/json.js'
import type { ReceivedMessage } from '../format/message.js'
import { wrongUsage } from './exit.js'
import { escapeLines } from './plain-text.js'

/** As commander leaves them. */
export interface PrintFlags {
  F?: string
  json?: boolean
  pretty?: boolean
  verbose?: boolean
  N?: boolean
}

export function addPrintFlags(command: Command): Command {
  return command
    .option('-v, --verbose', 'print the topic before each payload')
    .addOption(
      new Option('-F <format>', 'print messages like this, for instance %t %p (see below)').conflicts('json'),
    )
    .addOption(new Option('--json', 'print each message as a line of JSON'))
    .option('--pretty', 'indent the JSON of --json, %j and %J')
    .option('-N', 'print nothing after a message, not even a line end')
}

/** What `-F` understands, for `--help`. */
export const FORMAT_HELP = `
Formats (-F):
  %t topic            %p payload          %x %X payload in hexadecimal    %l its length in bytes
  %q QoS              %r retained (0, 1)  %m packet id                    %j %J JSON
  %I time, ISO 8601   %U time in seconds  %A topic alias                  %C content type
  %D correlation data %E message expiry   %F payload format               %R response topic
  %S subscription id  %P user properties  @H @M … as in strftime          @N nanoseconds
  %10t at least 10 wide, %-10t to the left, %05l with zeros, %.10t at most 10
  \\n \\t \\r \\v \\a \\e \\0 \\\\ characters`

/** How a message is to be printed; undefined for one that cannot be, with the reason said. */
type Rendering = (message: ReceivedMessage) => Buffer | string | undefined

/** Prints messages, and knows when the reader of standard output is slower than they come. */
export class Printer {
  readonly #output: Writable
  readonly #render: Rendering
  readonly #waiting: (() => void)[] = []
  #isFull = false
  #isCorked = false

  constructor(flags: PrintFlags, warn: (text: string) => void, output: Writable = process.stdout) {
    this.#output = output
    this.#render = renderingOf(flags, warn, (output as Partial<WriteStream>).isTTY === true)
    output.on('drain', () => {
      this.#isFull = false
      for (const ready of this.#waiting.splice(0)) ready()
    })
  }

  print(message: ReceivedMessage): void {
    const text = this.#render(message)
    if (text === undefined || text.length === 0) return
    this.#cork()
    if (!this.#output.write(text)) this.#isFull = true
  }

  /** Calls back when there is room for another message. */
  whenReady(ready: () => void): void {
    if (this.#isFull) this.#waiting.push(ready)
    else ready()
  }

  /** What is printed in one turn is written in one piece. */
  #cork(): void {
    if (this.#isCorked) return
    this.#isCorked = true
    this.#output.cork()
    setImmediate(() => {
      this.#isCorked = false
      this.#output.uncork()
    })
  }
}

/** On a terminal nothing that a peer sends is obeyed, unless `-F` asks for it as it is. */
function renderingOf(flags: PrintFlags, warn: (text: string) => void, isTerminal: boolean): Rendering {
  const end = flags.N ? '' : '\n'
  const { pretty = false } = flags
  const shown = (bytes: Buffer): Buffer | string => (isTerminal ? escapeLines(bytes) : bytes)
  if (flags.json) return (message) => shown(Buffer.from(messageJson(message, pretty) + end))
  if (flags.F !== undefined) return formatted(readFormat(flags.F, pretty), end, warn)
  if (flags.verbose) {
    // As mosquitto_sub has it: an empty payload is shown, unless nothing but payloads is wanted.
    return ({ topic, payload }) => {
      if (payload.length === 0) return flags.N ? undefined : `${topic} (null)${end}`
      return shown(Buffer.concat([Buffer.from(`${topic} `), payload, Buffer.from(end)]))
    }
  }
  return ({ payload }) =>
    payload.length === 0 ? undefined : shown(Buffer.concat([payload, Buffer.from(end)]))
}

function formatted(format: Format, end: string, warn: (text: string) => void): Rendering {
  const tail = Buffer.from(end)
  return (message) => {
    try {
      return Buffer.concat([format(message), tail])
    } catch (error) {
      if (!(error instanceof NotJson)) throw error
      warn(error.message)
      return undefined
    }
  }
}

function readFormat(text: string, pretty: boolean): Format {
  try {
    return parseFormat(text, pretty)
  } catch (error) {
    if (error instanceof FormatError) throw wrongUsage(`-F: ${error.message}`)
    throw error
  }
}
