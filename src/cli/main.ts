#!/usr/bin/env node
/**
 * The command `topicwire`: tells a sub-command from the options of the broker, and runs it.
 *
 * Exit codes of them all: 0 ended in order, 1 something failed while running, 2 wrong usage or configuration. A
 * command may have others besides.
 */
import { EXIT_USAGE, report } from './lib/exit.js'
import { type Io, processIo, watchStreams } from './lib/io.js'

/** Resolves with an exit code, or with undefined when the command goes on or has set one. */
async function main(args: readonly string[], io: Io): Promise<number | undefined> {
  const [word, ...rest] = args
  if (word === undefined || word.startsWith('-')) return startBroker(args, io)
  if (word === 'start') return startBroker(rest, io)
  if (word === 'help') {
    const [topic] = rest
    return main(topic === undefined || topic === 'help' ? ['--help'] : [topic, '--help'], io)
  }
  const { commands, runCommand } = await import('./commands.js')
  const entry = commands.find(({ name }) => name === word)
  return entry === undefined ? sayUnknown(word, io) : runCommand(entry, rest, io)
}

async function startBroker(args: readonly string[], io: Io): Promise<number | undefined> {
  const { start } = await import('./start.js')
  return start(args, io)
}

async function sayUnknown(word: string, io: Io): Promise<number> {
  const [{ nearest }, { knownWords }] = await Promise.all([import('../validate.js'), import('./commands.js')])
  const meant = nearest(word, knownWords())
  io.error(
    `topicwire: there is no command '${word}'.${meant === undefined ? '' : ` Did you mean ${meant}?`}\n`,
  )
  io.error('(topicwire --help lists the commands)\n')
  return EXIT_USAGE
}

watchStreams()
try {
  const exitCode = await main(process.argv.slice(2), processIo)
  if (exitCode !== undefined) process.exitCode = exitCode
} catch (error) {
  process.exitCode = report(error, processIo)
}
