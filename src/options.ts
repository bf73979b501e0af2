/**
 * What a broker can be told: the types with their meaning, and `resolveOptions`, which checks them and fills in
 * defaults. `Broker.start` and the command both come through here, so a mistake is answered in the same words.
 *
 * The limits have a file of their own (limits.ts), so do the features (features.ts) and the hooks (hooks/types.ts);
 * validate.ts words the problems.
 */
import { z } from 'zod'
import { MqttError } from './errors.js'
import { defaultFeatures, type Features, featuresSchema } from './features.js'
import type {
  AuthenticateHook,
  AuthenticationMethod,
  AuthorizePublishHook,
  AuthorizeSubscribeHook,
  PublishHook,
} from './hooks/types.js'
import { defaultLimits, type Limits, limitsSchema } from './limits.js'
import { type Logger, silentLogger } from './logger.js'
import { isGuarded } from './status/guarded.js'
import { type ResolvedStore, resolveStore, type StoreOptions, storeSchema } from './store-options.js'
import { formatPath, integer, oneOf, validate } from './validate.js'

export { defaultLimits, type Limits, type QueueFullPolicy } from './limits.js'

/** What a listener speaks. `auto` tells MQTT, HTTP with WebSocket and TLS apart by their first byte. */
export type ListenerProtocol = 'auto' | 'mqtt' | 'mqtts' | 'ws' | 'wss'

/** Certificates and how they are used; the names and meanings of Node's `tls.createServer`. */
export interface TlsOptions {
  /** The certificate chain in PEM, the broker's own first. Contents, not a path. */
  readonly cert?: string | Buffer | readonly (string | Buffer)[]
  /** The private key in PEM. Contents, not a path. */
  readonly key?: string | Buffer
  /** What decrypts `key` or `pfx`. */
  readonly passphrase?: string
  /** Certificate and key together as PKCS #12, instead of `cert` and `key`. */
  readonly pfx?: Buffer
  /** The authorities that client certificates are checked against. Default: those Node trusts. */
  readonly ca?: string | Buffer | readonly (string | Buffer)[]
  /** Ask clients for a certificate. Default false. */
  readonly requestCert?: boolean
  /** With `requestCert`: turn clients without a valid certificate away. Default true. */
  readonly rejectUnauthorized?: boolean
  /** The oldest version that is spoken. Default 'TLSv1.2'. */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3'
}

/** One listening socket (two where `host` is `localhost`, see there). */
export interface ListenerOptions {
  readonly protocol: ListenerProtocol
  /** 0 to 65535; 0 takes any free port, and `broker.addresses` tells which. */
  readonly port: number
  /** As `BrokerOptions.host`, which is also its default. */
  readonly host?: string
  /** As `BrokerOptions.tls`, which is also its default. Needed, here or there, for `mqtts` and `wss`. */
  readonly tls?: TlsOptions
}

/** A hook that is only asked about topics that its filter matches. */
export interface FilteredHook<Hook> {
  /** An MQTT topic filter. For a hook `#` is every topic, those that begin with `$` too: a rule about all has no hole. */
  readonly filter: string
  readonly handler: Hook
}

/** A hook for every topic (filter `#`), for one filter, or several. Of several that match, all are asked in order. */
export type HookOption<Hook> = Hook | FilteredHook<Hook> | readonly FilteredHook<Hook>[]

/** See `BrokerOptions.socketDriver`. */
export type SocketDriver = 'core' | 'node'

/** What `Broker.start` accepts. Everything may be left out. */
export interface BrokerOptions {
  /**
   * The one port that serves MQTT, MQTT over WebSocket, topic URLs and, with `tls`, the same over TLS. 0 to 65535;
   * 0 takes any free one. Without it (and without `listeners`) the broker listens nowhere and is used in process.
   */
  readonly port?: number
  /**
   * The address to bind to: an IP address, a host name, `0.0.0.0` for every IPv4 or `::` for every address.
   * Default `localhost`: 127.0.0.1 and, where the machine has it, ::1.
   */
  readonly host?: string
  /** With certificates the one port speaks TLS as well. */
  readonly tls?: TlsOptions
  /** Separate listeners, beside the one port or instead of it. */
  readonly listeners?: readonly ListenerOptions[]
  /**
   * The web origins (`https://example.org`) whose pages may open a WebSocket; `*` is any. Default: the origin whose
   * host is the request's own; loopback origins, and pages opened as files (`null`), when the peer is on loopback.
   * Clients that send no Origin, which browsers always do, are not concerned.
   */
  readonly allowedOrigins?: readonly string[] | '*'
  /** See `Limits`; what is left out keeps its default. */
  readonly limits?: Partial<Limits>
  /** See `Features`; what is left out is on. */
  readonly features?: Partial<Features>
  /**
   * The Response Information that a 5.0 client gets if it asks for it: from what to make its response topics. `%c`
   * stands for the client id, `%u` for the user name. Default: none. `authenticate` may give a client another.
   */
  readonly responseInformation?: string
  /** What is kept on disk. Default: nothing; what is promised is as safe as the process. */
  readonly store?: StoreOptions
  /** pino, or anything like it. Default: silent. */
  readonly logger?: Logger
  /** Seconds between two publications of the `$SYS/broker/...` topics, 0 to 86400. Default 10; 0 is never. */
  readonly sysIntervalSecs?: number
  /**
   * Whether the broker tells about its clients, its problems and its rates under `$SYS/topicwire/...`, to whoever
   * `authorizeSubscribe` lets read them, and serves its page at `/`, which shows that. Default: true where everybody who can
   * connect is on this machine or has shown who they are (all listeners are on loopback, or there is `authenticate`, or
   * client certificates are demanded), false otherwise.
   */
  readonly status?: boolean
  /**
   * Who reads and writes plain TCP connections of listeners. `core`, the default: the native core itself, where it can
   * (Linux; macOS should, and has not been tried; elsewhere, and what is encrypted, stays with Node). `node`: always
   * Node's streams, for those who watch or patch `net.Socket`.
   */
  readonly socketDriver?: SocketDriver
  /** Asked once for each CONNECT that names no authentication method. Default: everybody may connect. */
  readonly authenticate?: AuthenticateHook
  /**
   * Methods of enhanced authentication by their names, `scramSha256` for instance. A CONNECT that names one is that
   * method's affair, not `authenticate`'s; one that names any other is refused with 0x8C. Default: none.
   */
  readonly enhancedAuthentication?: Readonly<Record<string, AuthenticationMethod>>
  /** Asked for each PUBLISH, on the topics that it is registered for. Default: allowed. */
  readonly authorizePublish?: HookOption<AuthorizePublishHook>
  /** Asked for each topic filter of a SUBSCRIBE, on those that it is registered for. Default: allowed. */
  readonly authorizeSubscribe?: HookOption<AuthorizeSubscribeHook>
  /** Sees, changes or drops each allowed message, on the topics that it is registered for. */
  readonly onPublish?: HookOption<PublishHook>
}

/** A listener with nothing left to look up. */
export interface ResolvedListener {
  readonly protocol: ListenerProtocol
  readonly port: number
  readonly host: string
  /** Present for `mqtts` and `wss`; for `auto` it adds TLS; absent for `mqtt` and `ws`. */
  readonly tls: TlsOptions | undefined
}

/** `BrokerOptions`, checked and complete. */
export interface ResolvedOptions {
  /** The one port, if any, first. */
  readonly listeners: readonly ResolvedListener[]
  /** undefined: the rule that `BrokerOptions.allowedOrigins` calls its default. */
  readonly allowedOrigins: readonly string[] | '*' | undefined
  readonly limits: Limits
  readonly features: Features
  readonly responseInformation: string | undefined
  readonly store: ResolvedStore | undefined
  readonly logger: Logger
  readonly sysIntervalSecs: number
  readonly status: boolean
  readonly socketDriver: SocketDriver
  readonly authenticate: AuthenticateHook | undefined
  readonly enhancedAuthentication: ReadonlyMap<string, AuthenticationMethod>
  readonly authorizePublish: readonly FilteredHook<AuthorizePublishHook>[]
  readonly authorizeSubscribe: readonly FilteredHook<AuthorizeSubscribeHook>[]
  readonly onPublish: readonly FilteredHook<PublishHook>[]
}

/** Where a broker listens when it is not told: this machine only. */
export const DEFAULT_HOST = 'localhost'
/** Seconds between two publications of `$SYS/broker/...`. */
export const DEFAULT_SYS_INTERVAL_SECS = 10

const port = integer(0, 65_535)
const host = z.string({ error: 'must be a host name or an IP address' }).min(1)
const pem = z.custom<string | Buffer>((value) => typeof value === 'string' || Buffer.isBuffer(value), {
  error: 'must be a string or a Buffer with the contents of a PEM file',
})
const pems = z.union([pem, z.array(pem)], { error: 'must be the contents of a PEM file, or a list of them' })
const flag = z.boolean({ error: 'must be true or false' })

const tlsSchema = z.strictObject(
  {
    cert: pems.optional(),
    key: pem.optional(),
    passphrase: z.string({ error: 'must be a string' }).optional(),
    pfx: z.custom<Buffer>(Buffer.isBuffer, { error: 'must be a Buffer' }).optional(),
    ca: pems.optional(),
    requestCert: flag.optional(),
    rejectUnauthorized: flag.optional(),
    minVersion: oneOf(['TLSv1.2', 'TLSv1.3']).optional(),
  },
  { error: 'must be an object with cert and key' },
)

/** What fits a field of a control packet: no U+0000, at most 65,535 bytes. */
const utf8String = z
  .string({ error: 'must be text' })
  .refine((text) => !text.includes('\0') && Buffer.byteLength(text) <= 65_535, {
    error: 'must be text of at most 65535 bytes, without U+0000',
  })

/** The part of a listener that a configuration file can hold as it is. */
export const listenerShape = {
  protocol: oneOf(['auto', 'mqtt', 'mqtts', 'ws', 'wss']),
  port,
  host: host.optional(),
}

/** The options that are plain data: a configuration file has the same, under the same names. */
export const dataShape = {
  port: port.optional(),
  host: host.optional(),
  allowedOrigins: z
    .union(
      [
        z.literal('*'),
        z.array(z.string().refine(isOrigin, { error: "must be an origin such as 'https://example.org'" })),
      ],
      {
        error: "must be '*' or a list of origins such as 'https://example.org'",
      },
    )
    .optional(),
  limits: limitsSchema.optional(),
  features: featuresSchema.optional(),
  responseInformation: utf8String.optional(),
  sysIntervalSecs: integer(0, 86_400).optional(),
  status: flag.optional(),
  socketDriver: oneOf(['core', 'node']).optional(),
}

const optionsSchema = z.strictObject(
  {
    ...dataShape,
    tls: tlsSchema.optional(),
    store: storeSchema,
    listeners: z
      .array(
        z.strictObject({ ...listenerShape, tls: tlsSchema.optional() }, { error: 'must be an object' }),
        {
          error: 'must be a list of listeners',
        },
      )
      .optional(),
    logger: z
      .custom<Logger>(isLogger, { error: 'must have the methods debug, info, warn and error' })
      .optional(),
    authenticate: z.custom<AuthenticateHook>(isFunction, { error: 'must be a function' }).optional(),
    enhancedAuthentication: z
      .record(
        z.string(),
        z.custom<AuthenticationMethod>(isMethod, { error: 'must be an object with a method start' }),
        { error: 'must map names to authentication methods' },
      )
      .optional(),
    authorizePublish: hookSchema<AuthorizePublishHook>(),
    authorizeSubscribe: hookSchema<AuthorizeSubscribeHook>(),
    onPublish: hookSchema<PublishHook>(),
  },
  { error: 'must be an object' },
)

/**
 * Checks options and fills in the defaults.
 *
 * @throws MqttError ERR_MQTT_INVALID_OPTION, with one sentence for each thing that is wrong.
 */
export function resolveOptions(options: unknown = {}): ResolvedOptions {
  const result = validate(optionsSchema, withoutUndefined(options))
  if ('problems' in result) {
    throw invalidOption(result.problems.map((problem) => problem.message).join(' '))
  }
  const given = result.data as BrokerOptions
  const listeners = resolveListeners(given)
  return {
    listeners,
    allowedOrigins: given.allowedOrigins,
    limits: { ...defaultLimits, ...withoutUndefined(given.limits) },
    features: { ...defaultFeatures, ...withoutUndefined(given.features) },
    responseInformation: given.responseInformation,
    store: resolveStore(given.store),
    logger: given.logger ?? silentLogger,
    sysIntervalSecs: given.sysIntervalSecs ?? DEFAULT_SYS_INTERVAL_SECS,
    status: given.status ?? isGuarded({ listeners, authenticates: given.authenticate !== undefined }),
    socketDriver: given.socketDriver ?? 'core',
    authenticate: given.authenticate,
    enhancedAuthentication: new Map(Object.entries(given.enhancedAuthentication ?? {})),
    authorizePublish: resolveHooks(given.authorizePublish),
    authorizeSubscribe: resolveHooks(given.authorizeSubscribe),
    onPublish: resolveHooks(given.onPublish),
  }
}

function resolveListeners(given: BrokerOptions): ResolvedListener[] {
  const defaultHost = given.host ?? DEFAULT_HOST
  const listeners = (given.listeners ?? []).map((listener, index): ResolvedListener => {
    const encrypted = listener.protocol === 'mqtts' || listener.protocol === 'wss'
    const tls = encrypted || listener.protocol === 'auto' ? (listener.tls ?? given.tls) : undefined
    const place = formatPath(['listeners', index])
    if (encrypted && tls === undefined) {
      throw invalidOption(`${place} speaks ${listener.protocol} and needs tls, with cert and key.`)
    }
    if (!encrypted && listener.protocol !== 'auto' && listener.tls !== undefined) {
      throw invalidOption(`${place}.tls has no use: ${listener.protocol} is not encrypted.`)
    }
    checkTls(listener.tls, `${place}.tls`)
    return { protocol: listener.protocol, port: listener.port, host: listener.host ?? defaultHost, tls }
  })
  checkTls(given.tls, 'tls')
  if (given.port === undefined) return listeners
  return [{ protocol: 'auto', port: given.port, host: defaultHost, tls: given.tls }, ...listeners]
}

function checkTls(tls: TlsOptions | undefined, place: string): void {
  if (tls === undefined || tls.pfx !== undefined || (tls.cert !== undefined && tls.key !== undefined)) return
  throw invalidOption(`${place} needs both cert and key (or pfx).`)
}

function resolveHooks<Hook>(option: HookOption<Hook> | undefined): readonly FilteredHook<Hook>[] {
  if (option === undefined) return []
  if (isFunction(option)) return [{ filter: '#', handler: option as Hook }]
  return Array.isArray(option) ? option : [option as FilteredHook<Hook>]
}

function hookSchema<Hook>(): z.ZodType<HookOption<Hook> | undefined> {
  const handler = z.custom<Hook>(isFunction)
  const filtered = z.strictObject({ filter: z.string().min(1), handler })
  const error = 'must be a function, or { filter, handler }, or a list of these'
  return z.union([handler, filtered, z.array(filtered)], { error }).optional() as z.ZodType<
    HookOption<Hook> | undefined
  >
}

/** An option that is present but undefined is the same as none, as everywhere in JavaScript. */
function withoutUndefined<T>(value: T): T {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as T
}

function invalidOption(message: string): MqttError {
  return new MqttError('ERR_MQTT_INVALID_OPTION', message)
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function'
}

function isMethod(value: unknown): boolean {
  return typeof value === 'object' && value !== null && isFunction((value as AuthenticationMethod).start)
}

function isLogger(value: unknown): boolean {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return false
  return (['debug', 'info', 'warn', 'error'] as const).every((level) => isFunction((value as Logger)[level]))
}

function isOrigin(value: string): boolean {
  // Pages that were opened as files, and sandboxed ones, say 'null'.
  return value === 'null' || (URL.canParse(value) && new URL(value).origin === value)
}
