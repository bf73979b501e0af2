/**
 * The messages of SCRAM, read and written as section 7 of RFC 5802 has them. What a message is taken for is decided in
 * scram.ts and ../client/scram.ts. A message that is none is answered with what is wrong, in words.
 */

/** The client begins. */
export interface ClientFirst {
  /** With its commas: `n,,` or `y,a=user,`. */
  readonly header: string
  /** The rest, which both sides sign. */
  readonly bare: string
  readonly authorizationId: string | undefined
  readonly username: string
  readonly nonce: string
}

/** The client proves that it knows the password. */
export interface ClientFinal {
  /** In base64, as sent. */
  readonly channelBinding: string
  readonly nonce: string
  /** 32 bytes. */
  readonly proof: Buffer
  /** What both sides sign. */
  readonly withoutProof: string
}

/** The server's challenge. */
export interface ServerFirst {
  /** The client's, and the server's part behind it. */
  readonly nonce: string
  readonly salt: Uint8Array
  readonly iterations: number
}

/** The server's last words. */
export interface ServerFinal {
  /** 32 bytes. */
  readonly signature: Buffer
}

/** The client binds no channel, and acts for nobody else. */
export const HEADER = 'n,,'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
/** Printable characters but the comma. */
const NONCE = /^[\x21-\x2b\x2d-\x7e]+$/
/** A letter, and a value that is not empty and holds neither a comma nor U+0000. */
const ATTRIBUTE = /^[A-Za-z]=[^\0,]+$/
const PROOF_BYTES = 32
const SIGNATURE_BYTES = 32

/** Reads a client-first-message. */
export function parseClientFirst(data: Uint8Array): ClientFirst | string {
  const text = decodeMessage(data)
  if (text === undefined) return 'the first message is not UTF-8'
  const header = /^(p=[A-Za-z0-9.-]+|[ny]),(a=[^,]+)?,/.exec(text)
  if (header === null) return 'the first message has no header'
  const [whole, flag = '', identity] = header
  // `y` says that the client could bind and believes that we cannot, which is so.
  if (flag.startsWith('p=')) return 'channel binding is not supported'
  const authorizationId = identity === undefined ? undefined : unescapeName(identity.slice(2))
  if (identity !== undefined && authorizationId === undefined)
    return 'the authorization identity is malformed'
  const bare = text.slice(whole.length)
  const [first = '', second = '', ...extensions] = bare.split(',')
  if (first.startsWith('m=')) return 'an extension that is not supported'
  const username = first.startsWith('n=') ? unescapeName(first.slice(2)) : undefined
  if (username === undefined) return 'the user name is malformed'
  const nonce = second.startsWith('r=') ? second.slice(2) : ''
  if (!NONCE.test(nonce)) return 'the nonce is malformed'
  const problem = checkExtensions(extensions)
  return problem ?? { header: whole, bare, authorizationId, username, nonce }
}

/** Reads a client-final-message. */
export function parseClientFinal(data: Uint8Array | undefined): ClientFinal | string {
  const text = data && decodeMessage(data)
  if (text === undefined) return 'the final message is not there, or not UTF-8'
  const proofAt = text.lastIndexOf(',p=')
  if (proofAt < 0) return 'the final message has no proof'
  const withoutProof = text.slice(0, proofAt)
  const proof = readBase64(text.slice(proofAt + 3))
  if (proof?.length !== PROOF_BYTES) return 'the proof is malformed'
  const [first = '', second = '', ...extensions] = withoutProof.split(',')
  if (!first.startsWith('c=') || !second.startsWith('r=')) return 'the final message is malformed'
  const problem = checkExtensions(extensions)
  return problem ?? { channelBinding: first.slice(2), nonce: second.slice(2), proof, withoutProof }
}

/** Writes what follows `HEADER` in a client-first-message. The name is one that SASLprep has been through. */
export function writeClientFirstBare(username: string, nonce: string): string {
  return `n=${username.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${nonce}`
}

/** Writes a client-final-message up to its proof. */
export function writeClientFinalWithoutProof(nonce: string): string {
  return `c=${Buffer.from(HEADER).toString('base64')},r=${nonce}`
}

/** Writes a server-first-message. */
export function writeServerFirst({ nonce, salt, iterations }: ServerFirst): string {
  return `r=${nonce},s=${Buffer.from(salt).toString('base64')},i=${iterations}`
}

/** Reads a server-first-message. */
export function parseServerFirst(text: string): ServerFirst | string {
  const [first = '', second = '', third = '', ...extensions] = text.split(',')
  if (first.startsWith('m=')) return 'an extension that is not supported'
  const nonce = first.startsWith('r=') ? first.slice(2) : ''
  if (!NONCE.test(nonce)) return 'the nonce is malformed'
  const salt = second.startsWith('s=') ? readBase64(second.slice(2)) : undefined
  if (salt === undefined || salt.length === 0) return 'the salt is malformed'
  if (!/^i=[1-9]\d{0,9}$/.test(third)) return 'the number of iterations is malformed'
  const problem = checkExtensions(extensions)
  return problem ?? { nonce, salt, iterations: Number(third.slice(2)) }
}

/** Reads a server-final-message. An error that the server names in it is what is wrong. */
export function parseServerFinal(data: Uint8Array | undefined): ServerFinal | string {
  const text = data && decodeMessage(data)
  if (text === undefined) return 'the final message is not there, or not UTF-8'
  const [first = '', ...extensions] = text.split(',')
  if (first.startsWith('e=')) return `the server names an error: ${first.slice(2)}`
  const signature = first.startsWith('v=') ? readBase64(first.slice(2)) : undefined
  if (signature?.length !== SIGNATURE_BYTES) return 'the signature is malformed'
  return checkExtensions(extensions) ?? { signature }
}

/** Extensions that nobody knows are passed over, but not one that says it must be understood. */
function checkExtensions(extensions: readonly string[]): string | undefined {
  if (extensions.some((extension) => !ATTRIBUTE.test(extension))) return 'an extension is malformed'
  return extensions.some((extension) => extension.startsWith('m='))
    ? 'an extension that is not supported'
    : undefined
}

/** `=2C` is a comma and `=3D` an equals sign; neither stands for itself, and nothing else is escaped. */
function unescapeName(text: string): string | undefined {
  if (text === '' || text.includes('\0') || /=(?!2C|3D)/.test(text)) return undefined
  return text.replaceAll('=2C', ',').replaceAll('=3D', '=')
}

/** Base64 in its one form: with padding, and nothing that is passed over. */
function readBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}

/** Text, or undefined for what is not UTF-8. */
export function decodeMessage(data: Uint8Array): string | undefined {
  try {
    return utf8.decode(data)
  } catch {
    return undefined
  }
}
