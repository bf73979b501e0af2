/**
 * Why the native addon could not be loaded, in words that lead somewhere. The generated loader gives the same advice
 * for everything ("npm has a bug"); what happened stands in the chain of causes below its error.
 */
import { existsSync } from 'node:fs'
import { MqttError } from './errors.js'

/** What is known about the place that the addon was not found in. */
export interface Surroundings {
  /** As `process.platform` and `process.arch`. */
  readonly platform: string
  readonly arch: string
  /** Whether the sources are here: then it is built, not installed. */
  readonly isCheckout: boolean
}

const LOADER_MESSAGE = /^(Cannot find native binding|Failed to load native binding)/
const MAXIMUM_CAUSES = 50

/** Whether an error of `import` comes from the addon's loader. */
export function isLoaderError(error: unknown): error is Error {
  return error instanceof Error && LOADER_MESSAGE.test(error.message)
}

/** The loader's error as ERR_MQTT_NATIVE_MISSING, with what happened and what helps. */
export function explainMissingAddon(error: Error, place: Surroundings = surroundings()): MqttError {
  const { platform, arch, isCheckout } = place
  const causes = causesOf(error)
  const unsupported = causes.find(({ message }) => message.startsWith('Unsupported'))
  const broken = causes.find(isBroken)
  const lines = [`The native addon for ${platform}-${arch} could not be loaded.`]
  if (broken !== undefined) {
    lines.push(`It is here, and the system says: ${firstLine(broken.message)}`)
    if (platform === 'linux')
      lines.push('Often it was installed for another C library (glibc or musl): reinstall here.')
  } else if (unsupported !== undefined) {
    lines.push(
      `${firstLine(unsupported.message)}. There is no prebuilt addon for it; it can be built from a checkout.`,
    )
  } else if (isCheckout) {
    lines.push('This is a source checkout that was not built: npm run build')
  } else {
    lines.push(
      `The package topicwire-${platform}-${arch} is not installed. It is an optional dependency, and a lock file`,
      'that was made on another platform may lack it (npm before 11.3). What helps:',
      '  npm install --include=optional',
      '  npm install -g npm@11, then delete node_modules and package-lock.json and run npm install',
    )
  }
  return new MqttError('ERR_MQTT_NATIVE_MISSING', lines.join('\n'), { cause: error })
}

/** It is there and does not load. The loader keeps the messages of the errors that it met, and not their codes. */
function isBroken({ code, message }: NodeJS.ErrnoException): boolean {
  if (code !== undefined) return code !== 'MODULE_NOT_FOUND'
  return !/^(Cannot find (module|package)|Unsupported) /.test(message)
}

function surroundings(): Surroundings {
  const isCheckout = existsSync(new URL('../crates/napi/Cargo.toml', import.meta.url))
  return { platform: process.platform, arch: process.arch, isCheckout }
}

function causesOf(error: Error): NodeJS.ErrnoException[] {
  const causes: NodeJS.ErrnoException[] = []
  let cause: unknown = error.cause
  while (cause instanceof Error && causes.length < MAXIMUM_CAUSES) {
    causes.push(cause)
    cause = cause.cause
  }
  return causes
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? text
}
