/** Everything that can be wrong between a client and a server, and what is said about it. */
import { once } from 'node:events'
import { createServer as createHttp, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcp, type Socket } from 'node:net'
import { join } from 'node:path'
import { createServer as createTls, type TlsOptions } from 'node:tls'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { WebSocketServer } from 'ws'
import { parseAddresses } from '../../src/client/address.js'
import { type DialOptions, dial } from '../../src/client/dial.js'
import { type ErrorCode, MqttError } from '../../src/errors.js'
import { Broker } from '../../src/index.js'
import { type Certificate, makeCertificate } from '../support/certificates.js'
import { freePort } from '../support/free-port.js'
import { connect as connectPacket } from '../support/mqtt-bytes.js'
import { Reports } from '../support/stream-server.js'
import { temporaryDirectory, temporaryFile } from '../support/temporary.js'

const YEAR_MS = 31_536_000_000
let certificate: Certificate
let other: Certificate

beforeAll(async () => {
  certificate = await makeCertificate()
  other = await makeCertificate({ names: ['other.example.com'] })
})

/** Listens until the test is over; answers its port. */
async function listening(server: ReturnType<typeof createTcp>): Promise<number> {
  const sockets = new Set<Socket>()
  server.prependListener('connection', (socket: Socket) => sockets.add(socket.on('error', () => {})))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

async function tlsServer(options: TlsOptions): Promise<number> {
  return listening(createTls(options).on('tlsClientError', () => {}))
}

async function problem(url: string, options: DialOptions = {}): Promise<MqttError> {
  const [address] = parseAddresses(url)
  if (address === undefined) throw new Error('no address')
  try {
    const transport = await dial(address, options)
    transport.destroy()
  } catch (error) {
    expect(error).toBeInstanceOf(MqttError)
    return error as MqttError
  }
  throw new Error(`${url} could be connected to`)
}

/** As `problem`; the code and sentence of it, which must have a cause. */
async function caused(url: string, options: DialOptions = {}): Promise<[ErrorCode, string]> {
  const error = await problem(url, options)
  expect(error.cause).toBeInstanceOf(Error)
  return [error.code, error.message]
}

describe('a server that is not there', () => {
  it.each(['mqtt', 'mqtts', 'ws', 'wss'])('by %s is said to be missing', async (scheme) => {
    const place = `${scheme}://127.0.0.1:${await freePort()}${scheme.startsWith('ws') ? '/' : ''}`
    expect(await caused(place)).toEqual([
      'ERR_MQTT_CONNECT',
      `Nothing listens at ${place}: start the server, or mend the host and port.`,
    ])
  })

  it('is missing at each address of its name', async () => {
    const place = `mqtt://localhost:${await freePort()}`
    expect((await caused(place))[1]).toBe(
      `Nothing listens at ${place}: start the server, or mend the host and port.`,
    )
  })

  it.each([4, 6])('has a name without an IPv%i address, which alone was asked for', async (family) => {
    const lookup: DialOptions['lookup'] = (_hostname, _options, callback) => {
      callback(Object.assign(new Error('ENOTFOUND'), { code: 'ENOTFOUND' }), [])
    }
    expect(await caused('mqtt://nowhere.test', { lookup, family })).toEqual([
      'ERR_MQTT_CONNECT',
      `There is no IPv${family} address for nowhere.test, and no other was asked for: connect from an address of the other family, or check the name's spelling.`,
    ])
  })

  it.each([
    ['ENOTFOUND', 'There is no host named nowhere.test: check its spelling.'],
    ['EAI_AGAIN', 'The name nowhere.test cannot be looked up now: check the network and its DNS.'],
  ])('because of %s is a matter of its name', async (code, sentence) => {
    const lookup: DialOptions['lookup'] = (_hostname, _options, callback) => {
      callback(Object.assign(new Error(code), { code }), [])
    }
    for (const scheme of ['mqtt', 'ws']) {
      expect(await caused(`${scheme}://nowhere.test`, { lookup })).toEqual(['ERR_MQTT_CONNECT', sentence])
    }
  })

  it('has no unix socket', async () => {
    const path = join(temporaryDirectory(), 'missing.sock')
    expect(await caused(`unix://${path}`)).toEqual([
      'ERR_MQTT_CONNECT',
      `There is no socket at unix://${path}: start the server, or mend the path.`,
    ])
  })

  it('has a file where its unix socket should be', async () => {
    const path = temporaryFile('a.sock', 'text')
    const [code, sentence] = await caused(`unix://${path}`)
    expect(code).toBe('ERR_MQTT_CONNECT')
    expect(sentence).toMatch(/^(Nothing listens at|What is at) unix:/)
  })
})

describe('a server that never answers', () => {
  it.each(['mqtts', 'ws', 'wss'])('to the handshake of %s is given up in time', async (scheme) => {
    const port = await listening(createTcp())
    const started = performance.now()
    const error = await problem(`${scheme}://127.0.0.1:${port}`, { connectTimeout: 150 })
    expect(performance.now() - started).toBeGreaterThan(140)
    expect(error.code).toBe('ERR_MQTT_CONNECT_TIMEOUT')
    expect(error.message).toMatch(
      scheme === 'mqtts'
        ? /did not answer in 150 ms: it took the connection and said nothing to the TLS handshake, so the port/
        : /did not answer in 150 ms: the host is down, .+, or the port may be for something else\.$/,
    )
  })

  it('to TCP is given up in time', async () => {
    const error = await problem('mqtt://nowhere.test', { connectTimeout: 50, lookup: () => {} })
    expect(error).toMatchObject({
      code: 'ERR_MQTT_CONNECT_TIMEOUT',
      message:
        'mqtt://nowhere.test:1883 did not answer in 50 ms: the host is down, or a firewall drops what is sent to it.',
    })
  })

  it.each([0, -1, 1.5, Number.POSITIVE_INFINITY])('cannot be waited for %d ms', async (connectTimeout) => {
    const error = await problem('mqtt://127.0.0.1:1', { connectTimeout })
    expect(error).toMatchObject({ code: 'ERR_MQTT_INVALID_OPTION' })
    expect(error.message).toMatch(/^connectTimeout must be a whole number of milliseconds/)
  })
})

describe('an AbortSignal', () => {
  it.each(['mqtt', 'mqtts', 'ws'])('ends the opening of %s with its reason', async (scheme) => {
    const port = await listening(createTcp())
    const lookup = scheme === 'mqtt' ? { lookup: () => {} } : {}
    const [address] = parseAddresses(
      `${scheme}://${scheme === 'mqtt' ? 'nowhere.test' : '127.0.0.1'}:${port}`,
    )
    if (address === undefined) throw new Error('no address')
    const controller = new AbortController()
    const dialling = dial(address, lookup, controller.signal)
    setTimeout(() => controller.abort(new Error('enough')), 30)
    await expect(dialling).rejects.toThrow('enough')
    await expect(dial(address, {}, controller.signal)).rejects.toThrow('enough')
  })

  it('does nothing to a connection that is open', async () => {
    const port = await listening(createTcp())
    const [address] = parseAddresses(`mqtt://127.0.0.1:${port}`)
    if (address === undefined) throw new Error('no address')
    const controller = new AbortController()
    const reports = new Reports(await dial(address, {}, controller.signal))
    controller.abort()
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(reports.ends).toEqual([])
  })
})

describe('a certificate', () => {
  it('that is self-signed is to be given as ca', async () => {
    const place = `mqtts://localhost:${await tlsServer({ ...certificate })}`
    expect(await caused(place)).toEqual([
      'ERR_MQTT_TLS',
      `The certificate of ${place} is self-signed, or from an authority of its own: give that certificate in the option ca.`,
    ])
  })

  it('of a WebSocket is checked as well', async () => {
    const place = `wss://localhost:${await tlsServer({ ...certificate })}/mqtt`
    expect((await caused(place))[1]).toMatch(`The certificate of ${place} is self-signed`)
  })

  it('from an authority that is not known says so', async () => {
    const issued = await makeCertificate({ issuer: certificate })
    const place = `mqtts://localhost:${await tlsServer({ ...issued })}`
    const [code, sentence] = await caused(place)
    expect(code).toBe('ERR_MQTT_TLS')
    expect(sentence).toMatch(
      `The certificate of ${place} is from an authority that this machine does not know`,
    )
    const [address] = parseAddresses(place)
    if (address === undefined) throw new Error('no address')
    const transport = await dial(address, { ca: certificate.cert })
    transport.destroy()
  })

  it('that has expired says so', async () => {
    const old = await makeCertificate({
      notBefore: new Date(Date.now() - 2 * YEAR_MS),
      notAfter: new Date(Date.now() - YEAR_MS),
    })
    const place = `mqtts://localhost:${await tlsServer({ ...old })}`
    expect(await caused(place, { ca: old.cert })).toEqual([
      'ERR_MQTT_TLS',
      `The certificate of ${place} has expired: the server needs a new one.`,
    ])
  })

  it('that is not valid yet blames the clock', async () => {
    const early = await makeCertificate({ notBefore: new Date(Date.now() + YEAR_MS) })
    const place = `mqtts://localhost:${await tlsServer({ ...early })}`
    expect((await caused(place, { ca: early.cert }))[1]).toBe(
      `The certificate of ${place} is not valid yet: check the clock of this machine.`,
    )
  })

  it('for another name says for which', async () => {
    const port = await tlsServer({ ...other })
    const place = `mqtts://localhost:${port}`
    expect(await caused(place, { ca: other.cert })).toEqual([
      'ERR_MQTT_TLS',
      `The certificate of ${place} is not for localhost (it names other.example.com): connect by a name that it has, or give that name in the option servername.`,
    ])
    const [address] = parseAddresses(place)
    if (address === undefined) throw new Error('no address')
    const transport = await dial(address, { ca: other.cert, servername: 'other.example.com' })
    transport.destroy()
  })
})

describe('a server that wants a certificate of the client', () => {
  it('with TLS 1.2 refuses the handshake', async () => {
    const port = await tlsServer({ ...certificate, requestCert: true, maxVersion: 'TLSv1.2' })
    const [code, sentence] = await caused(`mqtts://localhost:${port}`, { ca: certificate.cert })
    expect(code).toBe('ERR_MQTT_TLS')
    expect(sentence).toMatch(/client certificate/)
  })

  it('with TLS 1.3 says so when the connection is open', async () => {
    const port = await tlsServer({ ...certificate, requestCert: true, minVersion: 'TLSv1.3' })
    const [address] = parseAddresses(`mqtts://localhost:${port}`)
    if (address === undefined) throw new Error('no address')
    const error = await new Reports(await dial(address, { ca: certificate.cert })).end()
    expect(error).toMatchObject({
      code: 'ERR_MQTT_TLS',
      message: `mqtts://localhost:${port} wants a certificate of the client: give one in the options cert and key.`,
      cause: expect.any(Error),
    })
  })
})

describe('the options of TLS', () => {
  it.each([
    [
      'a key of another certificate',
      () => ({ cert: certificate.cert, key: other.key }),
      /the key does not belong/,
    ],
    ['a path instead of PEM', () => ({ cert: '/etc/cert.pem', key: certificate.key }), /it is not PEM/],
  ])('with %s are no use', async (_name, options, advice) => {
    for (const scheme of ['mqtts', 'wss']) {
      const [code, sentence] = await caused(`${scheme}://127.0.0.1:1`, options())
      expect(code).toBe('ERR_MQTT_TLS')
      expect(sentence).toMatch(/^The certificate or key cannot be used: .+\.$/)
      expect(sentence).toMatch(advice)
    }
  })

  it('with a locked key and no passphrase are no use', async () => {
    const locked = await makeCertificate({ passphrase: 'open sesame' })
    const [, sentence] = await caused('mqtts://127.0.0.1:1', { ...locked })
    expect(sentence).toMatch(/the passphrase of the key is missing or wrong/)
  })

  it('that leave no version in common say so', async () => {
    const place = `mqtts://localhost:${await tlsServer({ ...certificate, minVersion: 'TLSv1.3' })}`
    expect((await caused(place, { ca: certificate.cert, maxVersion: 'TLSv1.2' }))[1]).toBe(
      `${place} and this client speak no version of TLS in common: see the options minVersion and maxVersion.`,
    )
  })

  it('that leave no protocol of ALPN in common say so', async () => {
    const place = `mqtts://localhost:${await tlsServer({ ...certificate, ALPNProtocols: ['other'] })}`
    expect((await caused(place, { ca: certificate.cert, ALPNProtocols: ['mqtt'] }))[1]).toBe(
      `${place} speaks none of the protocols in the option ALPNProtocols.`,
    )
  })
})

describe('the wrong port', () => {
  it('by TLS is one that speaks something else', async () => {
    const port = await listening(createHttp())
    expect(await caused(`mqtts://localhost:${port}`)).toEqual([
      'ERR_MQTT_TLS',
      `mqtts://localhost:${port} does not speak TLS: use mqtt://, or the server's port for TLS.`,
    ])
    expect((await caused(`wss://localhost:${port}`))[1]).toBe(
      `wss://localhost:${port}/ does not speak TLS: use ws://, or the server's port for TLS.`,
    )
  })

  it('by TLS is that of a plain broker', async () => {
    await using broker = await Broker.start({ port: 0, host: '127.0.0.1' })
    const [code, sentence] = await caused(`mqtts://127.0.0.1:${broker.addresses[0]?.port}`)
    expect(code).toBe('ERR_MQTT_TLS')
    expect(sentence).toMatch(/(ended the connection during the TLS handshake|does not speak TLS).+mqtt:\/\//)
  })

  it('without TLS is one that answers with an alert of TLS', async () => {
    const alert = Buffer.of(0x15, 3, 1, 0, 2, 2, 70)
    const port = await listening(createTcp((socket) => socket.once('data', () => socket.end(alert))))
    const [address] = parseAddresses(`mqtt://127.0.0.1:${port}`)
    if (address === undefined) throw new Error('no address')
    const transport = await dial(address)
    const reports = new Reports(transport)
    transport.write(connectPacket('me'))
    const error = await reports.end()
    expect(reports.chunks).toEqual([])
    expect(error).toMatchObject({
      code: 'ERR_MQTT_TLS',
      message: `mqtt://127.0.0.1:${port} answers with TLS: use mqtts://, or the server's port without TLS.`,
    })
  })

  it('without TLS is one that hangs up on what is not TLS', async () => {
    const port = await tlsServer({ ...certificate })
    const [address] = parseAddresses(`mqtt://127.0.0.1:${port}`)
    if (address === undefined) throw new Error('no address')
    const transport = await dial(address)
    const reports = new Reports(transport)
    transport.write(connectPacket('me'))
    const error = await reports.end()
    expect(error?.code).toMatch(/^ERR_MQTT_(TLS|CONNECTION_LOST)$/)
    expect(error?.message).toMatch(/answers with TLS|the port may be for something else \(TLS, HTTP\)/)
  })

  it('by MQTT is one that speaks HTTP', async () => {
    const port = await listening(createHttp())
    const [address] = parseAddresses(`mqtt://127.0.0.1:${port}`)
    if (address === undefined) throw new Error('no address')
    const transport = await dial(address)
    const reports = new Reports(transport)
    transport.write(connectPacket('me'))
    expect(await reports.end()).toMatchObject({
      code: 'ERR_MQTT_CONNECT',
      message: `mqtt://127.0.0.1:${port} answers with HTTP: use ws://, or the server's port for MQTT.`,
    })
  })

  it('by WebSocket is one that speaks MQTT', async () => {
    const port = await listening(
      createTcp((socket) => socket.once('data', () => socket.end(Buffer.of(0x20, 2, 0, 0)))),
    )
    expect(await caused(`ws://127.0.0.1:${port}`)).toEqual([
      'ERR_MQTT_CONNECT',
      `ws://127.0.0.1:${port}/ does not speak HTTP, which a WebSocket begins with: the port may be for mqtt://.`,
    ])
  })

  it('by WebSocket is one that hangs up', async () => {
    const port = await listening(createTcp((socket) => socket.once('data', () => socket.end())))
    expect(await caused(`ws://127.0.0.1:${port}`)).toEqual([
      'ERR_MQTT_CONNECT',
      `ws://127.0.0.1:${port}/ ended the connection before it was open: the port may be for something else.`,
    ])
  })
})

describe('an HTTP server', () => {
  it.each([
    [404, 'Not Found', 'check the path of the URL, often /mqtt.'],
    [401, 'Unauthorized', 'give what it asks for in wsOptions.headers; it has not come to MQTT yet.'],
    [
      403,
      'Forbidden',
      'it does not allow this origin or client; see wsOptions.origin and wsOptions.headers.',
    ],
    [301, 'Moved Permanently', 'use the address that it points to, or set wsOptions.followRedirects.'],
    [200, 'OK', 'this may not be a WebSocket endpoint; check port and path.'],
    [502, 'Bad Gateway', 'the proxy there does not reach the server behind it.'],
    [503, 'Service Unavailable', 'it has no room now; try later.'],
    [418, "I'm a Teapot", 'it does not take WebSockets here.'],
  ])('that answers %i is quoted', async (status, words, advice) => {
    const answer: RequestListener = (_request, response) => {
      response.writeHead(status, status === 301 ? { location: '/other' } : {})
      response.end('a page')
    }
    const port = await listening(createHttp(answer))
    expect(await problem(`ws://127.0.0.1:${port}/chat`)).toMatchObject({
      code: 'ERR_MQTT_CONNECT',
      message: `ws://127.0.0.1:${port}/chat answered the WebSocket handshake with ${status} ${words}: ${advice}`,
    })
  })

  it('that takes a WebSocket without the subprotocol is no MQTT server', async () => {
    const server = createHttp()
    new WebSocketServer({ server, handleProtocols: () => false })
    const port = await listening(server)
    const [code, sentence] = await caused(`ws://127.0.0.1:${port}/chat`)
    expect(code).toBe('ERR_MQTT_CONNECT')
    expect(sentence).toMatch(`ws://127.0.0.1:${port}/chat does not speak MQTT: it took the WebSocket without`)
  })

  it('gets no connection from a URL that transformWsUrl has broken', async () => {
    const [code, sentence] = await caused('ws://127.0.0.1:1/', { transformWsUrl: (url) => `${url}#fragment` })
    expect(code).toBe('ERR_MQTT_INVALID_OPTION')
    expect(sentence).toMatch(/is not the URL of a WebSocket/)
  })
})
