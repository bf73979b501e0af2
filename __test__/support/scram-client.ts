/**
 * A SCRAM-SHA-256 client, written from RFC 5802 with nothing of topicwire's. It does not SASLprep: names and passwords
 * are sent as they are given.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'

/** What a test may have a client do wrong. */
export interface ClientFinalOptions {
  /** What it said about channel binding. Default `n,,`. */
  readonly header?: string
  /** Default: the server's. */
  readonly nonce?: string | undefined
  /** Put before the proof. */
  readonly extra?: string
}

/** The client-final-message that answers a server-first-message; `bare` is the first one without its header. */
export function clientFinal(
  bare: string,
  serverFirst: string,
  password = 'pencil',
  options: ClientFinalOptions = {},
): string {
  return prove(bare, serverFirst, password, options).message
}

/** A whole exchange: `first`, then `answer` for the server's message, then `isServer` for its last words. */
export class ScramClient {
  readonly #password: string
  readonly #bare: string
  #signature = ''

  constructor(username: string, password: string) {
    this.#password = password
    this.#bare = `n=${username.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${randomBytes(12).toString('hex')}`
  }

  get first(): Buffer {
    return Buffer.from(`n,,${this.#bare}`)
  }

  answer(serverFirst: Buffer): Buffer {
    const { message, signature } = prove(this.#bare, serverFirst.toString(), this.#password, {})
    this.#signature = signature
    return Buffer.from(message)
  }

  /** Whether these are the words of a server that knows the password's credentials. */
  isServer(serverFinal: Buffer | undefined): boolean {
    return this.#signature !== '' && serverFinal?.toString() === `v=${this.#signature}`
  }
}

function prove(
  bare: string,
  serverFirst: string,
  password: string,
  options: ClientFinalOptions,
): { message: string; signature: string } {
  const [, sent = '', salt = '', iterations = ''] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(serverFirst) ?? []
  const { header = 'n,,', nonce = sent, extra = '' } = options
  const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), Number(iterations), 32, 'sha256')
  const clientKey = mac(salted, 'Client Key')
  const storedKey = createHash('sha256').update(clientKey).digest()
  const withoutProof = `c=${Buffer.from(header).toString('base64')},r=${nonce}${extra}`
  const signed = `${bare},${serverFirst},${withoutProof}`
  const signature = mac(storedKey, signed)
  const proof = Buffer.from(clientKey.map((byte, at) => byte ^ (signature[at] ?? 0)))
  return {
    message: `${withoutProof},p=${proof.toString('base64')}`,
    signature: mac(mac(salted, 'Server Key'), signed).toString('base64'),
  }
}

function mac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
