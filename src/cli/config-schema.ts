/**
 * What a configuration can say, wherever it comes from: the file as it is, environment variables by name, flags by
 * hand. It is the data of `BrokerOptions` under the same names, with files in place of their contents, and the few
 * things that only a command needs.
 */
import { z } from 'zod'
import type { Features } from '../features.js'
import type { Limits } from '../limits.js'
import { dataShape, type ListenerProtocol, listenerShape, type SocketDriver } from '../options.js'
import { type Durability, storePath } from '../store-options.js'
import { oneOf } from '../validate.js'

/** The parts of `TlsOptions`, with paths. A relative path is relative to the configuration file. */
export interface TlsFiles {
  /** The certificate chain, PEM. */
  readonly certFile?: string | undefined
  /** The private key, PEM. */
  readonly keyFile?: string | undefined
  readonly passphrase?: string | undefined
  /** The authorities of client certificates, PEM. */
  readonly caFile?: string | undefined
  readonly requestCert?: boolean | undefined
  readonly rejectUnauthorized?: boolean | undefined
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
/** `auto` is pretty on a terminal and JSON elsewhere. */
export type LogFormat = 'auto' | 'pretty' | 'json'

/** Of the store: `memory` is none. */
export type StoreDurability = Durability | 'memory'

/** A configuration before defaults. */
export interface Configuration {
  readonly port?: number | undefined
  readonly host?: string | undefined
  readonly tls?: TlsFiles | undefined
  /** A port of its own for WebSocket, beside the one port. */
  readonly wsPort?: number | undefined
  /** A port of its own for MQTT over TLS, beside the one port. */
  readonly tlsPort?: number | undefined
  readonly listeners?:
    | readonly {
        readonly protocol: ListenerProtocol
        readonly port: number
        readonly host?: string | undefined
        readonly tls?: TlsFiles | undefined
      }[]
    | undefined
  readonly allowedOrigins?: readonly string[] | '*' | undefined
  readonly limits?: { readonly [Name in keyof Limits]?: Limits[Name] | undefined } | undefined
  readonly features?: { readonly [Name in keyof Features]?: Features[Name] | undefined } | undefined
  readonly responseInformation?: string | undefined
  readonly store?:
    | {
        /** A directory. */
        readonly path?: string | undefined
        readonly durability?: StoreDurability | undefined
      }
    | undefined
  readonly sysIntervalSecs?: number | undefined
  readonly status?: boolean | undefined
  readonly socketDriver?: SocketDriver | undefined
  /** User name to password hash; see users.ts for the format. */
  readonly users?: Readonly<Record<string, string>> | undefined
  /** A file with one `name:hash` a line. */
  readonly usersFile?: string | undefined
  /** Whether clients without a user name are served where they would not be. Default false. */
  readonly allowAnonymous?: boolean | undefined
  readonly log?:
    | { readonly level?: LogLevel | undefined; readonly format?: LogFormat | undefined }
    | undefined
}

const flag = z.boolean({ error: 'must be true or false' }).optional()
const text = (what: string) => z.string({ error: `must be ${what}` }).min(1, { error: `must be ${what}` })
const path = text('the path of a file').optional()

const tlsFiles = z
  .strictObject(
    {
      certFile: path,
      keyFile: path,
      passphrase: text('text').optional(),
      caFile: path,
      requestCert: flag,
      rejectUnauthorized: flag,
      minVersion: oneOf(['TLSv1.2', 'TLSv1.3']).optional(),
    },
    { error: 'must be a mapping with certFile and keyFile' },
  )
  .optional()

/** Checks a configuration; unknown keys are errors. */
export const configurationSchema = z.strictObject(
  {
    ...dataShape,
    tls: tlsFiles,
    wsPort: dataShape.port,
    tlsPort: dataShape.port,
    store: z
      .strictObject(
        {
          path: storePath.optional(),
          durability: oneOf(['process', 'power', 'memory']).optional(),
        },
        { error: 'must be a mapping with path and durability' },
      )
      .optional(),
    listeners: z
      .array(z.strictObject({ ...listenerShape, tls: tlsFiles }, { error: 'must be a mapping' }), {
        error: 'must be a list of listeners',
      })
      .optional(),
    users: z
      .record(z.string(), text('a password hash'), { error: 'must map user names to password hashes' })
      .optional(),
    usersFile: path,
    allowAnonymous: flag,
    log: z
      .strictObject(
        {
          level: oneOf(['debug', 'info', 'warn', 'error']).optional(),
          format: oneOf(['auto', 'pretty', 'json']).optional(),
        },
        { error: 'must be a mapping with level and format' },
      )
      .optional(),
    /** For editors; says nothing to the broker. */
    $schema: z.string().optional(),
  },
  { error: 'must be a mapping of options' },
)
