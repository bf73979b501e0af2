/** TLS: who vouches for the certificate, for whom it is and when, and what the server wants of the client. */
import type { PeerCertificate } from 'node:tls'
import { type Check, fail, type Outcome, ok, skip, warn } from '../check.js'
import type { Context } from '../context.js'
import { cutBehindTls } from '../probes/speech.js'
import type { Handshake } from '../probes/tls.js'

const DAY_MS = 86_400_000
/** A renewal that has not happened by then is late. */
const SOON_DAYS = 14

/** What OpenSSL says of a chain that is whole and trusted, but for the dates. */
const DATE_PROBLEMS = ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']

type Done = Extract<Handshake, { kind: 'done' }>

async function handshakeOf(context: Context): Promise<Done | Outcome> {
  if (!context.isTls) return skip('the URL is without TLS')
  const speech = await context.speech()
  if (speech === undefined) return skip('nothing answers there')
  if (speech.tls?.kind === 'done') return speech.tls
  return skip('the TLS handshake did not come that far')
}

export const certificateAuthority: Check = {
  code: 'certificate-authority',
  async run(context) {
    const tls = await handshakeOf(context)
    if ('status' in tls) return tls
    const { chainProblem, certificate } = tls
    if (chainProblem === undefined || DATE_PROBLEMS.includes(chainProblem)) {
      return ok(`this machine trusts ${nameOf(certificate.issuer)}`)
    }
    const { rejectUnauthorized } = context.options.client
    const problem = chainInWords(chainProblem, certificate)
    return rejectUnauthorized === false
      ? warn(`${problem}, and --insecure does not look at it: anybody in between can read along`)
      : fail(problem)
  },
}

function chainInWords(problem: string, { subject, issuer }: PeerCertificate): string {
  switch (problem) {
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return `the certificate of ${nameOf(subject)} is self-signed, so nobody vouches for it`
    case 'SELF_SIGNED_CERT_IN_CHAIN':
      return `the chain ends in an authority that this machine does not know (${nameOf(issuer)})`
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return `the certificate is from ${nameOf(issuer)}, which this machine does not know, or the server leaves out the certificates in between`
    default:
      return `the certificate is not trusted (${problem})`
  }
}

export const certificate: Check = {
  code: 'certificate',
  async run(context) {
    const tls = await handshakeOf(context)
    if ('status' in tls) return tls
    const { valid_from: from, valid_to: to } = tls.certificate
    const [begins, ends, now] = [Date.parse(from), Date.parse(to), Date.now()]
    const clock = `the clock of this machine says ${day(now)}`
    if (now < begins) {
      return fail(
        `the certificate is valid from ${day(begins)}, and ${clock}`,
        'Set the clock of this machine, or wait: the certificate is not valid yet.',
      )
    }
    if (now > ends) {
      return fail(
        `the certificate was valid until ${day(ends)}, and ${clock}`,
        'Renew the certificate and have the server read it anew; set the clock of this machine if it is wrong.',
      )
    }
    if (!tls.nameFits) {
      const names = namesIn(tls.certificate)
      const text = `the certificate is for ${names.join(', ') || 'nobody'}, not for ${context.options.host}`
      const advice = `Connect by a name that is in it, or have ${context.options.host} added to its subjectAltName.`
      const { rejectUnauthorized, checkServerIdentity } = context.options.client
      const isOverlooked = rejectUnauthorized === false || checkServerIdentity !== undefined
      return isOverlooked ? warn(`${text}; --insecure does not look at it`, advice) : fail(text, advice)
    }
    const left = Math.floor((ends - now) / DAY_MS)
    const text = `it is for ${context.options.host}, and valid until ${day(ends)}`
    return left >= SOON_DAYS
      ? ok(text)
      : warn(`${text}: ${left} days from now`, 'Renew it, and look why that does not happen by itself.')
  },
}

/** The alerts in which servers say what they miss. */
const ALERTS: readonly (readonly [RegExp, string, string | undefined])[] = [
  [
    /CERTIFICATE_REQUIRED/,
    'the server wants a certificate of the client',
    "Give this client's certificate and its key: --cert and --key.",
  ],
  [
    /UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN|CERTIFICATE_EXPIRED|CERTIFICATE_REVOKED|UNSUPPORTED_CERTIFICATE|DECRYPT_ERROR/,
    "the server does not accept this client's certificate",
    'Give one from the authority that the server trusts (--cert, --key), that is not out of date.',
  ],
  [
    /NO_APPLICATION_PROTOCOL/,
    'the server speaks none of the protocols that were asked for (ALPN)',
    'Ask for the one that it has (ALPN: often mqtt, with AWS IoT x-amzn-mqtt-ca), or for none.',
  ],
  [
    /UNRECOGNIZED_NAME/,
    'the server has no certificate for this name (SNI)',
    'Connect by the name that it is set up for, not by its address.',
  ],
  [
    /PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW/,
    'server and client have no version of TLS in common',
    'Have the server speak TLS 1.2 or 1.3.',
  ],
  [
    /HANDSHAKE_FAILURE|NO_CIPHERS|NO_SHARED_CIPHER/,
    'the server does not agree to the handshake: it may want a client certificate (with TLS 1.2 that looks the same), or other ciphers',
    "Give this client's certificate and its key (--cert, --key); else compare the ciphers.",
  ],
]

export const clientCertificate: Check = {
  code: 'client-certificate',
  async run(context) {
    if (!context.isTls) return skip('the URL is without TLS')
    const speech = await context.speech()
    if (speech?.tls === undefined) return skip('nothing answers there')
    const { tls, inside } = speech
    const heard = (inside.mqtt ?? inside.http)?.heard
    const code = tls.kind === 'alert' ? tls.code : heard?.end === 'error' ? heard.code : undefined
    const given = context.options.client.cert !== undefined
    if (code === undefined) {
      if (given && cutBehindTls(speech) === 'end') {
        return fail(
          'the server ends the connection right behind the TLS handshake, so it may not accept this certificate',
          'Give one from the authority that the server trusts (--cert, --key), that is not out of date.',
        )
      }
      if (tls.kind === 'done') return ok('the server accepts this client in the TLS handshake')
      if ((await context.found()).length > 0) return skip('what is spoken there is not TLS')
      if (tls.kind === 'closed') {
        return fail(
          'the server ends the connection in the middle of the TLS handshake',
          'The port may be for something else; some servers do that to clients without a certificate (--cert, --key), or without the right name (connect by name, not by address).',
        )
      }
      return skip('there was no TLS handshake')
    }
    const known = ALERTS.find(([pattern]) => pattern.test(code))
    if (known !== undefined) return fail(known[1], known[2])
    const isCut = code === 'ECONNRESET' || code === 'EPIPE'
    return isCut
      ? fail(
          'the server cuts the connection right behind the TLS handshake',
          given ? 'It may not accept this certificate.' : undefined,
        )
      : fail(`the server ends TLS: ${code}`)
  },
}

function nameOf(name: PeerCertificate['subject'] | undefined): string {
  const one = (value: string | string[] | undefined) => (Array.isArray(value) ? value[0] : value)
  return one(name?.CN) ?? one(name?.O) ?? 'somebody without a name'
}

function namesIn({ subjectaltname, subject }: PeerCertificate): string[] {
  const names = subjectaltname?.split(', ').map((name) => name.replace(/^(DNS|IP Address):/, ''))
  return names ?? (subject?.CN === undefined ? [] : [nameOf(subject)])
}

function day(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
