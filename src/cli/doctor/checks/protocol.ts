/** Which protocol the port speaks, and whether that is what the URL says. */
import { type Check, fail, type Outcome, ok, skip } from '../check.js'
import type { Context } from '../context.js'
import { cutBehindTls, type Found, foreignName } from '../probes/speech.js'

const WORDS: Record<Found, string> = {
  mqtt: 'MQTT',
  mqtts: 'MQTT over TLS',
  ws: 'HTTP',
  wss: 'HTTP over TLS',
  tls: 'TLS',
}

export const webSocketAtMqttPort: Check = {
  code: 'websocket-at-mqtt-port',
  async run(context) {
    if (!context.isWeb) return skip('the URL is not one of a WebSocket')
    const found = await context.found()
    if (found.length === 0) return skip('nothing was answered')
    const { scheme } = context.options
    const mqtt = found.find((one) => one === 'mqtt' || one === 'mqtts')
    if (found.includes(scheme) || mqtt === undefined) return ok('it is not one for MQTT alone')
    return fail(
      `${context.name} speaks ${WORDS[mqtt]} and no WebSocket`,
      `A page needs the server's port for WebSockets (often 8083, 8080 or 9001; topicwire has both on one port); programs use ${urlOf(context, mqtt)}.`,
    )
  },
}

export const scheme: Check = {
  code: 'scheme',
  async run(context) {
    const speech = await context.speech()
    if (speech === undefined) return skip('nothing answers there')
    const found = await context.found()
    const wanted = context.options.scheme
    if (found.includes(wanted)) return ok(`${context.name} speaks ${WORDS[wanted]}`)
    const attempt = await context.attempt()
    if ('session' in attempt) {
      return ok(`${context.name} speaks ${WORDS[wanted]}, and ends connections of strangers without a word`)
    }
    if (context.isTls) {
      if (found.includes('tls')) {
        const cut = cutBehindTls(speech)
        const isCut = cut === 'alert' || (cut === 'end' && context.options.client.cert !== undefined)
        return speech.tls?.kind === 'alert' || isCut
          ? ok(`${context.name} speaks TLS; what is inside could not be seen`)
          : fail(`${context.name} speaks TLS, and inside it neither MQTT nor HTTP`)
      }
      if (speech.tls?.kind === 'own-options') {
        return fail(`this client's own TLS options cannot be used: ${speech.tls.message}`)
      }
    }
    return (
      mismatch(context, found) ??
      foreign(context, foreignName(speech), speech.plain.mqtt?.heard.end === 'timeout')
    )
  },
}

function mismatch(context: Context, found: readonly Found[]): Outcome | undefined {
  const [first] = found
  if (first === undefined) return undefined
  const wanted = context.options.scheme
  const best = found.find((one) => one.startsWith(context.isWeb ? 'ws' : 'mqtt')) ?? first
  if (best === 'tls') {
    return fail(
      `${context.name} speaks TLS, and ${wanted}:// is without`,
      `Use ${urlOf(context, context.isWeb ? 'wss' : 'mqtts')}, or the server's port without TLS.`,
    )
  }
  return fail(
    `${context.name} speaks ${WORDS[best]}, and ${wanted}:// was asked for`,
    `Use ${urlOf(context, best)}, or the port that the server has for ${wanted}://.`,
  )
}

function foreign(context: Context, name: string | undefined, isSilent: boolean): Outcome {
  const what =
    name !== undefined
      ? `${context.name} speaks ${name}`
      : isSilent
        ? `${context.name} takes connections and says nothing, to MQTT, HTTP and TLS alike`
        : `${context.name} ends every connection, whether it begins with MQTT, HTTP or TLS`
  return fail(
    `${what}: this is no broker`,
    'Check the port: brokers are at 1883 (MQTT), 8883 (TLS), 8083 or 9001 (WebSocket). A server that is just starting, or has no room, behaves like that too.',
  )
}

function urlOf(context: Context, found: Found): string {
  const scheme = found === 'tls' ? 'mqtts' : found
  const path = scheme.startsWith('ws') ? '/mqtt' : ''
  return `${scheme}://${context.name}${path}`
}
