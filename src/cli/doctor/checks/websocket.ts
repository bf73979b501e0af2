/** The handshake of a WebSocket: path, subprotocol, origin. */
import { type Check, fail, ok, skip, warn } from '../check.js'
import type { Context } from '../context.js'
import type { HttpAnswer } from '../probes/beginnings.js'
import { answerAtPath, askUpgrade } from '../probes/upgrade.js'

const USUAL_PATHS = ['/mqtt', '/', '/ws', '/mqtt/']
/** Of nobody: `example` is a name that no site can have. */
const STRANGE_ORIGIN = 'https://topicwire-doctor.example'
const SWITCHING = 101

export const webSocketPath: Check = {
  code: 'websocket-path',
  async run(context) {
    if (!context.isWeb) return skip('the URL is not one of a WebSocket')
    const answer = await answerAtPath(context)
    if (answer === undefined) return skip('HTTP is not answered there')
    const { path } = context.options
    if (answer.status === SWITCHING) return ok(`${path} is a WebSocket`)
    const others = USUAL_PATHS.filter((other) => other !== path)
    const answers = await Promise.all(others.map((other) => askUpgrade(context, other, 'mqtt')))
    const working = others.filter((_, index) => answers[index]?.status === SWITCHING)
    const text = `${path} answers the WebSocket handshake with ${answer.status} ${answer.reason}`.trimEnd()
    return working.length > 0
      ? fail(`${text}, and ${working.join(' and ')} with a WebSocket`, `Use ${urlAt(context, working[0])}.`)
      : fail(text, adviceFor(answer))
  },
}

function adviceFor({ status, headers }: HttpAnswer): string | undefined {
  if (status === 502 || status === 503 || status === 504) {
    return 'The proxy there does not reach the server behind it: start that, and compare its address with the one in the proxy.'
  }
  if (status >= 300 && status < 400)
    return `Use the address that it points to: ${headers.get('location') ?? 'none'}.`
  if (status === 401 || status === 407) return 'It wants a log-in for HTTP, before anything of MQTT.'
  if (status === 200 || status === 400 || status === 426) {
    return 'This is a web server that knows no WebSocket at this path, or a proxy that does not pass Upgrade on (nginx: proxy_http_version 1.1, proxy_set_header Upgrade $http_upgrade and Connection "upgrade").'
  }
  return undefined
}

export const subprotocol: Check = {
  code: 'subprotocol',
  async run(context) {
    if (!context.isWeb) return skip('the URL is not one of a WebSocket')
    const answer = await answerAtPath(context)
    if (answer?.status !== SWITCHING) return skip('there is no WebSocket at this path')
    const chosen = answer.headers.get('sec-websocket-protocol')
    if (chosen === 'mqtt') return ok('the server chooses mqtt')
    if (chosen !== undefined) return fail(`the server chooses ${chosen}, where only mqtt was offered`)
    const old = await askUpgrade(context, context.options.path, 'mqttv3.1')
    if (old?.headers.get('sec-websocket-protocol') === 'mqttv3.1') {
      return fail(
        'the server knows the subprotocol mqttv3.1 only, and clients offer mqtt',
        'Use -V 31 and clients that offer mqttv3.1, or a newer server.',
      )
    }
    return fail('the WebSocket was accepted without the subprotocol mqtt, so clients end it at once')
  },
}

export const origin: Check = {
  code: 'origin',
  async run(context) {
    if (!context.isWeb) return skip('the URL is not one of a WebSocket')
    const answer = await answerAtPath(context)
    if (answer?.status !== SWITCHING) return skip('there is no WebSocket at this path')
    const { page, path } = context.options
    const asked = page === undefined ? STRANGE_ORIGIN : page.origin
    const answered = await askUpgrade(context, path, 'mqtt', asked)
    const isAllowed = answered?.status === SWITCHING
    if (page !== undefined) {
      return isAllowed
        ? ok(`pages of ${asked} may connect`)
        : fail(
            `pages of ${asked} may not connect (${answered?.status ?? 'no answer'})`,
            `Add ${asked} to allowedOrigins of the broker (Mosquitto: websockets_origin).`,
          )
    }
    return isAllowed
      ? warn(
          'pages of any site may connect, as whoever visits them',
          'List the origins that may (topicwire: allowedOrigins, Mosquitto: websockets_origin), or have every client log in.',
        )
      : ok('pages of strange sites may not connect; --page tests one of yours')
  },
}

function urlAt(context: Context, path = '/'): string {
  return `${context.options.scheme}://${context.name}${path}`
}
