/**
 * From what was said to what the broker is told: flags over environment over file over defaults, files read, users
 * loaded, and the one refusal: nobody is served without log-in on an address that other machines can reach, unless
 * somebody said so.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import { MqttError } from '../errors.js'
import {
  type BrokerOptions,
  type ListenerOptions,
  type ResolvedListener,
  resolveOptions,
  type TlsOptions,
} from '../options.js'
import { demandsCertificate, isLoopback } from '../status/guarded.js'
import { DEFAULT_DURABILITY } from '../store-options.js'
import { readConfigurationFile, reasonOf } from './config-file.js'
import type { Configuration, LogFormat, LogLevel, TlsFiles } from './config-schema.js'
import { readEnvironment } from './environment.js'
import { UserTable } from './user-table.js'
import { readUsers } from './users.js'

/** The port that MQTT clients try when they are not told one. */
export const DEFAULT_PORT = 1883

/** Where what is promised is kept when nobody says: in the working directory. */
export const DEFAULT_STORE_PATH = 'topicwire-data'

/** What the command runs with. */
export interface Settings {
  /** For `Broker.start`; the logger is still to be added. */
  readonly options: BrokerOptions
  /** Who may log in; undefined where nobody needs to. */
  readonly users: UserTable | undefined
  readonly logLevel: LogLevel
  readonly logFormat: LogFormat
}

/**
 * Puts the sources together and checks the whole.
 *
 * @throws MqttError ERR_MQTT_INVALID_CONFIG, ERR_MQTT_INVALID_OPTION or ERR_MQTT_TLS; each is the operator's to mend.
 */
export function loadSettings(
  flags: Configuration,
  environment: NodeJS.ProcessEnv,
  configPath: string | undefined = environment.TOPICWIRE_CONFIG || undefined,
): Settings {
  const read = (): Configuration => {
    const file = configPath === undefined ? {} : readConfigurationFile(configPath)
    return merge(merge(file, readEnvironment(environment)), flags)
  }
  const configuration = read()
  const hasLogin = configuration.users !== undefined || configuration.usersFile !== undefined
  const readAgain = () => {
    const { users, usersFile } = read()
    return readUsers(users, usersFile)
  }
  const users = hasLogin ? new UserTable(readAgain, configuration.allowAnonymous ?? false) : undefined
  const options: BrokerOptions = {
    ...brokerOptions(configuration),
    ...storeOptions(configuration.store),
    ...(users?.hasScram ? { enhancedAuthentication: { 'SCRAM-SHA-256': users.scram } } : {}),
    ...(users === undefined ? {} : { authenticate: users.authenticate }),
  }
  const { listeners } = resolveOptions(options)
  if (!hasLogin && configuration.allowAnonymous !== true) refuseExposure(listeners)
  // Whoever lets strangers in beside users has not said that they may see those.
  const letsStrangersIn =
    configuration.allowAnonymous === true && !listeners.every(({ host }) => isLoopback(host))
  return {
    options: letsStrangersIn ? { status: false, ...options } : options,
    users,
    logLevel: configuration.log?.level ?? 'info',
    logFormat: configuration.log?.format ?? 'auto',
  }
}

/** `above` over `below`; mappings are merged key by key, lists and values replaced. */
export function merge<T extends object>(below: T, above: T): T {
  const merged = { ...below } as Record<string, unknown>
  for (const [key, value] of Object.entries(above)) {
    if (value === undefined) continue
    const old = merged[key]
    merged[key] = isMapping(old) && isMapping(value) ? merge(old, value) : value
  }
  return merged as T
}

function brokerOptions(configuration: Configuration): BrokerOptions {
  const { host, allowedOrigins, limits, features, responseInformation } = configuration
  const { sysIntervalSecs, status, socketDriver, wsPort, tlsPort } = configuration
  const listeners: ListenerOptions[] = (configuration.listeners ?? []).map(({ protocol, port, ...rest }) => ({
    protocol,
    port,
    ...(rest.host === undefined ? {} : { host: rest.host }),
    ...(rest.tls === undefined ? {} : { tls: readTls(rest.tls) }),
  }))
  // Whoever lists listeners has said where to listen; the one port then needs to be named to be there too.
  const port = configuration.port ?? (configuration.listeners === undefined ? DEFAULT_PORT : undefined)
  if (wsPort !== undefined) listeners.push({ protocol: 'ws', port: wsPort })
  if (tlsPort !== undefined) {
    if (configuration.tls === undefined) {
      throw new MqttError(
        'ERR_MQTT_INVALID_CONFIG',
        '--tls-port needs a certificate: --tls-cert and --tls-key.',
      )
    }
    listeners.push({ protocol: 'mqtts', port: tlsPort })
  }
  return definedOnly({
    port,
    host,
    tls: configuration.tls && readTls(configuration.tls),
    listeners,
    allowedOrigins,
    limits: limits && definedOnly(limits),
    features: features && definedOnly(features),
    responseInformation,
    sysIntervalSecs,
    status,
    socketDriver,
  }) as BrokerOptions
}

function storeOptions(store: Configuration['store'] = {}): Pick<BrokerOptions, 'store'> {
  const { path = DEFAULT_STORE_PATH, durability = DEFAULT_DURABILITY } = store
  return durability === 'memory' ? {} : { store: { path: resolve(path), durability } }
}

/** Reads the files and tries them, so that a wrong key is found before the first client does. */
function readTls(files: TlsFiles): TlsOptions {
  const { certFile, keyFile, caFile, ...rest } = files
  if (certFile === undefined || keyFile === undefined) {
    const [given, wanted] = certFile === undefined ? ['key', '--tls-cert'] : ['certificate', '--tls-key']
    const said =
      certFile === keyFile ? 'TLS needs a certificate and its key' : `A TLS ${given} is of no use alone`
    throw new MqttError(
      'ERR_MQTT_INVALID_CONFIG',
      `${said}: add ${wanted} (tls.certFile and tls.keyFile in a file).`,
    )
  }
  const options = definedOnly({
    ...rest,
    cert: readPem(certFile, 'certificate'),
    key: readPem(keyFile, 'key'),
    ca: caFile === undefined ? undefined : readPem(caFile, 'authority'),
  }) as TlsOptions & { cert: Buffer; key: Buffer; ca?: Buffer }
  try {
    createSecureContext(options)
  } catch (cause) {
    const text = `The certificate ${certFile} and the key ${keyFile} cannot be used: ${reasonOf(cause)}.`
    throw new MqttError('ERR_MQTT_TLS', text, { cause })
  }
  return options
}

function readPem(path: string, what: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new MqttError('ERR_MQTT_TLS', `The TLS ${what} ${path} cannot be read: ${reasonOf(cause)}.`, {
      cause,
    })
  }
}

function refuseExposure(listeners: readonly ResolvedListener[]): void {
  const open = listeners.find((listener) => !isLoopback(listener.host) && !demandsCertificate(listener))
  if (open === undefined) return
  const text =
    `${open.host} can be reached from other machines and nobody would have to log in: ` +
    'add users to the configuration, or say --allow-anonymous.'
  throw new MqttError('ERR_MQTT_INVALID_CONFIG', text)
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function definedOnly<T extends object>(value: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  const entries = Object.entries(value).filter(([, one]) => one !== undefined)
  return Object.fromEntries(entries) as { [Key in keyof T]?: Exclude<T[Key], undefined> }
}
