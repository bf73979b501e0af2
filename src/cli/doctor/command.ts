/** `topicwire doctor`: examines a server and the way to it, and says what helps. */
import { Command } from 'commander'
import { wantsColor } from '../banner.js'
import { EXIT_FAILURE, EXIT_USAGE, Exit, wrongUsage } from '../lib/exit.js'
import type { Io } from '../lib/io.js'
import { paintWith } from '../lib/paint.js'
import { ProgressLine, type ProgressTerminal } from '../lib/progress.js'
import { addServerFlags, type ServerFlags, serverOf } from '../lib/server-flags.js'
import { parseServerUrl } from '../lib/server-url.js'
import { seconds, wholeNumber } from '../lib/values.js'
import type { DoctorOptions } from './context.js'
import { examine } from './run.js'
import { inWords } from './words.js'

interface DoctorFlags extends ServerFlags {
  readonly tlsAlpn?: string
  readonly clientId?: string
  readonly topic?: string
  readonly page?: string
  readonly size?: number
  readonly idle?: number
  readonly timeout: number
  readonly json?: boolean
}

const DEFAULT_TIMEOUT_SECS = 3
const LARGEST_PAYLOAD = 268_435_000
const LONGEST_SECS = 86_400
/** A terminal is told every second, in one line that is written over. */
const PROGRESS_IN_PIPES_MS = 10_000

const EXAMPLES = `
Examples:
  topicwire doctor                               the broker on this machine
  topicwire doctor mqtts://broker.example.org    over TLS, port 8883
  topicwire doctor -h 192.168.1.5 -u alice -P secret --topic 'devices/#'
                                                 as a user, with a look at the topics
  topicwire doctor wss://example.org/mqtt --page https://example.org/app
                                                 for a page in a browser
  topicwire doctor ws://example.org/mqtt --idle 120
                                                 does a proxy cut silent connections?
  topicwire doctor --json                        for a program

Each check is a line: ok, warn, FAIL, or skip where it does not apply. What helps stands behind it. All checks are in
docs/doctor.md. At the server only topics below topicwire-doctor/ are published to (with --topic a/b/#: below that), and
nothing is left there.

Exit codes: 0 nothing failed, 1 a check failed, 2 wrong usage.`

/** The command, for the frame in src/cli/commands.ts. */
export function doctorCommand(io: Io, terminal: ProgressTerminal = process.stderr): Command {
  return addServerFlags(new Command('doctor'))
    .description('Finds out why a server cannot be reached, or does not do what is expected, and what helps.')
    .argument('[url]', 'the server, as mqtt(s)://user:password@host:port or ws(s)://host:port/path')
    .option('--topic <filter>', 'the topic, or the filter, that is subscribed to')
    .option('--page <url>', 'the page that is to connect from a browser')
    .option('--tls-alpn <protocol>', 'the ALPN protocol to ask for')
    .option('--client-id <id>', 'a client id that may be in use twice: connects as that client once')
    .option(
      '--size <bytes>',
      'the largest payload that is sent (default: 65536)',
      wholeNumber(0, LARGEST_PAYLOAD),
    )
    .option('--idle <seconds>', 'hold a connection for so long on which nothing is said', seconds)
    .option('--timeout <seconds>', 'how long each step may take', seconds, DEFAULT_TIMEOUT_SECS)
    .option('--json', 'print one JSON document instead of lines')
    .addHelpText('after', EXAMPLES)
    .action(async (url: string | undefined, flags: DoctorFlags) => {
      const line = new ProgressLine(io, terminal)
      let toldAt = Number.NEGATIVE_INFINITY
      const options = readFlags(url, flags, (text) => {
        const now = performance.now()
        if (terminal.isTTY) line.show(text)
        else if (now - toldAt >= PROGRESS_IN_PIPES_MS) {
          toldAt = now
          io.error(`${text}\n`)
        }
      })
      const began = performance.now()
      const findings = await examine(options)
      line.clear()
      const failed = findings.filter(({ status }) => status === 'fail').length
      const name = nameOf(options)
      if (flags.json) {
        const milliseconds = Math.round(performance.now() - began)
        io.out(`${JSON.stringify({ server: name, failed, milliseconds, checks: findings })}\n`)
      } else {
        const { isTTY = false, columns } = process.stdout
        const paint = paintWith(wantsColor(isTTY, process.env))
        io.out(inWords(name, findings, paint, isTTY ? columns : undefined))
      }
      if (failed > 0) throw new Exit(EXIT_FAILURE)
    })
}

function readFlags(
  url: string | undefined,
  flags: DoctorFlags,
  progress: (text: string) => void,
): DoctorOptions {
  if (url !== undefined && flags.url !== undefined) throw wrongUsage('The URL is given twice.')
  const given = url ?? flags.url
  if (given !== undefined && (flags.host !== undefined || flags.port !== undefined || flags.ws)) {
    throw wrongUsage('-h, -p and --ws are parts of the URL; give either.')
  }
  const parsed = given === undefined ? undefined : parseUrl(given)
  const path = parsed?.scheme.startsWith('ws') && parsed.path !== undefined ? { path: parsed.path } : {}
  const server = serverOf({ ...flags, ...(parsed && { url: parsed.url }), ...path })
  const { scheme, host, port = 0, topic: rest = '' } = parseServerUrl(server.url)
  const topic = flags.topic ?? (parsed?.scheme.startsWith('mqtt') ? parsed.path?.slice(1) : undefined)
  if (flags.idle !== undefined && !(flags.idle >= 1 && flags.idle <= LONGEST_SECS)) {
    throw wrongUsage(`--idle is a number of seconds from 1 to ${LONGEST_SECS}.`)
  }
  if (!(flags.timeout >= 0.1 && flags.timeout <= LONGEST_SECS)) {
    throw wrongUsage(`--timeout is a number of seconds from 0.1 to ${LONGEST_SECS}.`)
  }
  if (flags.clientId === '') throw wrongUsage('--client-id is empty.')
  return {
    scheme,
    host,
    port,
    path: `/${rest}`,
    url: server.url,
    client: { ...server.options, ...(flags.tlsAlpn !== undefined && { ALPNProtocols: [flags.tlsAlpn] }) },
    timeoutMs: flags.timeout * 1_000,
    page: pageOf(flags.page),
    topic: topic === '' ? undefined : topic,
    idleSecs: flags.idle,
    clientId: flags.clientId,
    sizeBytes: flags.size,
    progress,
  }
}

interface Parsed {
  readonly scheme: string
  /** Without path and topic. */
  readonly url: string
  readonly path: string | undefined
}

/** A part of a URL that is not what it should be may be a part of a password, and is not repeated. */
function parseUrl(text: string): Parsed {
  const url = text.includes('://') ? text.replace(/^http(s?):/, 'ws$1:') : `mqtt://${text}`
  try {
    const { scheme, topic } = parseServerUrl(url)
    const isBare = topic === undefined
    // `ws://host/` names the path /; where there is none at all it is the one of most brokers.
    const root = /^wss?:\/\/[^/]+\/$/.test(url) ? '/' : undefined
    const path = isBare ? root : `/${topic}`
    return { scheme, url: isBare ? url : url.slice(0, -topic.length - 1), path }
  } catch (error) {
    if (!(error instanceof Exit)) throw error
    throw new Exit(
      EXIT_USAGE,
      'The server is a URL like mqtt://user:password@host:1883, or one with mqtts, ws or wss; characters of the password other than letters and digits are percent-encoded in it (/ is %2F, @ is %40).',
    )
  }
}

function pageOf(text: string | undefined): URL | undefined {
  if (text === undefined) return undefined
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw wrongUsage('--page is the URL of a page: http://… or https://…')
  }
  return url
}

/** Without log-in. */
function nameOf({ scheme, url, path }: DoctorOptions): string {
  return scheme.startsWith('ws') ? url : url.replace(path === '/' ? /\/$/ : /$^/, '')
}
