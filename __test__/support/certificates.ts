/** Self-signed certificates for tests, made while the test runs: nothing that expires is committed. */
import { generate } from 'selfsigned'

/** A certificate and its key, PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** What is different about a certificate. */
export interface CertificateOptions {
  /** The DNS names it is for. Default: `localhost`, 127.0.0.1 and ::1. */
  readonly names?: readonly string[]
  readonly notBefore?: Date
  readonly notAfter?: Date
  /** Who signs it, if not itself. */
  readonly issuer?: Certificate
  /** Encrypts the key. */
  readonly passphrase?: string
}

/** A certificate for `localhost`, 127.0.0.1 and ::1, unless the options say otherwise. Takes some 100 ms. */
export async function makeCertificate(options: CertificateOptions = {}): Promise<Certificate> {
  const { names, notBefore, notAfter, issuer, passphrase } = options
  const localhost = [
    { type: 2, value: 'localhost' },
    { type: 7, ip: '127.0.0.1' },
    { type: 7, ip: '::1' },
  ] as const
  const altNames = names?.map((value) => ({ type: 2, value }) as const) ?? [...localhost]
  const { cert, private: key } = await generate(
    [{ name: 'commonName', value: names?.[0] ?? (issuer === undefined ? 'localhost' : 'issued') }],
    {
      keySize: 2048,
      algorithm: 'sha256',
      extensions: [
        { name: 'basicConstraints', cA: true },
        { name: 'subjectAltName', altNames },
      ],
      ...(notBefore !== undefined && { notBeforeDate: notBefore }),
      ...(notAfter !== undefined && { notAfterDate: notAfter }),
      ...(issuer !== undefined && { ca: issuer }),
      ...(passphrase !== undefined && { passphrase }),
    },
  )
  return { cert, key }
}
