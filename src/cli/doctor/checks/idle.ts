/** How long a connection lives on which nothing is said: with `--idle`. */
import { type Check, fail, ok, skip } from '../check.js'
import type { Context } from '../context.js'
import { uniqueId } from '../probes/beginnings.js'
import { type Session, within } from '../probes/mqtt.js'
import { answerAtPath } from '../probes/upgrade.js'

const PROGRESS_EVERY_MS = 1_000
/** What a client says on its own is at least so far apart. */
const LONGEST_KEEP_ALIVE_SECS = 65_535

export const idle: Check = {
  code: 'idle',
  async run(context) {
    const { idleSecs, progress } = context.options
    if (idleSecs === undefined)
      return skip(`--idle 70 holds a connection for 70 s and sees who ends it${await proxyName(context)}`)
    const why = await context.whyNoSession()
    if (why !== undefined) return skip(why)
    let session: Session
    try {
      session = await silentSession(context)
    } catch (error) {
      return skip(`there is no connection without a keep alive: ${context.said(error)}`)
    }
    const { client } = session
    const keepAlive = client.keepalive
    const gone = new Promise<true>((resolve) => client.once('close', () => resolve(true)))
    const began = performance.now()
    const seconds = (): number => (performance.now() - began) / 1_000
    const timer = setInterval(
      () => progress(`idle for ${Math.floor(seconds())} of ${idleSecs} s`),
      PROGRESS_EVERY_MS,
    )
    const isGone = await within(idleSecs * 1_000, gone).finally(() => clearInterval(timer))
    const lived = seconds()
    await context.clients.end(client)
    if (isGone !== true) return ok(`a connection on which nothing was said lived for ${idleSecs} s`)
    const whole = Math.round(lived)
    return fail(
      `a connection on which nothing was said was ended after ${lived.toFixed(1)} s${keepAlive > 0 ? ` (keep alive ${keepAlive} s)` : ''}`,
      `Something on the way ends idle connections: set a keep alive of ${Math.max(1, Math.floor(whole * 0.75))} s or less in every client, or raise its time-out (nginx: proxy_read_timeout; load balancers: idle timeout).`,
    )
  },
}

/** 3.1.1 has no Server Keep Alive, so that nobody can have this client ping; a server may refuse to do without. */
async function silentSession(context: Context): Promise<Session> {
  try {
    return await context.clients.connect(uniqueId(), { protocolVersion: 4, keepalive: 0 })
  } catch {
    return context.clients.connect(uniqueId(), { keepalive: LONGEST_KEEP_ALIVE_SECS })
  }
}

/** What stands in front of the server, as far as it says so. */
async function proxyName(context: Context): Promise<string> {
  const headers = (await answerAtPath(context))?.headers
  const name = headers?.get('server') ?? headers?.get('via')
  const known =
    name === undefined ? undefined : /nginx|cloudflare|awselb|envoy|haproxy|traefik|caddy/i.exec(name)?.[0]
  return known === undefined ? '' : `; ${known} is in front, which ends idle connections`
}
