import { once } from 'node:events'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { afterEach, describe, expect, it } from 'vitest'
import { type Listener, listen } from '../../src/listeners/listener.js'
import { RecordingAcceptor } from '../support/acceptor.js'
import { freePort } from '../support/free-port.js'
import { RawClient } from '../support/raw-client.js'
import { until } from '../support/until.js'

const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some((one) => one.address === '::1'))
const open: Listener[] = []

async function start(host: string, port = 0, acceptor = new RecordingAcceptor()): Promise<Listener> {
  const listener = await listen({ protocol: 'auto', port, host, tls: undefined }, acceptor)
  open.push(listener)
  return listener
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((listener) => listener.close()))
})

describe('listen', () => {
  it('says what it has bound', async () => {
    const { addresses } = await start('127.0.0.1')
    expect(addresses).toHaveLength(1)
    const port = addresses[0]?.port ?? 0
    expect(port).toBeGreaterThan(0)
    expect(addresses[0]).toEqual({
      protocol: 'auto',
      host: '127.0.0.1',
      port,
      url: `mqtt://127.0.0.1:${port}`,
    })
  })

  it.runIf(hasIpv6)('listens on both loopback addresses, one port, for localhost', async () => {
    const acceptor = new RecordingAcceptor()
    const { addresses } = await start('localhost', 0, acceptor)
    expect(addresses.map((address) => address.host)).toEqual(['127.0.0.1', '::1'])
    const port = addresses[0]?.port ?? 0
    expect(addresses[1]?.port).toBe(port)
    expect(addresses[1]?.url).toBe(`mqtt://[::1]:${port}`)
    for (const host of ['127.0.0.1', '::1'])
      (await RawClient.connect(port, host)).send(Buffer.of(0x10)).socket.unref()
    await until(() => acceptor.sinks.length === 2, 'both connections')
    expect(acceptor.sinks.map((sink) => sink.transport.remoteAddress)).toEqual([
      expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      expect.stringMatching(/^\[::1\]:\d+$/),
    ])
    for (const sink of acceptor.sinks) sink.transport.destroy()
  })

  it('names IPv4 peers of an IPv6 socket as IPv4', async () => {
    const acceptor = new RecordingAcceptor()
    const { addresses } = await start(hasIpv6 ? '::' : '0.0.0.0', 0, acceptor)
    const client = (await RawClient.connect(addresses[0]?.port ?? 0)).send(Buffer.of(0x10))
    expect((await acceptor.sink()).transport.remoteAddress).toBe(`127.0.0.1:${client.socket.localPort}`)
    client.destroy()
  })

  it('says in one sentence that a port is taken', async () => {
    const { addresses } = await start('127.0.0.1')
    const port = addresses[0]?.port ?? 0
    await expect(start('127.0.0.1', port)).rejects.toMatchObject({
      name: 'MqttError',
      code: 'ERR_MQTT_ADDRESS_IN_USE',
      message: `Port ${port} on 127.0.0.1 is taken: another program, perhaps another broker, listens there. Stop it or choose another port.`,
    })
  })

  it.runIf(hasIpv6)('leaves nothing open when the second address is taken', async () => {
    const port = await freePort('::1')
    const other = createServer().listen(port, '::1')
    await once(other, 'listening')
    await expect(start('localhost', port)).rejects.toMatchObject({ code: 'ERR_MQTT_ADDRESS_IN_USE' })
    await expect(RawClient.connect(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    other.close()
  })

  it('says that an address is not this machine’s', async () => {
    await expect(start('192.0.2.1')).rejects.toMatchObject({
      code: 'ERR_MQTT_LISTEN',
      message: '192.0.2.1 is not an address of this machine.',
    })
  })

  it('says that a certificate cannot be used', async () => {
    const options = { protocol: 'mqtts', port: 0, host: '127.0.0.1', tls: { cert: 'no', key: 'no' } } as const
    await expect(listen(options, new RecordingAcceptor())).rejects.toMatchObject({ code: 'ERR_MQTT_TLS' })
  })

  it('frees the port at once and leaves the acceptor’s connections alone', async () => {
    const acceptor = new RecordingAcceptor()
    const port = await freePort()
    const listener = await start('127.0.0.1', port, acceptor)
    const client = (await RawClient.connect(port)).send(Buffer.of(0x10))
    const sink = await acceptor.sink()
    await listener.close()

    await start('127.0.0.1', port)
    client.send(Buffer.of(0x0c))
    await until(() => sink.received.length === 2, 'the second byte')
    sink.write(Buffer.from('still here'))
    await until(() => client.received.toString() === 'still here', 'the answer')
    expect(sink.closedCount).toBe(0)
    client.destroy()
    await until(() => sink.closedCount === 1, 'the end')
  })
})
