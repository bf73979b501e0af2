/** `topicwire` and `topicwire start`: reads what it was told, starts a broker, says where, and ends in order. */
import { readFileSync } from 'node:fs'
import { type ErrorCode, MqttError } from '../errors.js'
import type { Broker } from '../index.js'
import type { Logger } from '../logger.js'
import { explainMissingAddon, isLoaderError } from '../native-missing.js'
import { type BrokerOptions, resolveOptions } from '../options.js'
import { parseArguments } from './args.js'
import { type Bound, banner, wantsColor } from './banner.js'
import { loadSettings } from './configuration.js'
import { onHangUp } from './hang-up.js'
import { EXIT_FAILURE } from './lib/exit.js'
import { type Io, whenReaderGone } from './lib/io.js'
import { ProgressLine } from './lib/progress.js'
import { createLogger } from './log.js'
import { logEvents } from './log-events.js'
import { RecoveryProgress } from './recovery-progress.js'
import { onShutdownSignals } from './signals.js'

/** Resolves with an exit code when there is nothing left to do, and with undefined when the broker is up. */
export async function start(args: readonly string[], io: Io): Promise<number | undefined> {
  const version = ownVersion()
  const parsed = parseArguments(args, version, io)
  if (parsed.done) return parsed.exitCode

  const settings = loadSettings(parsed.configuration, process.env, parsed.configPath)
  if (parsed.testConfig) {
    io.out('The configuration is valid.\n')
    return 0
  }
  const level = { quiet: 'warn', normal: settings.logLevel, verbose: 'debug' } as const
  const color = wantsColor(process.stderr.isTTY === true, process.env)
  const logger = createLogger(process.stderr, level[parsed.verbosity], settings.logFormat, color)

  // Loaded late: `--help` and mistakes in the configuration are answered without the native addon.
  const { Broker } = await importPackage()
  const progress = new RecoveryProgress(logger, new ProgressLine(io))
  const { store } = settings.options
  const options = {
    ...settings.options,
    ...(store && { store: { ...store, onProgress: progress.show } }),
    logger,
  }
  const broker = await Broker.start(options)
    .finally(() => progress.end())
    .catch((error: unknown) => {
      throw withAdvice(error)
    })
  logEvents(broker, logger)
  const close = endInOrder(broker, logger)
  onHangUp(broker, settings.users, logger, close)
  if (parsed.verbosity !== 'quiet') io.out(bannerOf(version, broker, settings.options))
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
  const resolved = resolveOptions(options)
  const bound = broker.addresses.map(({ protocol, host, port }): Bound => {
    const listener = resolved.listeners.find(
      (one) => one.protocol === protocol && (one.port === port || one.port === 0),
    )
    return { protocol, host, port, tls: listener?.tls !== undefined, page: resolved.status }
  })
  const terminal = process.stdout.isTTY === true
  return banner(version, bound, resolved.store, { terminal, color: wantsColor(terminal, process.env) })
}

/**
 * Signals, and a reader that went away, close the broker; the process ends by itself when nothing is left open. Returns
 * what closes it.
 */
function endInOrder(broker: Broker, logger: Logger): (reason: string) => void {
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
  whenReaderGone(() => void close('nobody reads our output any more'))
  // Emitted when the core has shut itself down after a bug; without a core there is nothing to serve.
  broker.on('error', () => process.exit(EXIT_FAILURE))
  return (reason) => void close(reason)
}

/** The library says what is wrong; the command knows which flag mends it. */
function withAdvice(error: unknown): unknown {
  if (!(error instanceof MqttError)) return error
  if (error.code === 'ERR_MQTT_ADDRESS_IN_USE') {
    const { port } = (error.cause ?? {}) as { port?: number }
    if (port === undefined) return error
    const advice = `Port ${port} is taken, perhaps by another broker: stop that, or choose another port with -p.`
    return new MqttError(error.code, advice, { cause: error })
  }
  if (!STORE_ERRORS.has(error.code)) return error
  const said = `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}.`
  return new MqttError(error.code, `${said} ${STORE_FLAGS}`, { cause: error })
}

const STORE_ERRORS: ReadonlySet<ErrorCode> = new Set([
  'ERR_MQTT_STORE_IN_USE',
  'ERR_MQTT_STORE_VERSION',
  'ERR_MQTT_STORE_DAMAGED',
  'ERR_MQTT_STORE_FAILED',
])
const STORE_FLAGS = '(--data names a directory, --memory keeps nothing on disk.)'
