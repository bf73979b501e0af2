/**
 * What carries a protocol: a stream of bytes (TCP, or TLS on it) or a WebSocket, with and without TLS. Both look the same
 * to what is above: bytes or a text go in, bytes come out.
 */
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { WebSocket } from 'ws'
import type { Place } from './ways.js'

/** An open connection. */
export interface Pipe {
  /** On a WebSocket one frame: a text for a string. */
  send(data: Buffer | string): void
  /** What is sent meanwhile leaves together, where the carrier can do that. */
  together(work: () => void): void
  /** In order. */
  end(): void
  /** At once. */
  destroy(): void
}

/** Told what comes. */
export interface PipeEvents {
  onData(data: Buffer): void
  /** Once, however it ends. */
  onClose(): void
}

/** How long a server has to let us in. */
const PATIENCE_MS = 10_000

/** A certificate is made for each run, so there is nothing to check it against. What is measured is not changed by that. */
const TRUST = { rejectUnauthorized: false, servername: 'localhost' } as const

/** @throws Error with the reason where there is no connection. */
export function openStream(place: Place, events: PipeEvents): Promise<Pipe> {
  const { host, port } = place
  return new Promise((resolve, reject) => {
    const socket: Socket = place.tls
      ? connectTls({ host, port, ...TRUST }, () => opened())
      : connectTcp({ host, port }, () => opened())
    socket.setNoDelay(true)
    const impatience = setTimeout(
      () => socket.destroy(new Error(`there is no answer in ${PATIENCE_MS} ms`)),
      PATIENCE_MS,
    )
    socket.on('data', (data) => events.onData(data))
    socket.on('error', reject)
    socket.on('close', () => {
      clearTimeout(impatience)
      reject(new Error('the server has closed the connection'))
      events.onClose()
    })
    const opened = () => {
      clearTimeout(impatience)
      resolve({
        send: (data) => void socket.write(data),
        together: (work) => {
          socket.cork()
          work()
          socket.uncork()
        },
        end: () => void socket.end(),
        destroy: () => void socket.destroy(),
      })
    }
  })
}

/** The same for a WebSocket. */
export function openWebSocket(
  place: Place,
  subprotocol: string | undefined,
  events: PipeEvents,
): Promise<Pipe> {
  const url = `${place.tls ? 'wss' : 'ws'}://${place.host}:${place.port}${place.path}`
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, subprotocol === undefined ? [] : [subprotocol], {
      ...TRUST,
      perMessageDeflate: false,
      handshakeTimeout: PATIENCE_MS,
      // The same length whatever the port is: the bytes of requests are compared.
      headers: { Host: 'localhost' },
    })
    socket.binaryType = 'nodebuffer'
    socket.on('message', (data: Buffer) => events.onData(data))
    socket.on('error', reject)
    socket.on('close', () => {
      reject(new Error('the server has closed the connection'))
      events.onClose()
    })
    socket.on('open', () =>
      resolve({
        send: (data) => socket.send(data),
        together: (work) => work(),
        end: () => socket.close(),
        destroy: () => socket.terminate(),
      }),
    )
  })
}
