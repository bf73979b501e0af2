/** What the command prints when it is up: the URLs to use. Aligned and coloured for a terminal, bare for a pipe. */
import { networkInterfaces } from 'node:os'
import type { ListenerProtocol } from '../options.js'
import { isLoopback } from '../status/guarded.js'
import type { Durability } from '../store-options.js'

/** A place the broker listens at, as bound. */
export interface Bound {
  readonly protocol: ListenerProtocol
  /** An IP address. */
  readonly host: string
  readonly port: number
  /** Whether TLS is spoken there: always for `mqtts` and `wss`, with certificates for `auto`. */
  readonly tls: boolean
  /** Whether the page is served to browsers there. */
  readonly page?: boolean
}

/** Where the broker keeps what it promises. */
export interface Kept {
  readonly path: string
  readonly durability: Durability
}

/** How a banner is to look. */
export interface BannerStyle {
  /** A person reads it. */
  readonly terminal: boolean
  readonly color: boolean
}

interface Line {
  readonly url: string
  readonly use: string
}

/** The whole banner, with its final newline. `hosts` are this machine's addresses, for a test. */
export function banner(
  version: string,
  bound: readonly Bound[],
  kept: Kept | undefined,
  style: BannerStyle,
  hosts = ownAddresses(),
): string {
  const lines = bound
    .filter((place) => !isSecondLoopback(place, bound))
    .flatMap((place) => reachableHosts(place.host, hosts).flatMap((host) => urlsOf(place, host)))
  const unique = [...new Map(lines.map((line) => [line.url, line])).values()]
  const isLocal = bound.every((place) => isLoopback(place.host))
  return style.terminal
    ? forTerminal(version, unique, kept, isLocal, style.color)
    : forPipe(version, unique, kept)
}

/** Whether to colour what goes to a terminal: https://no-color.org, and terminals that say they cannot. */
export function wantsColor(isTerminal: boolean, environment: NodeJS.ProcessEnv): boolean {
  return isTerminal && !environment.NO_COLOR && environment.TERM !== 'dumb'
}

function forTerminal(
  version: string,
  lines: readonly Line[],
  kept: Kept | undefined,
  isLocal: boolean,
  color: boolean,
): string {
  const paint = (code: number, text: string) => (color ? `\x1b[${code}m${text}\x1b[0m` : text)
  const width = Math.max(0, ...lines.map((line) => line.url.length)) + 3
  const rows = lines.map(
    ({ url, use }) => `  ${paint(36, url)}${' '.repeat(width - url.length)}${paint(2, use)}`,
  )
  const reach = isLocal ? 'Only this machine can connect (--host 0.0.0.0 opens it). ' : ''
  return [
    `\n  ${paint(1, 'topicwire')} ${version}\n`,
    ...rows,
    `\n  ${paint(2, survival(kept))}`,
    `  ${paint(2, `${reach}Ctrl+C ends it.`)}\n\n`,
  ].join('\n')
}

function forPipe(version: string, lines: readonly Line[], kept: Kept | undefined): string {
  return [`topicwire ${version}`, ...lines.map((line) => line.url), survival(kept), ''].join('\n')
}

/** Where what is acknowledged is, and what it survives. */
function survival(kept: Kept | undefined): string {
  if (kept === undefined) return 'data: in memory, which ends with the process'
  const survives = { process: 'the process being killed', power: 'power loss' }[kept.durability]
  return `data: ${kept.path}, which survives ${survives}`
}

function urlsOf({ protocol, port, tls, page = false }: Bound, host: string): Line[] {
  const mqtt = protocol === 'auto' || protocol === 'mqtt' || protocol === 'mqtts'
  const web = protocol === 'auto' || protocol === 'ws' || protocol === 'wss'
  // A certificate names hosts, and loopback's name in it is `localhost`.
  const certified = isLoopback(host) ? 'localhost' : host
  const plain = protocol === 'auto' || !tls
  const lines: Line[] = []
  if (mqtt && plain) lines.push({ url: `mqtt://${host}:${port}`, use: 'devices and programs' })
  if (mqtt && tls) lines.push({ url: `mqtts://${certified}:${port}`, use: 'the same over TLS' })
  if (web && plain) lines.push(...webUrls(`ws://${host}:${port}`, page))
  if (web && tls) lines.push(...webUrls(`wss://${certified}:${port}`, page))
  return lines
}

function webUrls(origin: string, page: boolean): Line[] {
  const front = { url: `${origin.replace('ws', 'http')}/`, use: 'the page: what goes on, for a browser' }
  return [
    ...(page ? [front] : []),
    { url: `${origin}/mqtt`, use: 'MQTT in a browser, for instance MQTT.js' },
    { url: `${origin}/topics/<topic>`, use: "a topic as the browser's own WebSocket" },
    { url: `${origin}/echo`, use: 'sends back what it gets' },
  ]
}

/** `localhost` binds both families; one of them is enough to say, and every client knows 127.0.0.1. */
function isSecondLoopback({ host, port, protocol }: Bound, bound: readonly Bound[]): boolean {
  if (host !== '::1') return false
  return bound.some(
    (place) => place.host === '127.0.0.1' && place.port === port && place.protocol === protocol,
  )
}

/** What to call a bound address from outside. */
function reachableHosts(host: string, own: readonly string[]): string[] {
  if (host === '0.0.0.0' || host === '::') return ['127.0.0.1', ...own]
  if (isLoopback(host)) return [host === '::1' ? '[::1]' : '127.0.0.1']
  return [host.includes(':') ? `[${host}]` : host]
}

/** This machine's IPv4 addresses in the network. */
function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address)
}
