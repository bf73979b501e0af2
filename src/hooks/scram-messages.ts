/**
 * The messages of a SCRAM client, read as section 7 of RFC 5802 writes them. What a message is taken for is decided in
 * scram.ts. A message that is none is answered with what is wrong, in words.
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

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
/** Printable characters but the comma. */
const NONCE = /^[\x21-\x2b\x2d-\x7e]+$/
/** A letter, and a value that is not empty and holds neither a comma nor U+0000. */
const ATTRIBUTE = /^[A-Za-z]=[^\0,]+$/
const PROOF_BYTES = 32

/** Reads a client-first-message. */
export function parseClientFirst(data: Uint8Array): ClientFirst | string {
  const text = decode(data)
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
  const text = data && decode(data)
  if (text === undefined) return 'the final message is not there, or not UTF-8'
  const proofAt = text.lastIndexOf(',p=')
  if (proofAt < 0) return 'the final message has no proof'
  const withoutProof = text.slice(0, proofAt)
  const inBase64 = text.slice(proofAt + 3)
  const proof = Buffer.from(inBase64, 'base64')
  if (proof.length !== PROOF_BYTES || proof.toString('base64') !== inBase64) return 'the proof is malformed'
  const [first = '', second = '', ...extensions] = withoutProof.split(',')
  if (!first.startsWith('c=') || !second.startsWith('r=')) return 'the final message is malformed'
  const problem = checkExtensions(extensions)
  return problem ?? { channelBinding: first.slice(2), nonce: second.slice(2), proof, withoutProof }
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

function decode(data: Uint8Array): string | undefined {
  try {
    return utf8.decode(data)
  } catch {
    return undefined
  }
}
