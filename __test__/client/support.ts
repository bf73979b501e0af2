/** What the tests of the client share: a broker of ours, and servers that say whatever a test wants. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterEach } from 'vitest'
import { Broker, type BrokerOptions, type ClientOptions, connect, type MqttClient } from '../../src/index.js'

const cleanUps: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

/** Done after the test. */
export function cleanUp(work: () => unknown): void {
  cleanUps.push(work)
}

export async function startBroker(options: BrokerOptions = {}): Promise<{ broker: Broker; url: string }> {
  const broker = await Broker.start({ port: 0, host: '127.0.0.1', ...options })
  cleanUp(() => broker.close())
  return { broker, url: `mqtt://127.0.0.1:${broker.addresses[0]?.port}` }
}

/** A client that reconnects soon, and is ended after the test. */
export function client(url: string, options: ClientOptions = {}): MqttClient {
  const made = connect(url, { reconnectPeriod: 20, reconnectPeriodMax: 50, ...options })
  cleanUp(() => made.endAsync(true))
  return made
}

export async function connected(url: string, options: ClientOptions = {}): Promise<MqttClient> {
  const made = client(url, options)
  await once(made, 'connect')
  return made
}

/** A server that does with each connection what `talk` does. `count` says which connection it is, from 0. */
export async function serverThat(
  talk: (socket: Socket, count: number) => void,
): Promise<{ server: Server; url: string }> {
  let count = 0
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    talk(socket, count)
    count += 1
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanUp(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { server, url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

/** A CONNACK of 5.0 that accepts. */
export const CONNACK = Buffer.from([0x20, 3, 0, 0, 0])

/** The messages that a client gets, as `topic payload`. */
export function collect(of: MqttClient): string[] {
  const messages: string[] = []
  of.on('message', (topic, payload) => messages.push(`${topic} ${payload}`))
  return messages
}
