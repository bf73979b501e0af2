/** Asks for a secret: without echo on a terminal, else the first line of standard input. */
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { Writable } from 'node:stream'
import { Exit, wrongUsage } from './exit.js'
import type { Io } from './io.js'

/** What a shell reports of a process that Ctrl+C ended. */
const EXIT_INTERRUPTED = 130
/** An MQTT password has at most so many bytes. */
const MAXIMUM_BYTES = 65_535

/** Standard input, or a stand-in. */
export type SecretSource = Readable & { readonly isTTY?: boolean }

/**
 * Asks until there is a line. Questions go to standard error, so that standard output can be redirected.
 *
 * @throws Exit where there is none: Ctrl+C, Ctrl+D, an empty line, too long a one.
 */
export async function readSecret(
  question: string,
  io: Io,
  source: SecretSource = process.stdin,
): Promise<string> {
  const secret = source.isTTY === true ? await ask(question, io, source) : await firstLine(source)
  if (secret === '') throw wrongUsage('The password is empty. Nothing was changed.')
  if (Buffer.byteLength(secret) > MAXIMUM_BYTES) throw wrongUsage('A password has at most 65535 bytes.')
  return secret
}

/** Node edits the line; what it would echo goes nowhere. */
async function ask(question: string, io: Io, source: SecretSource): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: source, output: nowhere, terminal: true, historySize: 0 })
  io.error(question)
  try {
    return await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve)
      lines.once('SIGINT', () => reject(new Exit(EXIT_INTERRUPTED)))
      lines.once('close', () => reject(wrongUsage('No password was given. Nothing was changed.')))
    })
  } finally {
    lines.close()
    io.error('\n')
  }
}

async function firstLine(source: SecretSource): Promise<string> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of source) {
    const bytes = Buffer.from(piece as Uint8Array)
    pieces.push(bytes)
    length += bytes.length
    if (bytes.includes(0x0a) || length > MAXIMUM_BYTES + 2) break
  }
  return Buffer.concat(pieces).toString('utf8').split(/\r?\n/, 1)[0] ?? ''
}
