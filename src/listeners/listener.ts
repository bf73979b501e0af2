/**
 * Opens listening sockets and keeps the books of one listener: which addresses, which sockets have not found their
 * protocol yet, and the end. What an accepted socket speaks is found out in port.ts, next.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { MqttError } from '../errors.js'
import type { ListenerProtocol, ResolvedListener } from '../options.js'
import { probeSharedRead } from '../transports/shared-read.js'
import type { Acceptor } from '../transports/transport.js'
import { ACCEPT_SENTENCE } from './advice.js'
import { Port } from './port.js'

/** One address that a listener has bound. */
export interface ListenerAddress {
  readonly protocol: ListenerProtocol
  /** An IP address, or the host as given where that is no address. */
  readonly host: string
  /** As bound: never 0. */
  readonly port: number
  /** What a client is given to connect: `mqtt://127.0.0.1:1883`, `ws://[::1]:8083/mqtt`. */
  readonly url: string
}

/** One protocol on one port, on one or (localhost) two addresses. */
export interface Listener {
  readonly addresses: readonly ListenerAddress[]
  /**
   * Stops accepting, drops sockets that have not found their protocol yet, and closes the WebSockets that the
   * acceptor does not know of. The acceptor's connections are its own to close.
   */
  close(): Promise<void>
}

/** The kernel may hold fewer; it must not be fewer than come back at once after a restart. */
const BACKLOG = 4_096
/** A peer whose machine vanished is noticed even if it asked for no MQTT keep alive. */
const TCP_KEEP_ALIVE_DELAY_MS = 60_000
/** How often another free port is looked for when the one found is taken in the other address family. */
const FREE_PORT_ATTEMPTS = 10

/**
 * Opens a listener.
 *
 * @throws MqttError ERR_MQTT_ADDRESS_IN_USE, ERR_MQTT_LISTEN or ERR_MQTT_TLS, with one sentence for the operator.
 */
export async function listen(options: ResolvedListener, acceptor: Acceptor): Promise<Listener> {
  const port = new Port(options, acceptor)
  try {
    await probeSharedRead()
    const servers = await bindAll(options, (server) => accept(server, port, acceptor))
    const addresses = servers.map((server) => addressOf(server, options))
    const onStranger = (socket: Socket): void => port.accept(socket)
    const stops = servers.map((server) => {
      const taken = port.welcomesMqtt ? acceptor.listen(server, onStranger) : undefined
      return taken ?? (() => stop(server))
    })
    return {
      addresses,
      async close() {
        const closing = stops.map((stop) => stop())
        port.close()
        await Promise.all(closing)
      },
    }
  } catch (error) {
    port.close()
    throw error
  }
}

/** `localhost` is both loopback addresses, on the same port, as far as this machine has them. */
async function bindAll(options: ResolvedListener, prepare: (server: Server) => void): Promise<Server[]> {
  if (options.host !== 'localhost') return [await bind(options.host, options.port, prepare)]
  for (let attempt = 1; ; attempt += 1) {
    const first = await bind('127.0.0.1', options.port, prepare)
    try {
      return [first, await bind('::1', boundPort(first), prepare)]
    } catch (error) {
      if (isMissingFamily(error)) return [first]
      stop(first)
      const retry = options.port === 0 && attempt < FREE_PORT_ATTEMPTS
      if (!retry || !(error instanceof MqttError) || error.code !== 'ERR_MQTT_ADDRESS_IN_USE') throw error
    }
  }
}

function bind(host: string, port: number, prepare: (server: Server) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({
      // A client may say all it has to say and end its half before it is answered.
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEP_ALIVE_DELAY_MS,
    })
    server.once('error', (error) => reject(listenError(error, host, port)))
    server.listen({ host, port, backlog: BACKLOG }, () => {
      server.removeAllListeners('error')
      prepare(server)
      resolve(server)
    })
  })
}

function accept(server: Server, port: Port, acceptor: Acceptor): void {
  server.on('connection', (socket: Socket) => port.accept(socket))
  // Accepting failed, for want of file descriptors for instance. The listener lives on.
  server.on('error', (error) => {
    acceptor.logger.error({ err: error }, ACCEPT_SENTENCE)
    const text = `${ACCEPT_SENTENCE.slice(0, -1)}: ${error.message}.`
    acceptor.reportProblem?.({ code: 'acceptFailed', text })
  })
}

/** Closes the listening socket. Its accepted sockets live on, so the server's own 'close' is not waited for. */
function stop(server: Server): Promise<void> {
  server.close()
  return new Promise((resolve) => setImmediate(resolve))
}

function boundPort(server: Server): number {
  const address = server.address()
  return address === null || typeof address === 'string' ? 0 : address.port
}

function addressOf(server: Server, options: ResolvedListener): ListenerAddress {
  const bound = server.address()
  const host = bound === null || typeof bound === 'string' ? options.host : bound.address
  const port = boundPort(server)
  return { protocol: options.protocol, host, port, url: urlOf(options.protocol, host, port) }
}

function urlOf(protocol: ListenerProtocol, host: string, port: number): string {
  const scheme = protocol === 'auto' ? 'mqtt' : protocol
  const path = protocol === 'ws' || protocol === 'wss' ? '/mqtt' : ''
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}${path}`
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): MqttError {
  const cause = { cause: error }
  switch (error.code) {
    case 'EADDRINUSE':
      return new MqttError(
        'ERR_MQTT_ADDRESS_IN_USE',
        `Port ${port} on ${host} is taken: another program, perhaps another broker, listens there. Stop it or choose another port.`,
        cause,
      )
    case 'EACCES':
      return new MqttError(
        'ERR_MQTT_LISTEN',
        `This user may not listen on port ${port} of ${host}: choose a port from 1024 up.`,
        cause,
      )
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
      return new MqttError('ERR_MQTT_LISTEN', `${host} is not an address of this machine.`, cause)
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new MqttError('ERR_MQTT_LISTEN', `The host name ${host} is not known here.`, cause)
    default:
      return new MqttError(
        'ERR_MQTT_LISTEN',
        `Cannot listen on port ${port} of ${host}: ${error.message}.`,
        cause,
      )
  }
}

function isMissingFamily(error: unknown): boolean {
  if (!(error instanceof MqttError)) return false
  const { code } = error.cause as NodeJS.ErrnoException
  return code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT'
}
