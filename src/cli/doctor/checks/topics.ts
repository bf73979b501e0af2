/** Topics: those that nearly fit, what is retained, and how large a message may be. */
import { randomBytes } from 'node:crypto'
import { escapeText } from '../../lib/plain-text.js'
import { canaryTopic, subscribeTo } from '../canary.js'
import { type Check, fail, ok, skip, warn } from '../check.js'
import type { Context } from '../context.js'
import { mistakeIn, nearMiss } from '../nearest.js'
import { NAME, uniqueId } from '../probes/beginnings.js'
import { answerTo, hex, highestQos, within } from '../probes/mqtt.js'

/** How long topics are listened to, and how many are remembered. */
const LISTEN_MS = 1_000
const MAXIMUM_TOPICS = 5_000
const EXPIRY_SECS = 60

/** A topic on which something came. */
interface Seen {
  readonly isRetained: boolean
}

/** Listens to a filter for a moment, or until there are so many topics that it is enough. */
async function hear(
  context: Context,
  filter: string,
): Promise<{ granted: number; topics: Map<string, Seen> }> {
  const { client } = await context.clients.connect(uniqueId())
  const topics = new Map<string, Seen>()
  const isFull = new Promise<void>((resolve) => {
    client.on('message', (topic, _payload, { retain }) => {
      if (topic.startsWith(`${NAME}/`) || topic.includes(`/${NAME}/`)) return
      topics.set(topic, { isRetained: retain || topics.get(topic)?.isRetained === true })
      if (topics.size >= MAXIMUM_TOPICS) resolve()
    })
  })
  const granted = (await within(context.options.timeoutMs, subscribeTo(client, filter, 0))) ?? 0x80
  if (granted < 0x80) await within(LISTEN_MS, isFull)
  await context.clients.end(client)
  return { granted, topics }
}

export const nearMisses: Check = {
  code: 'near-miss',
  async run(context) {
    const { topic } = context.options
    if (topic === undefined) return skip('--topic says which topic or filter is meant')
    const filter = topic.replace(/^\$share\/[^/]*\//, '')
    const mistake = mistakeIn(filter)
    if (mistake !== undefined) return fail(`${topic} is no filter that fits what you mean: ${mistake}`)
    const why = await context.whyNoSession()
    if (why !== undefined) return skip(why)
    const everything = filter.startsWith('$') ? `${filter.split('/', 1)[0]}/#` : '#'
    const [wanted, all, system] = await Promise.all([
      hear(context, filter),
      hear(context, everything),
      filter === '#' || filter.startsWith('+') ? hear(context, '$SYS/#') : undefined,
    ])
    if (wanted.topics.size > 0) {
      return ok(`${counted(wanted.topics.size, 'topic')} of ${topic} had a message in ${LISTEN_MS / 1_000} s`)
    }
    const others = [...all.topics.keys(), ...(system?.topics.keys() ?? [])]
    const nearest = others
      .map((other) => ({ other, why: nearMiss(filter, other) }))
      .find((one) => one.why !== undefined)
    if (nearest !== undefined) {
      return warn(
        `nothing came for ${topic}, but for ${shown(nearest.other)}: ${nearest.why}`,
        `Subscribe to ${shown(nearest.other)}, or publish to ${topic}.`,
      )
    }
    if (all.granted >= 0x80) return skip(`this user may not listen to ${everything} (${hex(all.granted)})`)
    if (others.length === 0)
      return ok(`nothing came in ${LISTEN_MS / 1_000} s, neither for ${topic} nor for others`)
    return ok(`nothing came for ${topic}, and of ${counted(others.length, 'other topic')} none resembles it`)
  },
}

export const retained: Check = {
  code: 'retained',
  async run(context) {
    const why = await context.whyNoSession()
    if (why !== undefined) return skip(why)
    const { topic } = context.options
    if (topic !== undefined && mistakeIn(topic) === undefined) {
      const old = [...(await hear(context, topic)).topics].filter(([, { isRetained }]) => isRetained)
      const [first] = old
      if (first !== undefined) {
        const name = shown(first[0])
        const more = old.length > 1 ? ` and ${old.length - 1} more` : ''
        return warn(
          `${counted(old.length, 'topic')} of ${topic} ${old.length === 1 ? 'has a retained message, which comes' : 'have retained messages, which come'} first to every new subscriber: ${name}${more}`,
          `Where it is out of date, clear it: topicwire pub -r -n -t '${name}'.`,
        )
      }
    }
    return retainCanary(context)
  },
}

/** Retains a message, fetches it, and clears it whatever happens. */
async function retainCanary(context: Context) {
  const { timeoutMs, topic: filter } = context.options
  const session = await context.clients.connect(uniqueId())
  const { client, connack, version } = session
  if (connack.properties?.retainAvailable === false) {
    await context.clients.end(client)
    return warn(
      'the server keeps no retained messages',
      'Switch them on there (topicwire: features.retain), or do without.',
    )
  }
  const topic = canaryTopic(filter)
  // Should the doctor be killed before it clears it, it goes by itself, in 5.0.
  const properties = version === 5 ? { properties: { messageExpiryInterval: EXPIRY_SECS } } : {}
  const qos = Math.min(1, highestQos(session)) as 0 | 1
  const publish = (payload: string) =>
    answerTo(client, client.publishAsync(topic, payload, { qos, retain: true, ...properties }), timeoutMs)
  try {
    const sent = await publish('topicwire doctor')
    if (sent === 'lost') {
      return warn(
        'a retained message made the server end the connection',
        'It may keep none (topicwire: features.retain, Mosquitto: retain_available), or this user may not publish there; see the permissions.',
      )
    }
    if (sent !== 0) return skip('this user may not publish there; see the permissions')
    const came = new Promise<boolean>((resolve) => {
      client.on('message', (name, _payload, { retain }) => {
        if (name === topic) resolve(retain)
      })
    })
    const granted = await within(timeoutMs, subscribeTo(client, topic))
    if ((granted ?? 0x80) >= 0x80) return skip('this user may not subscribe there; see the permissions')
    return (await within(Math.min(timeoutMs, LISTEN_MS), came)) === true
      ? ok('a retained message was kept, fetched and cleared')
      : warn(
          'a retained message was acknowledged, and a new subscriber does not get it',
          'This user may not read it, or the server does not keep it.',
        )
  } finally {
    if (client.connected) await publish('')
    await context.clients.end(client)
  }
}

const DEFAULT_SIZE_BYTES = 65_536

export const packetSize: Check = {
  code: 'packet-size',
  async run(context) {
    const why = await context.whyNoSession()
    if (why !== undefined) return skip(why)
    const { sizeBytes, timeoutMs, topic: filter } = context.options
    const size = sizeBytes ?? DEFAULT_SIZE_BYTES
    const judge = sizeBytes === undefined ? warn : fail
    const session = await context.clients.connect(uniqueId())
    const { client, connack } = session
    const qos = Math.min(1, highestQos(session)) as 0 | 1
    const limit = connack.properties?.maximumPacketSize
    const announced =
      limit === undefined
        ? 'the server announces no limit'
        : `the server takes packets of up to ${limit} bytes`
    try {
      if (limit !== undefined && size + 100 > limit) {
        return judge(`${announced}, and ${counted(size, 'byte')} of payload do not fit`)
      }
      const payload = randomBytes(size)
      const sent = await answerTo(
        client,
        client.publishAsync(canaryTopic(filter), payload, { qos }),
        timeoutMs,
      )
      if (sent === 0) return ok(`${counted(size, 'byte')} of payload arrive; ${announced}`)
      if (sent === 0x87) return skip('this user may not publish there; see the permissions')
      const message = `a message of ${counted(size, 'byte')}`
      if (typeof sent === 'number') return judge(`${message} was refused (${hex(sent)})`)
      const what = sent === 'lost' ? 'ended the connection' : 'was not acknowledged'
      return judge(`${message} ${what}, and ${announced}: its own limit, or one on the way`)
    } finally {
      await context.clients.end(client)
    }
  },
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

function shown(topic: string): string {
  return escapeText(topic)
}
