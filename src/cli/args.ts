/** The command line of the broker: which flags there are, what `--help` says of them, and what was given. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { listCommands } from './commands.js'
import type { Configuration, LogFormat, StoreDurability } from './config-schema.js'
import type { Io } from './lib/io.js'

/** What the command line asks for. */
export type Arguments =
  /** `--help`, `--version` or a mistake: everything has been said; the process ends with this code. */
  | { readonly done: true; readonly exitCode: number }
  | {
      readonly done: false
      /** The file that `-c` names. */
      readonly configPath: string | undefined
      readonly testConfig: boolean
      /** `quiet` leaves the banner out as well. */
      readonly verbosity: 'quiet' | 'normal' | 'verbose'
      /** The flags that are options, under the options' names. */
      readonly configuration: Configuration
    }

interface Flags {
  port?: number
  host?: string
  config?: string
  tlsCert?: string
  tlsKey?: string
  tlsPort?: number
  wsPort?: number
  allowAnonymous?: boolean
  data?: string
  durability?: StoreDurability
  memory?: boolean
  logFormat?: LogFormat
  testConfig?: boolean
  verbose?: boolean
  quiet?: boolean
}

const EXAMPLES = `
Examples:
  topicwire                                      this machine only, port 1883
  topicwire -p 1999                              another port
  topicwire --host 0.0.0.0 --allow-anonymous     the whole network, without log-in
  topicwire --data /var/lib/topicwire --durability power
                                                 what is acknowledged survives power loss
  topicwire --tls-cert cert.pem --tls-key key.pem
                                                 mqtts:// and wss:// on the same port
  topicwire -c topicwire.yaml --test-config      check a configuration and end

Every option can also stand in the file (YAML or JSON) or in the environment: TOPICWIRE_PORT=1999,
TOPICWIRE_LIMITS__MAXIMUM_PACKET_SIZE_BYTES=2000000. Flags win over the environment, that over the file.

Exit codes: 0 ended in order, 1 something failed while running, 2 wrong usage or configuration.`

/** Reads the arguments after the program's name. */
export function parseArguments(args: readonly string[], version: string, io: Io): Arguments {
  const command = describeCommand(version, io)
  try {
    command.parse(args, { from: 'user' })
  } catch (error) {
    // Commander has printed what there is to say; its own code for every mistake is 1, ours is 2.
    if (error instanceof CommanderError) return { done: true, exitCode: error.exitCode === 0 ? 0 : 2 }
    throw error
  }
  const flags = command.opts<Flags>()
  return {
    done: false,
    configPath: flags.config,
    testConfig: flags.testConfig ?? false,
    verbosity: flags.quiet ? 'quiet' : flags.verbose ? 'verbose' : 'normal',
    configuration: configurationOf(flags),
  }
}

function describeCommand(version: string, io: Io): Command {
  return new Command('topicwire')
    .usage('[start] [options]\n       topicwire <command> [options]')
    .description('An MQTT broker: devices over TCP and browsers over WebSocket meet on one port.')
    .option(
      '-p, --port <port>',
      'the one port for MQTT, WebSocket and HTTP (default: 1883; 0: any free one)',
      portOf,
    )
    .option('--host <address>', 'the address to listen on (default: localhost; 0.0.0.0: every one)')
    .option('-c, --config <file>', 'a configuration file, YAML or JSON')
    .option('--tls-cert <file>', 'the certificate chain, PEM: the one port then speaks TLS too')
    .option('--tls-key <file>', 'the private key of the certificate, PEM')
    .option('--tls-port <port>', 'a port of its own for MQTT over TLS, besides the one port', portOf)
    .option('--ws-port <port>', 'a port of its own for WebSocket, besides the one port', portOf)
    .option('--allow-anonymous', 'serve clients without a user name, on every address')
    .option('--data <directory>', 'where what is promised is kept (default: ./topicwire-data)')
    .addOption(
      new Option(
        '--durability <mode>',
        'what that survives: the process being killed, power loss, nothing (default: process)',
      ).choices(['process', 'power', 'memory']),
    )
    .addOption(
      new Option('--memory', 'keep nothing on disk: the same as --durability memory').conflicts([
        'data',
        'durability',
      ]),
    )
    .addOption(
      new Option(
        '--log-format <format>',
        'how log lines look (default: pretty on a terminal, else json)',
      ).choices(['pretty', 'json']),
    )
    .addOption(new Option('-v, --verbose', 'log more').conflicts('quiet'))
    .addOption(new Option('-q, --quiet', 'log warnings and errors only, and print no banner'))
    .option('--test-config', 'check the configuration, say what is wrong with it, and end')
    .version(version, '--version', 'print the version and end')
    .helpOption('-h, --help', 'print this and end')
    .addHelpText('after', listCommands() + EXAMPLES)
    .allowExcessArguments(false)
    .showHelpAfterError('(topicwire --help lists the flags)')
    .configureOutput({ writeOut: io.out, writeErr: io.error })
    .exitOverride()
}

function configurationOf(flags: Flags): Configuration {
  const tls = {
    ...(flags.tlsCert === undefined ? {} : { certFile: flags.tlsCert }),
    ...(flags.tlsKey === undefined ? {} : { keyFile: flags.tlsKey }),
  }
  return {
    port: flags.port,
    host: flags.host,
    tls: Object.keys(tls).length === 0 ? undefined : tls,
    tlsPort: flags.tlsPort,
    wsPort: flags.wsPort,
    allowAnonymous: flags.allowAnonymous,
    store: storeOf(flags),
    log: flags.logFormat && { format: flags.logFormat },
  }
}

function storeOf({ data, durability, memory }: Flags): Configuration['store'] {
  const store = {
    ...(data === undefined ? {} : { path: data }),
    ...(durability === undefined ? {} : { durability }),
    ...(memory ? { durability: 'memory' as const } : {}),
  }
  return Object.keys(store).length === 0 ? undefined : store
}

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (!(port <= 65_535)) throw new InvalidArgumentError('A port is a whole number from 0 to 65535.')
  return port
}
