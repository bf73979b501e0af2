import { generate } from 'selfsigned'

let made: Promise<{ cert: string; key: string }> | undefined

/** A self-signed certificate for localhost and the loopback addresses, one for each test file. */
export function certificate(): Promise<{ cert: string; key: string }> {
  made ??= generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    extensions: [
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  }).then((pems) => ({ cert: pems.cert, key: pems.private }))
  return made
}
