/**
 * The words that may follow `topicwire`, and how each is run. Their code is loaded when it is wanted, so that every
 * command starts as if it were the only one. Without a word a broker is started, which is src/cli/start.ts.
 */
import { type Command, CommanderError } from 'commander'
import { EXIT_USAGE } from './lib/exit.js'
import type { Io } from './lib/io.js'

/** A sub-command. */
export interface CommandEntry {
  readonly name: string
  /** What `--help` says of it: a few words, no full stop. */
  readonly summary: string
  /** Its options and its action. The action ends by returning, by setting `process.exitCode`, or by throwing `Exit`. */
  readonly load: () => Promise<(io: Io) => Command>
}

export const commands: readonly CommandEntry[] = [
  {
    name: 'pub',
    summary: 'publish messages',
    load: async () => (await import('./pub/command.js')).pubCommand,
  },
  {
    name: 'sub',
    summary: 'subscribe, and print the messages that arrive',
    load: async () => (await import('./sub/command.js')).subCommand,
  },
  {
    name: 'rr',
    summary: 'publish a request and print its response',
    load: async () => (await import('./rr/command.js')).rrCommand,
  },
  {
    name: 'ls',
    summary: 'watch the topics of a server, their values and rates',
    load: async () => (await import('./ls/command.js')).lsCommand,
  },
  {
    name: 'doctor',
    summary: 'find out why a server cannot be reached, and what helps',
    load: async () => (await import('./doctor/command.js')).doctorCommand,
  },
  {
    name: 'passwd',
    summary: 'create and change a file of users',
    load: async () => (await import('./passwd/command.js')).passwdCommand,
  },
  {
    name: 'store',
    summary: 'check, measure and copy what a broker has kept',
    load: async () => (await import('./store/command.js')).storeCommand,
  },
  {
    name: 'simulate',
    summary: 'play a fleet of devices from a scenario file',
    load: async () => (await import('./simulate/command.js')).simulateCommand,
  },
  {
    name: 'bench',
    summary: 'load a server with connections or messages, and measure it',
    load: async () => (await import('./bench/command.js')).benchCommand,
  },
]

/** The list of commands in `topicwire --help`. */
export function listCommands(): string {
  const lines = [
    { name: 'start', summary: 'start a broker, which is what happens without a command' },
    ...commands,
    { name: 'help', summary: 'topicwire help pub is the same as topicwire pub --help' },
  ].map(({ name, summary }) => `  ${name.padEnd(12)} ${summary}`)
  return `\nCommands:\n${lines.join('\n')}\n`
}

/** The words that are understood in the first place after `topicwire`. */
export function knownWords(): string[] {
  return ['start', 'help', ...commands.map(({ name }) => name)]
}

/** Runs a command to its end. The answer is an exit code where there was a mistake; an action sets its own. */
export async function runCommand(
  entry: CommandEntry,
  args: readonly string[],
  io: Io,
): Promise<number | undefined> {
  const command = (await entry.load())(io).name(`topicwire ${entry.name}`)
  prepare(command, io)
  try {
    await command.parseAsync(args, { from: 'user' })
    return undefined
  } catch (error) {
    // Commander has printed what there is to say; its own code for every mistake is 1, ours is 2.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE
    throw error
  }
}

/** What all commands have in common, down to the commands of commands. */
function prepare(command: Command, io: Io): void {
  command
    .configureOutput({ writeOut: io.out, writeErr: io.error })
    .exitOverride()
    .allowExcessArguments(false)
    .showHelpAfterError(`(${fullName(command)} --help lists the flags)`)
  for (const child of command.commands) prepare(child, io)
}

function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`
}
