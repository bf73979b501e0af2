/** Asks for a WebSocket at the server that is examined. */
import type { Context } from '../context.js'
import { askHttp, type HttpAnswer, upgradeHeaders } from './beginnings.js'
import { authority } from './speech.js'
import { open } from './tcp.js'
import { shakeHands } from './tls.js'

/** undefined where nothing like HTTP was answered. The connection is gone afterwards, whatever the answer. */
export async function askUpgrade(
  context: Context,
  path: string,
  subprotocol: string,
  origin?: string,
): Promise<HttpAnswer | undefined> {
  const { host, port, client, timeoutMs } = context.options
  const door = await context.door()
  if (door === undefined) return undefined
  const { address } = door
  const headers = upgradeHeaders(subprotocol, origin)
  if (!context.isTls) {
    const socket = await open(address, port, timeoutMs).catch(() => undefined)
    return socket && (await askHttp(socket, authority(host, port), path, headers, timeoutMs)).answer
  }
  const tls = await shakeHands({ address, port, host, options: client }, timeoutMs)
  if (tls.kind !== 'done') return undefined
  return (await askHttp(tls.socket, authority(host, port), path, headers, timeoutMs)).answer
}

/** What the port answered to the handshake at the path of the URL; undefined where that was no HTTP. */
export async function answerAtPath(context: Context): Promise<HttpAnswer | undefined> {
  const speech = await context.speech()
  return (context.isTls ? speech?.inside : speech?.plain)?.http?.answer
}
