/** Whether a message arrives: permissions, quality of service, slow consumers. */
import { type CanaryReport, isTree, subscribeTo } from '../canary.js'
import { type Check, fail, type Outcome, ok, skip, warn } from '../check.js'
import type { Context } from '../context.js'
import { mistakeIn } from '../nearest.js'
import { uniqueId } from '../probes/beginnings.js'
import { hex, type Session, within } from '../probes/mqtt.js'

const REFUSED = 0x80
const OTHER_QOS = 'with that, or raise it (topicwire: features.maximumQos, Mosquitto: max_qos).'

/** A session and its canary, or the reason why there is none. */
async function flown(context: Context): Promise<{ session: Session; canary: CanaryReport } | Outcome> {
  const attempt = await context.attempt()
  const canary = await context.canary()
  if (!('session' in attempt) || canary === undefined) return skip((await context.whyNoSession()) ?? '')
  return { session: attempt.session, canary }
}

export const permissions: Check = {
  code: 'permissions',
  async run(context) {
    const { topic } = context.options
    const flight = await flown(context)
    if ('status' in flight) return flight
    const { session, canary } = flight
    // What is no filter is the affair of another check.
    const filter = topic !== undefined && mistakeIn(topic) === undefined ? topic : undefined
    const asked = filter === undefined ? undefined : await subscribedElsewhere(context, session, filter)
    if (asked !== undefined && asked >= REFUSED)
      return fail(`this user may not subscribe to ${topic} (${hex(asked)})`)
    const { hasLost, granted, sentQos } = canary
    if (hasLost && granted < sentQos) {
      return fail(
        `a message with QoS ${sentQos} made the server end the connection: it grants QoS ${granted} at most`,
        `Publish ${OTHER_QOS}`,
      )
    }
    const problem = problemOf(canary, session)
    // A user who may use some topics only has none below ours; what he was asked about is another matter.
    const isTheirs = isTree(topic)
    if (problem !== undefined) {
      return isTheirs
        ? fail(problem)
        : warn(
            problem,
            'Where that is meant to be so, --topic names topics that this user may use, as in devices/7/#.',
          )
    }
    const where =
      isTheirs || topic === undefined ? canary.topic : `${canary.topic}; ${topic} may be subscribed to`
    return ok(`what is published arrives (${where})`)
  },
}

function problemOf(canary: CanaryReport, { version }: Session): string | undefined {
  const { topic, granted, acknowledged, arrivedQos, hasLost } = canary
  if (granted >= REFUSED) return `this user may not subscribe to ${topic} (${hex(granted)})`
  if (acknowledged !== undefined && acknowledged >= REFUSED) {
    return `this user may not publish to ${topic} (${hex(acknowledged)})`
  }
  if (hasLost) return `a message to ${topic} made the server end the connection`
  if (acknowledged === undefined) return `a message to ${topic} was not acknowledged`
  if (arrivedQos !== undefined) return undefined
  return version === 5
    ? `a message to ${topic} was acknowledged and did not arrive: this user may not read it, or the server drops it`
    : `a message to ${topic} was acknowledged and did not arrive: before MQTT 5.0 a server has no other way to deny it (-V 5 shows more)`
}

/** The answer for the user's own filter, from a connection that gets none of its messages into the canary's way. */
async function subscribedElsewhere(context: Context, { version }: Session, filter: string): Promise<number> {
  const { client } = await context.clients.connect(uniqueId(), { protocolVersion: version })
  const granted = await within(context.options.timeoutMs, subscribeTo(client, filter))
  await context.clients.end(client)
  return granted ?? REFUSED
}

export const qos: Check = {
  code: 'qos',
  async run(context) {
    const flight = await flown(context)
    if ('status' in flight) return flight
    const { sentQos, granted, arrivedQos } = flight.canary
    if (sentQos < 2) {
      return warn(`the server takes QoS ${sentQos} at most`, `Publish and subscribe ${OTHER_QOS}`)
    }
    if (granted >= REFUSED) return skip('there is no subscription to see it on')
    if (granted < 2) return warn(`QoS 2 was asked for, and QoS ${granted} granted`)
    if (arrivedQos === undefined) return skip('no message arrived to see it on')
    return arrivedQos === 2
      ? ok('QoS 2 was granted, and delivered')
      : warn(`a message that was sent with QoS 2 arrived with QoS ${arrivedQos}`)
  },
}

const DROPPED = '$SYS/broker/publish/messages/dropped'
/** What is retained comes right behind the SUBACK. */
const PATIENCE_MS = 500
const SLOW_MS = 1_000

export const slowConsumer: Check = {
  code: 'slow-consumer',
  async run(context) {
    const flight = await flown(context)
    if ('status' in flight) return flight
    const { roundTripMs } = flight.canary
    const { client } = await context.clients.connect(uniqueId())
    const value = new Promise<number>((resolve) => {
      client.on('message', (_topic, payload) => resolve(Number(payload.toString())))
    })
    await within(context.options.timeoutMs, subscribeTo(client, DROPPED))
    const dropped = await within(PATIENCE_MS, value)
    await context.clients.end(client)
    if (roundTripMs !== undefined && roundTripMs > SLOW_MS) {
      return warn(
        `a message took ${(roundTripMs / 1_000).toFixed(1)} s back to its sender: the server or the way to it is overloaded`,
      )
    }
    if (dropped !== undefined && dropped > 0) {
      return warn(
        `since it was started, the server has dropped ${dropped} messages for clients that did not keep up`,
      )
    }
    const trip =
      roundTripMs === undefined
        ? ''
        : `; a message takes ${Math.max(1, Math.round(roundTripMs))} ms there and back`
    if (dropped === undefined)
      return skip(`the server does not say how many messages it has dropped (${DROPPED})${trip}`)
    return ok(`the server has dropped no messages for clients that did not keep up${trip}`)
  },
}
