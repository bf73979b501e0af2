/**
 * SCRAM-SHA-256 (RFC 5802, RFC 7677), the client's side, for `options.authentication`: the password never travels, and a
 * server that does not know it is found out by its last words. The server's side is in ../hooks/scram.ts.
 *
 * No channel is bound: without TLS what follows is in the clear, and can be changed on its way.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { MqttError } from '../errors.js'
import {
  clientKeyOf,
  hmac,
  isIterations,
  NONCE_BYTES,
  prepare,
  saltPassword,
  serverKeyOf,
  storedKeyOf,
  xor,
} from '../hooks/scram-keys.js'
import {
  decodeMessage,
  HEADER,
  parseServerFinal,
  parseServerFirst,
  writeClientFinalWithoutProof,
  writeClientFirstBare,
} from '../hooks/scram-messages.js'
import type { Authentication } from './authentication.js'

/** Who logs in. */
export interface ScramLogin {
  readonly username: string
  readonly password: string
}

/**
 * The method SCRAM-SHA-256 for `options.authentication`. One for each client.
 *
 * @throws MqttError ERR_MQTT_INVALID_OPTION for a name or a password that SASLprep does not allow.
 */
export function scramSha256Client({ username, password }: ScramLogin): Authentication {
  const [name, secret] = [prepare(`${username}`, true), prepare(`${password}`, true)]
  if (name === undefined || secret === undefined) {
    const what = secret === undefined ? 'password' : 'username'
    throw new MqttError(
      'ERR_MQTT_INVALID_OPTION',
      `The ${what} must be text that SASLprep (RFC 4013) allows, and not empty.`,
    )
  }
  return new ScramMethod(name, secret)
}

class ScramMethod implements Authentication {
  readonly method = 'SCRAM-SHA-256'
  readonly #username: string
  readonly #password: string
  #nonce = ''
  #bare = ''
  /** What the server has to say in the end, once it has been given the proof. */
  #signature: Buffer | undefined

  constructor(username: string, password: string) {
    this.#username = username
    this.#password = password
  }

  start(): Buffer {
    this.#nonce = randomBytes(NONCE_BYTES).toString('base64')
    this.#bare = writeClientFirstBare(this.#username, this.#nonce)
    this.#signature = undefined
    return Buffer.from(HEADER + this.#bare)
  }

  async next(data: Buffer): Promise<Buffer> {
    const [bare, own] = [this.#bare, this.#nonce]
    // One proof for each nonce: whoever asks twice collects them.
    this.#nonce = ''
    const serverFirst = decodeMessage(data)
    const message = serverFirst === undefined ? 'the challenge is not UTF-8' : parseServerFirst(serverFirst)
    if (typeof message === 'string') throw failed(message)
    const { nonce, salt, iterations } = message
    if (own === '') throw failed('the server asks for another proof')
    if (!nonce.startsWith(own) || nonce === own) throw failed('the nonce is not the one of this exchange')
    if (!isIterations(iterations)) throw failed(`the server asks for ${iterations} iterations`)
    const salted = await saltPassword(this.#password, salt, iterations)
    const withoutProof = writeClientFinalWithoutProof(nonce)
    const authMessage = `${bare},${serverFirst},${withoutProof}`
    const proof = xor(clientKeyOf(salted), hmac(storedKeyOf(salted), authMessage))
    this.#signature = hmac(serverKeyOf(salted), authMessage)
    return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`)
  }

  finish(data: Buffer | undefined): void {
    const expected = this.#signature
    this.#signature = undefined
    if (expected === undefined) throw failed('the server accepts without a proof')
    const message = parseServerFinal(data)
    if (typeof message === 'string') throw failed(message)
    if (!timingSafeEqual(message.signature, expected)) {
      throw failed('the signature of the server is wrong, so it does not know the password')
    }
  }
}

function failed(reason: string): MqttError {
  return new MqttError('ERR_MQTT_AUTHENTICATION', `SCRAM-SHA-256 failed: ${reason}.`)
}
