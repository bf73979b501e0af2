/** A message from ourselves to ourselves, under a topic that nobody else has: what the server makes of it. */
import { randomBytes } from 'node:crypto'
import { NAME } from './probes/beginnings.js'
import { answerTo, highestQos, reasonCodeOf, type Session, within } from './probes/mqtt.js'

/** What has come of it. */
export interface CanaryReport {
  readonly topic: string
  /** The QoS that was granted, or a Reason Code from 0x80 up. */
  readonly granted: number
  /** The QoS that the message was sent with: 2, or less where the server allows less. */
  readonly sentQos: 0 | 1 | 2
  /** 0 when it was acknowledged, a Reason Code from 0x80 up when refused, undefined when neither came. */
  readonly acknowledged: number | undefined
  /** The QoS that it came back with; undefined where it has not. */
  readonly arrivedQos: number | undefined
  readonly roundTripMs: number | undefined
  /** The server has ended the connection instead of an answer. */
  readonly hasLost: boolean
}

/** How long a message that was acknowledged may be on its way. */
const FLIGHT_MS = 2_000

/** A topic below `topicwire-doctor`, or below a filter that ends in `#`. */
export function canaryTopic(filter: string | undefined): string {
  const own = `${NAME}/${randomBytes(6).toString('hex')}`
  return isTree(filter) ? `${filter.slice(0, -1)}${own}` : own
}

/** A filter that has all that is below a topic, so that a canary can be sent there too. */
export function isTree(filter: string | undefined): filter is string {
  return filter !== undefined && /^(?![$])[^+#]+\/#$/.test(filter)
}

/** Sends one. */
export async function flyCanary(
  session: Session,
  filter: string | undefined,
  timeoutMs: number,
): Promise<CanaryReport> {
  const topic = canaryTopic(filter)
  const highest = highestQos(session)
  const { client } = session
  const grant = await within(timeoutMs, subscribeTo(client, topic))
  let arrivedQos: number | undefined
  let roundTripMs: number | undefined
  const began = performance.now()
  const arrived = new Promise<true>((resolve) => {
    client.on('message', (name, _payload, packet) => {
      if (name !== topic) return
      arrivedQos = packet.qos
      roundTripMs = performance.now() - began
      resolve(true)
    })
  })
  const sent = client.publishAsync(topic, 'topicwire doctor', { qos: highest })
  const answer = await answerTo(client, sent, timeoutMs)
  const acknowledged = answer === 'lost' ? undefined : answer
  // What was refused does not arrive, nor what was not subscribed to.
  if (acknowledged === 0 && (grant ?? 0x80) < 0x80) await within(Math.min(FLIGHT_MS, timeoutMs), arrived)
  return {
    topic,
    granted: grant ?? 0x80,
    sentQos: highest,
    acknowledged,
    arrivedQos,
    roundTripMs,
    hasLost: answer === 'lost',
  }
}

/** The QoS that a subscription is granted, or the Reason Code of its refusal. */
export async function subscribeTo(
  client: Session['client'],
  topicFilter: string,
  qos: 0 | 2 = 2,
): Promise<number> {
  return client.subscribeAsync(topicFilter, { qos }).then(
    ([granted]) => granted?.qos ?? 0x80,
    (error: unknown) => reasonCodeOf(error) ?? 0x80,
  )
}
