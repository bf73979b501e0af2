/** What the core is made with, and the same in the words of the addon. */
import { randomBytes } from 'node:crypto'
import type { Features } from './features.js'
import type { Limits } from './limits.js'
import type { NativeOptions } from './native.js'
import type { ResolvedOptions, SocketDriver } from './options.js'

/** What the core is made with. */
export interface CoreOptions {
  readonly limits: Limits
  readonly features: Features
  readonly responseInformation: string | undefined
  readonly sysIntervalMs: number
  readonly socketDriver: SocketDriver
  readonly version: string
  readonly authenticate: boolean
  /** Names of the methods. */
  readonly enhancedAuthentication: readonly string[]
  readonly authorizePublish: readonly string[]
  readonly authorizeSubscribe: readonly string[]
  readonly onPublish: readonly string[]
}

/** The part of a broker's options that is the core's affair. */
export function coreOptions(options: ResolvedOptions, version: string): CoreOptions {
  return {
    limits: options.limits,
    features: options.features,
    responseInformation: options.responseInformation,
    sysIntervalMs: options.sysIntervalSecs * 1000,
    socketDriver: options.socketDriver,
    version: `topicwire ${version}`,
    authenticate: options.authenticate !== undefined,
    enhancedAuthentication: [...options.enhancedAuthentication.keys()],
    authorizePublish: options.authorizePublish.map((hook) => hook.filter),
    authorizeSubscribe: options.authorizeSubscribe.map((hook) => hook.filter),
    onPublish: options.onPublish.map((hook) => hook.filter),
  }
}

/** In the words of the addon, with a secret of its own. */
export function nativeOptions(options: CoreOptions): NativeOptions {
  const { responseInformation, socketDriver, ...rest } = options
  return {
    ...rest,
    ...(responseInformation !== undefined && { responseInformation }),
    seed: randomBytes(16).toString('hex'),
    enhancedAuthentication: [...options.enhancedAuthentication],
    authorizePublish: [...options.authorizePublish],
    authorizeSubscribe: [...options.authorizeSubscribe],
    onPublish: [...options.onPublish],
  }
}
