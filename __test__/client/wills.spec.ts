/** The will of our client, in each version: published when its socket is cut, and not when it takes leave. */
import { connect as connectSocket, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { type Broker, type ClientOptions, MqttClient } from '../../src/index.js'
import { until } from '../support/until.js'
import { cleanUp, next, startBroker } from './support.js'

const VERSIONS = [3, 4, 5] as const
const WILL = { topic: 'wills', payload: 'gone', qos: 1, retain: true } as const

/** A client of a broker of ours, the socket that it has, and the wills that the broker publishes. */
async function mortal(
  options: ClientOptions,
): Promise<{ broker: Broker; client: MqttClient; socket: () => Socket; wills: string[] }> {
  const { broker, url } = await startBroker()
  const wills: string[] = []
  broker.subscribe('wills', ({ payload, qos, properties }) => {
    wills.push(`${payload} ${qos}${properties.contentType === undefined ? '' : ` ${properties.contentType}`}`)
  })
  let socket: Socket | undefined
  const open = (): Socket => {
    socket = connectSocket(Number(new URL(url).port), '127.0.0.1')
    return socket
  }
  const client = new MqttClient(open, { will: WILL, reconnectPeriod: 0, clientId: 'mortal', ...options })
  cleanUp(() => client.endAsync(true))
  await next(client, 'connect')
  return { broker, client, socket: () => socket as Socket, wills }
}

const cuts: [string, (socket: Socket) => void][] = [
  ['reset', (socket) => socket.resetAndDestroy()],
  ['destroyed', (socket) => socket.destroy()],
  ['ended without a word', (socket) => socket.end()],
]

// CONNECT has the will: v3.1.1 [MQTT-3.1.2-9]
test.each(VERSIONS.flatMap((version) => cuts.map(([how, cut]) => [version, how, cut] as const)))(
  'version %i: a socket that is %s has the will published, once',
  async (protocolVersion, _how, cut) => {
    const { client, socket, wills } = await mortal({ protocolVersion })
    const closed = next(client, 'close')
    cut(socket())
    await closed
    await until(() => wills.length > 0, 'the will')
    // It is done with: what follows on another connection brings it no second time.
    const back = next(client, 'connect')
    client.reconnect()
    await back
    await client.endAsync()
    expect(wills).toEqual(['gone 1'])
  },
)

test.each(VERSIONS)('version %i: a client that takes leave has no will', async (protocolVersion) => {
  for (const force of [false, true]) {
    const { broker, client, wills } = await mortal({ protocolVersion })
    await client.endAsync(force)
    await until(() => broker.connectedClients === 0, 'the end of the connection')
    expect(wills).toEqual([])
  }
})

test('5.0: the will has its properties and its delay, and Reason Code 0x04 asks for it', async () => {
  const properties = { contentType: 'text/plain', willDelayInterval: 1 }
  const { client, socket, wills } = await mortal({
    protocolVersion: 5,
    properties: { sessionExpiryInterval: 60 },
    will: { ...WILL, properties },
  })
  const cutMs = performance.now()
  socket().resetAndDestroy()
  await until(() => wills.length > 0, 'the will')
  expect(performance.now() - cutMs).toBeGreaterThan(900)
  expect(wills).toEqual(['gone 1 text/plain'])

  const { client: leaving, wills: asked } = await mortal({ protocolVersion: 5 })
  await leaving.endAsync({ reasonCode: 0x04 })
  await until(() => asked.length > 0, 'the will')
  expect(client.connected).toBe(false)
})
