/**
 * The opening handshake of a WebSocket that carries MQTT, by `ws`. What it is afterwards is in websocket.ts.
 */
import type { Duplex } from 'node:stream'
import { type ClientOptions, WebSocket } from 'ws'
import { MqttError } from '../errors.js'
import { bracketed, type ServerAddress } from './address.js'
import type { Opening, Outcome } from './dial.js'
import { type DialOptions, networkOptions, tlsOptions } from './dial-options.js'
import { type Attempt, badTlsOptions, failedUpgrade, refusedUpgrade } from './problems.js'
import { WebSocketClientTransport } from './websocket.js'

/** The longest control packet: five bytes of header and what the Remaining Length can announce. */
const LONGEST_PACKET = 268_435_460

/** Opens one. `outcome` hears of it once. */
export function openWebSocket(attempt: Attempt, options: DialOptions, outcome: Outcome): Opening {
  const { address, place } = attempt
  const url = urlOf(address)
  const webSocket = make(options.transformWsUrl?.(url) ?? url, attempt, options)
  let socket: Duplex | undefined
  // It stays: a WebSocket that is cancelled reports an error, which is nobody's.
  const onError = (error: Error): void => outcome.failed(failedUpgrade(error, attempt))
  webSocket
    .on('error', onError)
    .on('unexpected-response', (request, response) => {
      outcome.failed(refusedUpgrade(response.statusCode ?? 0, response.statusMessage ?? '', attempt))
      request.destroy()
      webSocket.terminate()
    })
    .once('upgrade', (response) => {
      socket = response.socket
    })
    .once('open', () => {
      if (socket === undefined) return
      outcome.opened(new WebSocketClientTransport(webSocket, socket, place, address.protocol === 'wss'))
    })
  return { hasConnected: undefined, cancel: () => webSocket.terminate() }
}

function make(url: string, { address }: Attempt, options: DialOptions): WebSocket {
  // [MQTT-6.0.0-3], v3.1.1 [MQTT-6.0.0-3]; 3.1 has no say in it, its name is the one that brokers agree on.
  const subprotocols = [options.protocolVersion === 3 ? 'mqttv3.1' : 'mqtt']
  if (options.createWebsocket !== undefined) return options.createWebsocket(url, subprotocols)
  const settings = {
    perMessageDeflate: false,
    maxPayload: LONGEST_PACKET,
    ...networkOptions(options),
    ...(address.protocol === 'wss' && tlsOptions(options)),
    ...options.wsOptions,
  }
  try {
    // Its types know older names of what `tls.connect` and `net.connect` take; it hands everything on to them.
    return new WebSocket(url, subprotocols, settings as ClientOptions)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw badTlsOptions(error)
    throw new MqttError(
      'ERR_MQTT_INVALID_OPTION',
      `${url} is not the URL of a WebSocket: ${error.message}.`,
      {
        cause: error,
      },
    )
  }
}

/** `ws` takes unix sockets in URLs too. */
function urlOf({ protocol, host, port, socketPath, path = '/' }: ServerAddress): string {
  return socketPath === undefined
    ? `${protocol}://${bracketed(host)}:${port}${path}`
    : `${protocol}+unix:${socketPath}:${path}`
}
