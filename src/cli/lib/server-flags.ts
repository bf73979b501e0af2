/**
 * Which server, and as whom: the part of the connection flags that `ls`, `simulate` and `bench` have. Client ids, wills
 * and the like are theirs to choose, and some letters mean something else there.
 */
import type { Command } from 'commander'
import type { ConnectOptions } from './client-types.js'
import { type ConnectionFlags, readConnectionFlags } from './connection-flags.js'
import { protocolVersionOf, wholeNumber } from './values.js'

/** What the flags say. */
export type ServerFlags = Pick<
  ConnectionFlags,
  | 'host'
  | 'port'
  | 'url'
  | 'ws'
  | 'path'
  | 'username'
  | 'pw'
  | 'protocolVersion'
  | 'keepalive'
  | 'cafile'
  | 'cert'
  | 'key'
  | 'insecure'
>

/** Where to connect. */
export interface Server {
  /** For people: `localhost:1883`. */
  readonly name: string
  /** For `connect`. */
  readonly url: string
  readonly options: ConnectOptions
}

/** Adds the flags. `-h` is the host, so that help is `--help` alone. */
export function addServerFlags(command: Command): Command {
  return command
    .option('-h, --host <name>', 'the server (default: localhost)')
    .option('-p, --port <port>', 'its port (default: 1883, with TLS 8883)', wholeNumber(1, 65_535))
    .option('--url <url>', 'all in one: mqtt(s)://user:password@host:port, or ws(s)://…')
    .option('-u, --username <name>', 'the user name')
    .option('-P, --pw <password>', 'the password')
    .option('-V, --protocol-version <version>', 'of MQTT: 5, 311 or 31 (default: 5)', protocolVersionOf)
    .option('-k, --keepalive <seconds>', 'keep alive (default: 60)', wholeNumber(0, 65_535))
    .option('--ws', 'MQTT over WebSocket, at the same port')
    .option('--path <path>', 'the path of the WebSocket URL (default: /mqtt)')
    .option('--cafile <file>', 'TLS, with the certificates in this file as those to trust')
    .option('--cert <file>', 'a certificate for the clients')
    .option('--key <file>', 'its private key')
    .option('--insecure', "do not check the server's host name; without a CA, do not check its certificate")
    .helpOption('--help', 'print this and end')
}

/** @throws Exit with 2 for flags that do not go together or name files that cannot be read. */
export function serverOf(flags: ServerFlags): Server {
  // What is not about the server is left out: `-c` and `-i` of `bench` are no part of a connection.
  const { host, port, url, ws, path, username, pw, protocolVersion, keepalive } = flags
  const { cafile, cert, key, insecure } = flags
  const asked = {
    host,
    port,
    url,
    ws,
    path,
    username,
    pw,
    protocolVersion,
    keepalive,
    cafile,
    cert,
    key,
    insecure,
  }
  const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined))
  const settings = readConnectionFlags(given as ConnectionFlags)
  const { clientId: _, ...options } = settings.options
  return { name: settings.server, url: settings.url, options }
}
