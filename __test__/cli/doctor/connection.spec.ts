/** Each check below MQTT, by a real cause: ports, protocols, addresses, TLS. */
import { once } from 'node:events'
import { createServer as createHttp } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTls, type TlsOptions } from 'node:tls'
import { beforeAll, describe, expect, it, onTestFinished, type TestContext } from 'vitest'
import { WebSocketServer } from 'ws'
import { ownAddresses } from '../../../src/cli/doctor/probes/tcp.js'
import { Broker, type BrokerOptions, type ListenerProtocol } from '../../../src/index.js'
import type { KnowledgeCode } from '../../../src/knowledge/table.js'
import { startBlackHole } from '../../support/black-hole.js'
import { type Certificate, makeCertificate } from '../../support/certificates.js'
import { freePort } from '../../support/free-port.js'
import { startMosquitto } from '../../support/mosquitto.js'
import { startNginx } from '../../support/nginx.js'
import { withNameServer } from '../../support/resolver.js'
import { temporaryDirectory, temporaryFile } from '../../support/temporary.js'
import { examined, examinedBehind, line } from './examined.js'

type Skip = Pick<TestContext, 'skip'>
type Place = { readonly args: readonly string[] }

const DAY_MS = 86_400_000
const LIMIT = { timeout: 60_000 }

let certificate: Certificate
let authority: Certificate
beforeAll(async () => {
  ;[certificate, authority] = await Promise.all([
    makeCertificate(),
    makeCertificate({ names: ['An Authority'] }),
  ])
})

async function start(options: BrokerOptions): Promise<number> {
  const broker = await Broker.start({ host: '127.0.0.1', ...options })
  onTestFinished(() => broker.close({ drainTimeoutMs: 0 }))
  return broker.addresses[0]?.port ?? 0
}

function only(protocol: ListenerProtocol): Promise<number> {
  const tls = protocol === 'mqtts' || protocol === 'wss' ? { tls: certificate } : {}
  return start({ listeners: [{ protocol, port: 0, ...tls }] })
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** A server that says this to everybody. */
function saying(text: string): Promise<number> {
  return listening(createServer((socket: Socket) => void socket.on('error', () => {}).write(text)))
}

/** A server of WebSockets that chooses their subprotocol in this way. */
async function choosing(handleProtocols: (offered: Set<string>) => string | false): Promise<number> {
  const server = createHttp()
  const sockets = new WebSocketServer({ server, handleProtocols })
  onTestFinished(() => sockets.close())
  return listening(server)
}

function tlsServer(options: TlsOptions): Promise<number> {
  const server = createTls(options, (socket) => socket.on('error', () => {}))
  server.on('tlsClientError', () => {})
  return listening(server)
}

const at = (scheme: string, port: number, ...more: string[]): Place => ({
  args: [`${scheme}://127.0.0.1:${port}${scheme.startsWith('ws') ? '/mqtt' : ''}`, ...more],
})
const cafile = (trusted: Certificate): string[] => ['--cafile', temporaryFile('ca.pem', trusted.cert)]

/** The broker with a certificate, reached as `localhost`. */
async function secured(made: Certificate | Promise<Certificate>, trusted: Certificate): Promise<Place> {
  const port = await start({ port: 0, tls: await made })
  return { args: [`mqtts://localhost:${port}`, ...cafile(trusted)] }
}

/** A certificate that the authority has signed, and `more` about it. */
function issued(more: { notBefore?: Date; notAfter?: Date; names?: string[] } = {}): Promise<Certificate> {
  return makeCertificate({ issuer: authority, ...more })
}

const causes: readonly [title: string, KnowledgeCode, RegExp, (context: Skip) => Promise<Place>][] = [
  [
    'a WebSocket URL with the port of a broker for MQTT alone',
    'websocket-at-mqtt-port',
    /^fail: 127\.0\.0\.1:\d+ speaks MQTT and no WebSocket\. .*mqtt:\/\//,
    async () => at('ws', await only('mqtt')),
  ],
  [
    "a WebSocket URL with Mosquitto's port for MQTT",
    'websocket-at-mqtt-port',
    /^fail: .* speaks MQTT and no WebSocket/,
    async (context) => at('ws', await startMosquitto(context)),
  ],
  [
    'mqtt:// and a port for WebSockets',
    'scheme',
    /^fail: .* speaks HTTP, and mqtt:\/\/ was asked for\. Use ws:\/\/127/,
    async () => at('mqtt', await only('ws')),
  ],
  [
    'mqtt:// and a port for TLS',
    'scheme',
    /^fail: .* speaks MQTT over TLS, and mqtt:\/\/ was asked for\. Use mqtts:\/\/127/,
    async () => at('mqtt', await only('mqtts')),
  ],
  [
    'mqtts:// and a port without TLS',
    'scheme',
    /^fail: .* speaks MQTT, and mqtts:\/\/ was asked for\. Use mqtt:\/\/127/,
    async () => at('mqtts', await only('mqtt')),
  ],
  [
    'ws:// and a port for TLS',
    'scheme',
    /^fail: .* speaks HTTP over TLS, and ws:\/\/ was asked for\. Use wss:\/\/127/,
    async () => at('ws', await only('wss')),
  ],
  [
    'wss:// and a port without TLS',
    'scheme',
    /^fail: .* speaks HTTP, and wss:\/\/ was asked for\. Use ws:\/\/127/,
    async () => at('wss', await only('ws')),
  ],
  [
    'the port of another server, which greets',
    'scheme',
    /^fail: .* speaks SSH: this is no broker/,
    async () => at('mqtt', await saying('SSH-2.0-OpenSSH_9.2\r\n'), '--timeout', '3'),
  ],
  [
    'a server behind TLS that is no broker',
    'scheme',
    /^fail: .* speaks TLS, and inside it neither MQTT nor HTTP/,
    async () => {
      const port = await tlsServer({ cert: certificate.cert, key: certificate.key })
      return { args: [`mqtts://localhost:${port}`, ...cafile(certificate), '--timeout', '2'] }
    },
  ],
  [
    'the wrong path at a broker',
    'websocket-path',
    /^fail: \/nope answers the WebSocket handshake with 404 Not Found, and \/mqtt and \/ with a WebSocket\. Use ws:.*\/mqtt\./,
    async () => ({ args: [`ws://127.0.0.1:${await start({ port: 0 })}/nope`] }),
  ],
  [
    'a web server that knows no WebSocket',
    'websocket-path',
    /^fail: \/mqtt answers the WebSocket handshake with 200 OK\. .*proxy_set_header Upgrade/,
    async () => at('ws', await listening(createHttp((_request, response) => response.end('a page')))),
  ],
  [
    'a server that knows a subprotocol of old only',
    'subprotocol',
    /^fail: the server knows the subprotocol mqttv3\.1 only, and clients offer mqtt\. Use -V 31/,
    async () => at('ws', await choosing((offered) => offered.has('mqttv3.1') && 'mqttv3.1')),
  ],
  [
    'a server that answers with a subprotocol of its own',
    'subprotocol',
    /^fail: the server chooses amqp, where only mqtt was offered/,
    async () => at('ws', await choosing(() => 'amqp')),
  ],
  [
    'a broker on 127.0.0.1 and another address of the loopback',
    'loopback-only',
    /^fail: the server listens at 127\.0\.0\.1:\d+ only, and 127\.0\.0\.2:\d+ was asked for\. .*--host 0\.0\.0\.0/,
    async () => ({ args: [`mqtt://127.0.0.2:${await start({ port: 0 })}`] }),
  ],
  [
    'a broker on 127.0.0.1 and the address of the machine in its network',
    'loopback-only',
    /^fail: the server listens at 127\.0\.0\.1:\d+ only, and \S+ was asked for\. .*--host 0\.0\.0\.0/,
    async (context) => {
      const [address] = ownAddresses()
      if (address === undefined) return context.skip('this machine is in no network')
      const host = address.includes(':') ? `[${address}]` : address
      return { args: [`mqtt://${host}:${await start({ port: 0 })}`] }
    },
  ],
  [
    'a broker on 127.0.0.1 while ::1 is asked',
    'address-family',
    /^fail: nothing listens at \[::1\]:\d+, but the same port answers at 127\.0\.0\.1\. Connect to 127\.0\.0\.1/,
    async () => ({ args: [`mqtt://[::1]:${await start({ port: 0 })}`] }),
  ],
  [
    'a port where nothing listens',
    'network',
    /^fail: nothing listens at 127\.0\.0\.1:\d+: the host is there and refuses/,
    async () => at('mqtt', await freePort()),
  ],
  [
    'a port where everything is dropped',
    'network',
    /^fail: .* says nothing for 0\.5 s, not even no: a firewall .* Open port \d+ for TCP/,
    async () => at('mqtt', await startBlackHole(), '--timeout', '0.5'),
  ],
  [
    'a name that nobody has',
    'network',
    /^fail: (there is no host named|the name) no-such-host\.invalid/,
    async () => ({ args: ['mqtt://no-such-host.invalid', '--timeout', '2'] }),
  ],
  [
    'a self-signed certificate',
    'certificate-authority',
    /^fail: the certificate of localhost is self-signed, so nobody vouches for it\. .*--cafile/,
    async () => at('mqtts', await start({ port: 0, tls: certificate })),
  ],
  [
    'a certificate from an unknown authority',
    'certificate-authority',
    /^fail: the certificate is from An Authority, which this machine does not know/,
    async () => at('mqtts', await start({ port: 0, tls: await issued() })),
  ],
  [
    'a chain that ends in an unknown authority',
    'certificate-authority',
    /^fail: the chain ends in an authority that this machine does not know \(An Authority\)\. .*--cafile/,
    async () => {
      const { cert, key } = await issued()
      return at('mqtts', await start({ port: 0, tls: { cert: `${cert.trimEnd()}\n${authority.cert}`, key } }))
    },
  ],
  [
    'a certificate that nobody looks at',
    'certificate-authority',
    /^warn: .*--insecure does not look at it: anybody in between can read along/,
    async () => at('mqtts', await start({ port: 0, tls: certificate }), '--insecure'),
  ],
  [
    'a certificate for another name',
    'certificate',
    /^fail: the certificate is for broker\.example, not for localhost\. Connect by a name that is in it/,
    () => secured(issued({ names: ['broker.example'] }), authority),
  ],
  [
    'a certificate that has expired',
    'certificate',
    /^fail: the certificate was valid until 2020-01-02 00:00 UTC, and the clock of this machine says 20\d\d-.* Renew/,
    () => secured(issued({ notBefore: new Date('2020-01-01'), notAfter: new Date('2020-01-02') }), authority),
  ],
  [
    'a certificate that is not valid yet',
    'certificate',
    /^fail: the certificate is valid from 2090-01-01 00:00 UTC, .* Set the clock/,
    () => secured(issued({ notBefore: new Date('2090-01-01'), notAfter: new Date('2090-01-02') }), authority),
  ],
  [
    'a certificate that expires within days',
    'certificate',
    /^warn: it is for localhost, and valid until .*: 2 days from now\. Renew it/,
    () => secured(issued({ notAfter: new Date(Date.now() + 2.5 * DAY_MS) }), authority),
  ],
  [
    'a server that wants a client certificate, with TLS 1.3',
    'client-certificate',
    /^fail: the server wants a certificate of the client\. .*--cert and --key/,
    async () =>
      secured(Promise.resolve({ ...certificate, requestCert: true, ca: authority.cert }), certificate),
  ],
  [
    'a server that wants a client certificate, with TLS 1.2',
    'client-certificate',
    /^fail: the server (does not agree to the handshake: it may want a client certificate|cuts the connection)/,
    async () => {
      const { cert, key } = certificate
      const port = await tlsServer({
        cert,
        key,
        maxVersion: 'TLSv1.2',
        requestCert: true,
        ca: [authority.cert],
      })
      return { args: [`mqtts://localhost:${port}`, ...cafile(certificate)] }
    },
  ],
  [
    'a client certificate that the server does not trust',
    'client-certificate',
    /^fail: the server (does not accept this client's certificate|(cuts|ends) the connection right behind)/,
    async () => {
      const place = await secured(
        Promise.resolve({ ...certificate, requestCert: true, ca: authority.cert }),
        certificate,
      )
      const directory = temporaryDirectory({ 'c.pem': certificate.cert, 'k.pem': certificate.key })
      return { args: [...place.args, '--cert', `${directory}/c.pem`, '--key', `${directory}/k.pem`] }
    },
  ],
  [
    'a server with other ALPN protocols',
    'client-certificate',
    /^fail: the server speaks none of the protocols that were asked for \(ALPN\)/,
    async () => {
      const { cert, key } = certificate
      const port = await tlsServer({ cert, key, ALPNProtocols: ['h2'] })
      return { args: [`mqtts://localhost:${port}`, ...cafile(certificate), '--tls-alpn', 'mqtt'] }
    },
  ],
  [
    'an nginx that has no certificate for the name',
    'client-certificate',
    /^fail: the server has no certificate for this name \(SNI\)/,
    async (context) => {
      const port = await startNginx(context, ['ssl_reject_handshake on;'], { listen: ' ssl' })
      return { args: [`wss://localhost:${port}/mqtt`] }
    },
  ],
]

describe('the doctor finds', () => {
  it.for(causes)('%s: %s', LIMIT, async ([_title, code, expected, cause], context) => {
    const { args } = await cause(context)
    const found = await examined(...args)
    expect(line(found.of(code))).toMatch(expected)
    // Where the cause is that far down, no log-in is tried, and what stands on it is left out with its reason.
    if (found.of(code).status === 'fail') {
      const { status, text } = found.of('permissions')
      expect({ status, text }).toMatchObject({
        status: 'skip',
        text: expect.stringMatching(/^there is no connection to try it on: /),
      })
    }
  })
})

it('a certificate that is not trusted gets no password', LIMIT, async () => {
  const seen: string[] = []
  const broker = await Broker.start({
    host: '127.0.0.1',
    port: 0,
    tls: certificate,
    authenticate: ({ username }) => {
      if (username !== undefined) seen.push(username)
      return true
    },
  })
  onTestFinished(() => broker.close({ drainTimeoutMs: 0 }))
  const { port } = broker.addresses[0] ?? { port: 0 }
  const log = ['-u', 'alice', '-P', 'secret']
  await examined(`mqtts://localhost:${port}`, ...log)
  expect(seen).toEqual([])
  await examined(`mqtts://localhost:${port}`, ...log, ...cafile(certificate))
  expect(seen).toContain('alice')
})

it('a name server that does not answer is not a name that nobody has', LIMIT, async (context) => {
  // Nobody has port 53 there, and the machine says so at once.
  const prefix = withNameServer('127.53.53.53', context)
  const found = await examinedBehind(prefix, 'mqtt://broker.example')
  expect(line(found.of('network'))).toMatch(
    /^fail: the name broker\.example cannot be looked up: the name server does not answer .*\/etc\/resolv\.conf/,
  )
})
