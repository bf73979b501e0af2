/**
 * The plain HTTP part of docs/web-protocol.md: which address is whose, what a page of another origin may do, and what
 * the query says.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { lacksHost, pathOf, send, targetOf } from '../http/pages.js'
import {
  clientIdValue,
  flagValue,
  parseAuthorization,
  parseTopic,
  queryValues,
  Refusal,
  wholeValue,
} from '../http/topic-request.js'
import type { Acceptor } from '../transports/transport.js'
import { codeOf } from './answers.js'
import { EventsTransport } from './events.js'
import { type Caller, refuseRequest } from './exchange.js'
import { answerModule, MODULE_PATH } from './module.js'
import { PublishTransport } from './publish.js'

const EVENTS_PATH = '/events/'
const PUBLISH_PATH = '/publish/'
const UINT32 = 4_294_967_295
const TOPIC_NAME_INVALID = 0x90
const IMPLEMENTATION_SPECIFIC = 0x83
const PREFLIGHT_SECS = 600
const CLOSING = {
  code: 'ERR_MQTT_BROKER_CLOSED',
  reasonCode: 0x8b,
  text: 'The broker is shutting down.',
} as const
const FORMS = /^(application\/x-www-form-urlencoded|multipart\/form-data)\b/i

/** See the head of this file. Made by the HTTP half of a listener. */
export class WebFront {
  readonly #acceptor: Acceptor
  readonly #refusesOrigin: (request: IncomingMessage) => boolean

  /** @param refusesOrigin whether a request comes from a page that may not connect. */
  constructor(acceptor: Acceptor, refusesOrigin: (request: IncomingMessage) => boolean) {
    this.#acceptor = acceptor
    this.#refusesOrigin = refusesOrigin
  }

  /** Answers a request for an address of the web protocol. False, and nothing done, where it is for another. */
  answer(request: IncomingMessage, response: ServerResponse, isClosing: boolean): boolean {
    const path = pathOf(request)
    if (path === MODULE_PATH && !lacksHost(request)) return answerModule(request, response)
    const method = path.startsWith(EVENTS_PATH) ? 'GET' : path.startsWith(PUBLISH_PATH) ? 'POST' : undefined
    if (method === undefined || lacksHost(request)) return false
    response.setHeader('Vary', 'Origin')
    if (this.#refusesOrigin(request)) {
      // A form on any site can send a POST: it must not have any effect.
      response.setHeader('Connection', 'close')
      request.resume()
      send(request, response, 403, 'Pages of this origin may not do this. See allowedOrigins.')
      return true
    }
    const { origin } = request.headers
    if (origin !== undefined) response.setHeader('Access-Control-Allow-Origin', origin)
    if (request.method === 'OPTIONS') preflight(request, response, method)
    else if (request.method !== method) {
      response.setHeader('Allow', `${method}, OPTIONS`)
      request.resume()
      send(request, response, 405, `This address takes ${method}.`)
    } else if (isClosing) {
      request.resume()
      refuseRequest(response, 503, CLOSING)
    } else this.#open(request, response, path, method)
    return true
  }

  #open(request: IncomingMessage, response: ServerResponse, path: string, method: 'GET' | 'POST'): void {
    try {
      if (method === 'GET') this.#openEvents(request, response, path)
      else this.#openPublish(request, response, path)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      const { reasonCode, message: text } = error
      const status = reasonCode === 0x86 ? 401 : 400
      refuseRequest(response, status, {
        code: codeOf(reasonCode, 'ERR_MQTT_INVALID_OPTION'),
        reasonCode,
        text,
      })
    }
  }

  #openEvents(request: IncomingMessage, response: ServerResponse, path: string): void {
    const topicFilter = parseTopic(path.slice(EVENTS_PATH.length), EVENTS_PATH)
    const values = queryOf(request, ['qos', 'retained', 'clientId', 'sessionExpiryIntervalSecs'])
    const clientId = clientIdValue(values)
    const sessionExpiryIntervalSecs = wholeValue(values, 'sessionExpiryIntervalSecs', UINT32) ?? 0
    if (sessionExpiryIntervalSecs > 0 && clientId === undefined) {
      throw new Refusal(IMPLEMENTATION_SPECIFIC, 'A session needs a clientId to be found by.')
    }
    const transport = new EventsTransport(request, response, {
      ...callerOf(request, clientId),
      topicFilter,
      qos: qosOf(values, 0),
      retained: flagValue(values, 'retained', true),
      sessionExpiryIntervalSecs,
    })
    request.resume()
    transport.start(this.#acceptor.attach(transport))
  }

  #openPublish(request: IncomingMessage, response: ServerResponse, path: string): void {
    const topicName = parseTopic(path.slice(PUBLISH_PATH.length), PUBLISH_PATH)
    if (/[+#]/.test(topicName)) {
      throw new Refusal(TOPIC_NAME_INVALID, 'A topic that is published to has no + and no #.')
    }
    const values = queryOf(request, ['qos', 'retain', 'clientId', 'messageExpiryIntervalSecs'])
    const contentType = request.headers['content-type']
    const asked = {
      ...callerOf(request, clientIdValue(values)),
      topicName,
      qos: qosOf(values, 1),
      retain: flagValue(values, 'retain', false),
      messageExpiryIntervalSecs: wholeValue(values, 'messageExpiryIntervalSecs', UINT32),
      contentType: contentType === undefined || FORMS.test(contentType) ? undefined : contentType,
    }
    const { maximumPacketSizeBytes } = this.#acceptor.options.limits
    const transport = new PublishTransport(request, response, asked, maximumPacketSizeBytes)
    transport.start(this.#acceptor.attach(transport))
  }
}

/** A browser asks before it sends what a form could not. */
function preflight(request: IncomingMessage, response: ServerResponse, method: string): void {
  request.resume()
  response.writeHead(204, {
    Allow: `${method}, OPTIONS`,
    'Access-Control-Allow-Methods': method,
    'Access-Control-Allow-Headers': 'Authorization, Content-Type',
    'Access-Control-Max-Age': PREFLIGHT_SECS,
  })
  response.end()
}

function queryOf(request: IncomingMessage, keys: readonly string[]): ReadonlyMap<string, string> {
  const target = targetOf(request)
  const mark = target.indexOf('?')
  return queryValues(mark === -1 ? '' : target.slice(mark + 1), keys)
}

function qosOf(values: ReadonlyMap<string, string>, fallback: 0 | 1): 0 | 1 {
  const qos = values.get('qos') ?? String(fallback)
  if (qos !== '0' && qos !== '1') throw new Refusal(IMPLEMENTATION_SPECIFIC, 'qos is 0 or 1.')
  return qos === '1' ? 1 : 0
}

function callerOf(request: IncomingMessage, clientId: string | undefined): Caller {
  const result = parseAuthorization(request.headers.authorization)
  if ('refusal' in result) throw new Refusal(result.refusal.reasonCode, result.refusal.text)
  return { ...(clientId !== undefined && { clientId }), ...result.credentials }
}
