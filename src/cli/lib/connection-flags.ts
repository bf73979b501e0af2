/** The flags that every command with a client has: where the server is, who comes, how, and with which will. */
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import type { ClientOptions } from './client.js'
import { wrongUsage } from './exit.js'
import { collectProperty, type PropertiesByTarget, readProperties } from './properties.js'
import { parseServerUrl, type ServerUrl } from './server-url.js'
import { type ProtocolVersion, protocolVersionOf, qosOf, sessionExpiryOf, wholeNumber } from './values.js'

/** As commander leaves them. */
export interface ConnectionFlags {
  host?: string
  port?: number
  url?: string
  unix?: string
  A?: string
  ws?: boolean
  path?: string
  id?: string
  idPrefix?: string
  username?: string
  pw?: string
  keepalive?: number
  protocolVersion?: ProtocolVersion
  disableCleanSession?: boolean
  x?: number
  property?: readonly string[][]
  willTopic?: string
  willPayload?: string
  willQos?: 0 | 1 | 2
  willRetain?: boolean
  cafile?: string
  capath?: string
  cert?: string
  key?: string
  insecure?: boolean
  tlsVersion?: string
  ciphers?: string
  tlsAlpn?: string
  debug?: boolean
  quiet?: boolean
}

/** What is needed to connect. */
export interface ConnectionSettings {
  /** For `connect`. */
  readonly url: string
  readonly options: ClientOptions
  /** How messages name the server. */
  readonly server: string
  readonly version: ProtocolVersion
  readonly properties: PropertiesByTarget
  /** The topic of `-L`. */
  readonly urlTopic: string | undefined
  readonly debug: boolean
  readonly quiet: boolean
}

const TLS_VERSIONS = ['tlsv1.3', 'tlsv1.2', 'tlsv1.1'] as const
const MQTTS_PORT = 8883
const NEVER = 4_294_967_295

/** Adds the flags to a command; their order is that of `--help`. */
export function addConnectionFlags(command: Command): Command {
  return command
    .option('-h, --host <name>', 'the server (default: localhost)')
    .option('-p, --port <port>', 'its port (default: 1883, with TLS 8883)', wholeNumber(1, 65_535))
    .addOption(
      new Option(
        '-L, --url <url>',
        'all in one: mqtt(s)://user:password@host:port/topic, or ws(s)://…',
      ).conflicts(['host', 'port', 'unix', 'ws']),
    )
    .addOption(
      new Option('--unix <path>', 'a unix socket instead of host and port').conflicts(['host', 'port', 'ws']),
    )
    .option('--ws', 'MQTT over WebSocket, at the same port')
    .option('--path <path>', 'the path of the WebSocket URL (default: /mqtt)')
    .option('-A <address>', 'the address of this machine to connect from')
    .option('-u, --username <name>', 'the user name')
    .option('-P, --pw <password>', 'the password')
    .addOption(new Option('-i, --id <id>', 'the client id (default: a random one)').conflicts('idPrefix'))
    .option('-I, --id-prefix <prefix>', 'the client id is this and the number of the process')
    .option(
      '-V, --protocol-version <version>',
      'of MQTT: 5, 311 or 31 (default: 5, and 311 where the server has no 5)',
      protocolVersionOf,
    )
    .option('-k, --keepalive <seconds>', 'keep alive (default: 60)', wholeNumber(0, 65_535))
    .option('-c, --disable-clean-session', 'go on with the session that the server has for this client id')
    .option('-x <seconds>', 'how long the session outlives the connection; -1: for ever', sessionExpiryOf)
    .option('-D, --property <packet>', 'a property: -D PACKET name value', collectProperty)
    .option('--will-topic <topic>', 'the will: what the server publishes when this client vanishes')
    .option('--will-payload <text>', 'its payload (default: empty)')
    .option('--will-qos <qos>', 'its QoS (default: 0)', qosOf)
    .option('--will-retain', 'it is retained')
    .option('--cafile <file>', 'TLS, with the certificates in this file as those to trust')
    .option('--capath <directory>', 'the same with all certificates of a directory')
    .option('--cert <file>', "this client's certificate")
    .option('--key <file>', 'its private key')
    .option('--insecure', "do not check the server's host name; without a CA, do not check its certificate")
    .addOption(new Option('--tls-version <version>', 'that version of TLS').choices(TLS_VERSIONS))
    .option('--ciphers <list>', 'the ciphers of TLS, in the words of OpenSSL')
    .option('--tls-alpn <protocol>', 'the ALPN protocol to ask for')
    .option('-d, --debug', 'show the packets that leave (->) and come (<-), on standard error')
    .option('--quiet', 'no messages about errors while running')
    .helpOption('--help', 'print this and end')
}

/** @throws Exit with 2 for flags that do not go together or name files that cannot be read. */
export function readConnectionFlags(flags: ConnectionFlags): ConnectionSettings {
  const url = flags.url === undefined ? undefined : parseServerUrl(flags.url)
  const version = flags.protocolVersion ?? 5
  const properties = readProperties(flags.property ?? [])
  if (version !== 5 && properties.size > 0) throw wrongUsage('-D: only MQTT 5.0 has properties (-V 5).')
  if (version !== 5 && flags.x !== undefined) throw wrongUsage('-x: only MQTT 5.0 has it (-V 5).')
  if (flags.disableCleanSession && flags.id === undefined && flags.idPrefix === undefined) {
    throw wrongUsage('-c needs a client id: -i says whose session it is.')
  }
  if (
    flags.pw !== undefined &&
    flags.username === undefined &&
    url?.username === undefined &&
    version !== 5
  ) {
    throw wrongUsage('-P needs a user name (-u); without one only MQTT 5.0 has passwords.')
  }
  const { target, server } = targetOf(flags, url)
  return {
    url: target,
    server,
    version,
    properties,
    urlTopic: url?.topic,
    debug: flags.debug ?? false,
    quiet: flags.quiet ?? false,
    options: {
      // Without -V a server that has 3.1.1 only is spoken to in that.
      ...given('protocolVersion', flags.protocolVersion),
      clientId: clientIdOf(flags),
      clean: !flags.disableCleanSession,
      keepalive: flags.keepalive ?? 60,
      ...given('username', flags.username ?? url?.username),
      ...given('password', flags.pw ?? url?.password),
      ...given('will', willOf(flags, properties)),
      ...localAddressOf(flags),
      ...(version === 5 && { properties: connectProperties(flags, properties) }),
      ...tlsOf(flags),
    } as ClientOptions,
  }
}

function given<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: V })
}

function targetOf(flags: ConnectionFlags, url: ServerUrl | undefined): { target: string; server: string } {
  const path = webSocketPath(flags.path ?? '/mqtt')
  if (flags.unix !== undefined) return { target: `mqtt+unix://${flags.unix}`, server: flags.unix }
  const host = url?.host ?? flags.host ?? 'localhost'
  const givenPort = url?.port ?? flags.port
  const scheme = url?.scheme ?? (flags.ws ? 'ws' : 'mqtt')
  const isWeb = scheme === 'ws' || scheme === 'wss'
  const isTls =
    scheme.endsWith('s') && scheme !== 'ws' ? true : wantsTls(flags) || (!isWeb && givenPort === MQTTS_PORT)
  const isUrlOfWeb = url !== undefined && isWeb
  const port = givenPort ?? (isUrlOfWeb ? (isTls ? 443 : 80) : isTls ? MQTTS_PORT : 1883)
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const finalScheme = isWeb ? (isTls ? 'wss' : 'ws') : isTls ? 'mqtts' : 'mqtt'
  return { target: `${finalScheme}://${authority}${isWeb ? path : ''}`, server: `${host}:${port}` }
}

function webSocketPath(path: string): string {
  return path.startsWith('/') ? path : `/${path}`
}

function wantsTls({ cafile, capath, cert, key, tlsVersion, tlsAlpn }: ConnectionFlags): boolean {
  return [cafile, capath, cert, key, tlsVersion, tlsAlpn].some((value) => value !== undefined)
}

function clientIdOf({ id, idPrefix }: ConnectionFlags): string {
  if (id !== undefined) return id
  if (idPrefix !== undefined) return `${idPrefix}${process.pid}`
  return `topicwire-${randomBytes(6).toString('hex')}`
}

function connectProperties(flags: ConnectionFlags, properties: PropertiesByTarget): Record<string, unknown> {
  const sessionExpiryInterval = flags.x ?? (flags.disableCleanSession ? NEVER : undefined)
  return { ...given('sessionExpiryInterval', sessionExpiryInterval), ...properties.get('connect') }
}

function willOf(flags: ConnectionFlags, properties: PropertiesByTarget): ClientOptions['will'] {
  const { willTopic, willPayload = '', willQos = 0, willRetain = false } = flags
  const willProperties = properties.get('will')
  if (willTopic === undefined) {
    const lost = [flags.willPayload, flags.willQos, flags.willRetain, willProperties]
    if (lost.some((value) => value !== undefined)) throw wrongUsage('A will needs a topic: --will-topic.')
    return undefined
  }
  return {
    topic: willTopic,
    payload: Buffer.from(willPayload),
    qos: willQos,
    retain: willRetain,
    ...(willProperties !== undefined && { properties: willProperties }),
  }
}

/** A host name may have addresses of both families; only those of this one can be reached from there. */
function localAddressOf({
  A: localAddress,
}: ConnectionFlags): Pick<ClientOptions, 'localAddress' | 'family'> {
  if (localAddress === undefined) return {}
  const family = isIP(localAddress)
  if (family === 0) throw wrongUsage(`-A takes an IP address of this machine, not '${localAddress}'.`)
  return { localAddress, family }
}

function tlsOf(flags: ConnectionFlags): Record<string, unknown> {
  if ((flags.cert === undefined) !== (flags.key === undefined)) {
    throw wrongUsage("--cert and --key go together: this client's certificate and its private key.")
  }
  const ca = [
    ...(flags.cafile === undefined ? [] : [readCertificates('--cafile', flags.cafile)]),
    ...(flags.capath === undefined ? [] : readDirectory('--capath', flags.capath)),
  ]
  const version = flags.tlsVersion?.replace('tls', 'TLS')
  return {
    ...(ca.length > 0 && { ca }),
    ...(flags.cert !== undefined && { cert: readFile('--cert', flags.cert) }),
    ...(flags.key !== undefined && { key: readFile('--key', flags.key) }),
    // With a CA its chain goes on being checked; without one there is nothing to check against.
    ...(flags.insecure &&
      (ca.length > 0 ? { checkServerIdentity: () => undefined } : { rejectUnauthorized: false })),
    ...(version !== undefined && { minVersion: version, maxVersion: version }),
    ...given('ciphers', flags.ciphers),
    ...(flags.tlsAlpn !== undefined && { ALPNProtocols: [flags.tlsAlpn] }),
  }
}

function readFile(flag: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw wrongUsage(`${flag}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code}).`)
  }
}

/** Node trusts nobody, and says nothing, where there are no certificates. */
function readCertificates(flag: string, path: string): Buffer {
  const content = readFile(flag, path)
  if (!content.includes('-----BEGIN')) throw wrongUsage(`${flag}: ${path} has no certificates in it (PEM).`)
  return content
}

function readDirectory(flag: string, path: string): Buffer[] {
  let names: string[]
  try {
    names = readdirSync(path)
  } catch (error) {
    throw wrongUsage(`${flag}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code}).`)
  }
  const certificates = names.filter((name) => /\.(crt|pem|0)$/.test(name))
  if (certificates.length === 0) throw wrongUsage(`${flag}: ${path} has no file that ends in .crt or .pem.`)
  return certificates.map((name) => readCertificates(flag, join(path, name)))
}
