/** Where the payload comes from: `-m`, `-f`, `-n`, `-s`, and for `pub` the lines of `-l`. */
import { readFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { EXIT_FAILURE, Exit, wrongUsage } from './exit.js'

/** As commander leaves them. */
export interface PayloadFlags {
  message?: string
  file?: string
  nullMessage?: boolean
  stdinFile?: boolean
  stdinLine?: boolean
}

const SOURCES = ['message', 'file', 'nullMessage', 'stdinFile', 'stdinLine'] as const

export function addPayloadFlags(command: Command): Command {
  return command
    .addOption(new Option('-m, --message <text>', 'the message').conflicts([...SOURCES.slice(1)]))
    .addOption(new Option('-f, --file <file>', 'a file is the message').conflicts([...SOURCES.slice(2)]))
    .addOption(new Option('-n, --null-message', 'an empty message').conflicts([...SOURCES.slice(3)]))
    .addOption(new Option('-s, --stdin-file', 'standard input is the message').conflicts('stdinLine'))
}

/** @throws Exit with 2 where no flag says what the message is. */
export function checkPayloadFlags(flags: PayloadFlags, letters: string): void {
  if (SOURCES.every((source) => flags[source] === undefined)) {
    throw wrongUsage(`What is the message? One of ${letters} says it.`)
  }
}

/** The one payload. An empty file is a mistake more often than not: `-n` is for those who mean it. */
export async function readPayload({ message, file, stdinFile }: PayloadFlags): Promise<Buffer> {
  if (message !== undefined) return Buffer.from(message)
  if (file !== undefined) return notEmpty(readFile(file), file)
  if (stdinFile) {
    const chunks: Uint8Array[] = []
    for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) chunks.push(chunk)
    return notEmpty(Buffer.concat(chunks), 'standard input')
  }
  return Buffer.alloc(0)
}

function readFile(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new Exit(EXIT_FAILURE, `${path} cannot be read (${(error as NodeJS.ErrnoException).code}).`)
  }
}

function notEmpty(payload: Buffer, name: string): Buffer {
  if (payload.length === 0) throw new Exit(EXIT_FAILURE, `${name} is empty; -n sends an empty message.`)
  return payload
}
