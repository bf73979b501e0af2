/** CONNECT and its answer: versions, log-in, client ids, sessions. */
import { MqttError } from '../../../errors.js'
import { canaryTopic, subscribeTo } from '../canary.js'
import { type Check, fail, ok, skip, warn } from '../check.js'
import type { Context } from '../context.js'
import { uniqueId } from '../probes/beginnings.js'
import { hex, reasonCodeOf, type Session, versionName, within } from '../probes/mqtt.js'

const UNSUPPORTED = 0x84
const TAKEN_OVER = 0x8e
/** Refusals that are about who comes. */
const LOG_IN: ReadonlySet<number> = new Set([0x86, 0x87, 0x8a, 0x8c])
const NEVER = 4_294_967_295
const PROTOCOL_ERRORS: ReadonlySet<string> = new Set(['ERR_MQTT_PROTOCOL_ERROR', 'ERR_MQTT_MALFORMED_PACKET'])

export const version: Check = {
  code: 'version',
  async run(context) {
    const { protocolVersion: asked } = context.options.client
    const attempt = await context.attempt()
    const error = 'session' in attempt ? undefined : attempt.error
    if (!('session' in attempt) && !(isVersionRefused(error) || isCut(error))) {
      return skip((await context.whyNoSession()) ?? '')
    }
    const versions = [5, 4, 3] as const
    const spoken = await Promise.all(versions.map((one) => speaks(context, one)))
    const yes = versions.filter((_, index) => spoken[index])
    const names = yes.map(versionName).join(', ')
    if (yes.length === 0 && isCut(error)) return skip((await context.whyNoSession()) ?? '')
    if (yes.length === 0) return fail('the server speaks neither MQTT 5.0 nor 3.1.1 nor 3.1')
    return asked === undefined || yes.includes(asked)
      ? ok(`the server speaks ${names}`)
      : fail(`the server does not speak MQTT ${versionName(asked)}: it speaks ${names}`)
  },
}

/** In words of its own version, which are wrong in that of the CONNECT, as often as not. */
function isVersionRefused(error: unknown): boolean {
  if (reasonCodeOf(error) === UNSUPPORTED) return true
  return error instanceof MqttError && PROTOCOL_ERRORS.has(error.code)
}

/** A server has ended the connection without an answer. */
function isCut(error: unknown): boolean {
  return error instanceof MqttError && error.code === 'ERR_MQTT_CONNECTION_LOST'
}

async function speaks(context: Context, protocolVersion: 3 | 4 | 5): Promise<boolean> {
  try {
    const { client } = await context.clients.connect(uniqueId(), { protocolVersion })
    await context.clients.end(client)
    return true
  } catch {
    return false
  }
}

export const logIn: Check = {
  code: 'log-in',
  async run(context) {
    const attempt = await context.attempt()
    const { username, password } = context.options.client
    const isGiven = username !== undefined || password !== undefined
    if ('session' in attempt) {
      if (!isGiven) return ok('the server accepts clients without a user')
      const isOpen = await acceptsAnybody(context)
      return isOpen && !(await context.isHere())
        ? warn(
            'the server accepts this user, and anybody without one as well',
            'Switch anonymous access off there.',
          )
        : ok(`the server accepts this user${isOpen ? ', and clients without one' : ''}`)
    }
    if (attempt.blockedBy !== undefined) return skip((await context.whyNoSession()) ?? '')
    const code = reasonCodeOf(attempt.error)
    if (isVersionRefused(attempt.error)) return skip('the server refuses the version first')
    if (isCut(attempt.error)) {
      return fail(
        'the server ends the connection instead of an answer to CONNECT',
        'Some do that to a user or client id that they do not know, and some while they start: check the log-in (-u, -P) and the log of the server.',
      )
    }
    if (code === undefined)
      return fail(`the server does not accept a connection: ${context.said(attempt.error)}`)
    const reason = context.said(attempt.error).replace(/^The server refuses the connection: /, '')
    if (!LOG_IN.has(code)) return fail(`the server refuses: ${reason}`, 'Its log says why.')
    return isGiven
      ? fail(
          `the server refuses this user: ${reason}`,
          'Check user name and password (-u, -P), and the rules for this client; the log of the server says which refused. A file of users that it cannot read refuses everybody.',
        )
      : fail(
          `the server does not let clients in without a user: ${reason}`,
          'Give user name and password: -u and -P.',
        )
  },
}

async function acceptsAnybody(context: Context): Promise<boolean> {
  try {
    const nobody = { username: undefined, password: undefined }
    const { client } = await context.clients.connect(uniqueId(), nobody)
    await context.clients.end(client)
    return true
  } catch {
    return false
  }
}

/** A client that was thrown out comes back after so long, with most libraries. */
const COME_BACK_MS = 3_000

export const clientId: Check = {
  code: 'client-id',
  async run(context) {
    const { clientId: id } = context.options
    if (id === undefined) return skip('--client-id says which; that client loses its connection for a moment')
    const why = await context.whyNoSession()
    if (why !== undefined) return skip(why)
    let session: Session
    try {
      session = await context.clients.connect(id, gentle())
    } catch (error) {
      return fail(`the server refuses the client id ${JSON.stringify(id)}: ${context.said(error)}`)
    }
    const { client, connack } = session
    const began = performance.now()
    let reasonCode: number | undefined
    client.on('disconnect', (packet) => {
      reasonCode = packet.reasonCode
    })
    const gone = new Promise<true>((resolve) => client.once('close', () => resolve(true)))
    const wasTaken = await within(COME_BACK_MS, client.connected ? gone : Promise.resolve(true))
    const secs = ((performance.now() - began) / 1_000).toFixed(1)
    if (wasTaken !== true) {
      // A session that was there before is left as it was found; one that was made for this is not.
      await context.clients.end(client, connack.sessionPresent ? undefined : 0)
      if (!connack.sessionPresent && session.version !== 5) await forget(context, id, session.version)
      return ok(`nobody else came as ${JSON.stringify(id)} in ${COME_BACK_MS / 1_000} s`)
    }
    const how =
      reasonCode === TAKEN_OVER ? `${hex(TAKEN_OVER)}, Session taken over` : 'the connection was ended'
    return fail(`another client uses ${JSON.stringify(id)}: it came back ${secs} s after this one (${how})`)
  },
}

/** Neither ends the session of the client whose id it is, nor takes its messages. */
function gentle() {
  return {
    clean: false,
    manualAcknowledge: true,
    resubscribe: false,
    properties: { sessionExpiryInterval: NEVER, receiveMaximum: 1 },
  }
}

/** Ends a session by connecting with a clean one. */
async function forget(context: Context, id: string, protocolVersion: 3 | 4 | 5): Promise<void> {
  const { client } = await context.clients.connect(id, { clean: true, protocolVersion })
  await context.clients.end(client)
}

/** How long the session of this check may outlive it, should the doctor be killed. */
const SESSION_SECS = 60

export const session: Check = {
  code: 'session',
  async run(context) {
    const why = await context.whyNoSession()
    if (why !== undefined) return skip(why)
    const id = uniqueId()
    const keep = { clean: false, properties: { sessionExpiryInterval: SESSION_SECS } }
    try {
      const first = await context.clients.connect(id, keep)
      const granted = first.connack.properties?.sessionExpiryInterval
      // Some servers keep a session only where there is a subscription in it.
      await within(context.options.timeoutMs, subscribeTo(first.client, canaryTopic(context.options.topic)))
      await context.clients.end(first.client)
      const second = await context.clients.connect(id, { ...keep, protocolVersion: first.version })
      const isKept = second.connack.sessionPresent
      await context.clients.end(second.client, 0)
      if (second.version !== 5) await forget(context, id, second.version)
      if (second.version === 3) return skip('a CONNACK of MQTT 3.1 does not say whether there was a session')
      if (!isKept) {
        const limit = granted === undefined ? '' : ` (it allows ${granted} s)`
        return warn(
          `the server does not keep sessions${limit}: what is published while a client is away is lost to it`,
          'Have the server keep them (topicwire: limits.sessionExpiryIntervalMaximumSecs), or expect gaps.',
        )
      }
    } catch (error) {
      return warn(`a session that is to outlive its connection is refused: ${context.said(error)}`)
    }
    return ok(
      'a session outlives its connection where a client asks for that (no clean session, a fixed client id)',
    )
  },
}
