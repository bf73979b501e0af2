#!/usr/bin/env node
/**
 * The command `topicwire`: reads what it was told, starts a broker, says where, and ends in order.
 *
 * Exit codes: 0 ended in order, 1 something failed while running, 2 wrong usage or configuration.
 */
import { readFileSync } from 'node:fs'
import { type ErrorCode, MqttError } from '../errors.js'
import type { Broker } from '../index.js'
import type { Logger } from '../logger.js'
import { explainMissingAddon, isLoaderError } from '../native-missing.js'
import { type BrokerOptions, resolveOptions } from '../options.js'
import { parseArguments } from './args.js'
import { type Bound, banner, wantsColor } from './banner.js'
import { loadSettings } from './configuration.js'
import { createLogger } from './log.js'
import { logEvents } from './log-events.js'
import { onShutdownSignals } from './signals.js'

const EXIT_FAILURE = 1
const EXIT_USAGE = 2

/** What the operator mends by saying something else. */
const USAGE_ERRORS: ReadonlySet<ErrorCode> = new Set([
  'ERR_MQTT_INVALID_CONFIG',
  'ERR_MQTT_INVALID_OPTION',
  'ERR_MQTT_TLS',
])

/** Resolves with an exit code when there is nothing left to do, and with undefined when the broker is up. */
async function main(): Promise<number | undefined> {
  const version = ownVersion()
  const parsed = parseArguments(process.argv.slice(2), version, {
    out: (text) => process.stdout.write(text),
    error: (text) => process.stderr.write(text),
  })
  if (parsed.done) return parsed.exitCode

  const settings = loadSettings(parsed.configuration, process.env, parsed.configPath)
  if (parsed.testConfig) {
    process.stdout.write('The configuration is valid.\n')
    return 0
  }
  const level = { quiet: 'warn', normal: settings.logLevel, verbose: 'debug' } as const
  const color = wantsColor(process.stderr.isTTY === true, process.env)
  const logger = createLogger(process.stderr, level[parsed.verbosity], settings.logFormat, color)

  // Loaded late: `--help` and mistakes in the configuration are answered without the native addon.
  const { Broker } = await importPackage()
  const broker = await Broker.start({ ...settings.options, logger })
  logEvents(broker, logger)
  endInOrder(broker, logger)
  if (parsed.verbosity !== 'quiet') process.stdout.write(bannerOf(version, broker, settings.options))
  return undefined
}

async function importPackage(): Promise<typeof import('../index.js')> {
  try {
    return await import('../index.js')
  } catch (error) {
    throw isLoaderError(error) ? explainMissingAddon(error) : error
  }
}

function ownVersion(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

function bannerOf(version: string, broker: Broker, options: BrokerOptions): string {
  const { listeners } = resolveOptions(options)
  const bound = broker.addresses.map(({ protocol, host, port }): Bound => {
    const listener = listeners.find(
      (one) => one.protocol === protocol && (one.port === port || one.port === 0),
    )
    return { protocol, host, port, tls: listener?.tls !== undefined }
  })
  const terminal = process.stdout.isTTY === true
  return banner(version, bound, { terminal, color: wantsColor(terminal, process.env) })
}

/** Signals, and a reader that went away, close the broker; the process ends by itself when nothing is left open. */
function endInOrder(broker: Broker, logger: Logger): void {
  let isClosing = false
  const close = async (reason: string) => {
    if (isClosing) return
    isClosing = true
    logger.info({}, `Closing: ${reason}.`)
    try {
      await broker.close()
      process.exit(0)
    } catch (error) {
      logger.error({ err: error }, 'The broker could not be closed in order.')
      process.exit(EXIT_FAILURE)
    }
  }
  onShutdownSignals({
    close: (signal) => void close(`${signal} was received; a second one ends at once`),
    force: (signal) => {
      logger.warn({}, `Ended at once: ${signal} was received again.`)
      process.exit(EXIT_FAILURE)
    },
  })
  onReaderGone = () => void close('nobody reads our output any more')
  // Emitted when the core has shut itself down after a bug; without a core there is nothing to serve.
  broker.on('error', () => process.exit(EXIT_FAILURE))
}

/** One sentence on standard error; a stack trace only for what nobody foresaw. */
function report(error: unknown): number {
  if (!(error instanceof MqttError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    process.stderr.write(`topicwire: ${text}\n`)
    return EXIT_FAILURE
  }
  const message = error.code === 'ERR_MQTT_ADDRESS_IN_USE' ? takenPort(error) : error.message
  for (const line of message.split('\n')) process.stderr.write(`topicwire: ${line}\n`)
  return USAGE_ERRORS.has(error.code) ? EXIT_USAGE : EXIT_FAILURE
}

function takenPort(error: MqttError): string {
  const { port } = (error.cause ?? {}) as { port?: number }
  if (port === undefined) return error.message
  return `Port ${port} is taken, perhaps by another broker: stop that, or choose another port with -p.`
}

/** `topicwire --help | head -1`: a reader that has seen enough is no failure. A running broker closes in order. */
let onReaderGone = (): void => process.exit(0)

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED') onReaderGone()
    else process.exit(EXIT_FAILURE)
  })
}

try {
  const exitCode = await main()
  if (exitCode !== undefined) process.exitCode = exitCode
} catch (error) {
  process.exitCode = report(error)
}
