/** The lowest probes: which addresses a name has, and who answers at one of them. */
import { lookup } from 'node:dns/promises'
import { connect, isIP, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'

const OPENSSL_MESSAGE = /:SSL routines:[^:]*:([^:]+):/

/** What came of knocking at a port. `silent`: nobody said anything, not even no. */
export type Knock =
  | { readonly kind: 'open'; readonly ms: number }
  | { readonly kind: 'refused' | 'silent' | 'unreachable' }

/** An address of a name, in the order of the system. */
export interface Address {
  readonly address: string
  readonly family: number
}

export type Lookup =
  | { readonly addresses: readonly Address[] }
  /** The resolver's code: `ENOTFOUND`, `EAI_AGAIN`, or `timeout`. */
  | { readonly problem: string }

/** All addresses of a name, as the system has them (`/etc/hosts` and DNS). */
export async function resolveHost(host: string, timeoutMs: number): Promise<Lookup> {
  const family = isIP(host)
  if (family !== 0) return { addresses: [{ address: host, family }] }
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<Lookup>((resolve) => {
    timer = setTimeout(() => resolve({ problem: 'timeout' }), timeoutMs)
  })
  const found = lookup(host, { all: true, verbatim: true }).then(
    (addresses): Lookup => ({ addresses }),
    ({ code }: NodeJS.ErrnoException): Lookup => ({ problem: code ?? 'unknown' }),
  )
  return Promise.race([found, tooLate]).finally(() => clearTimeout(timer))
}

/** Opens a connection and closes it. */
export function knock(address: string, port: number, timeoutMs: number): Promise<Knock> {
  return new Promise((resolve) => {
    const began = performance.now()
    const socket = connect({ host: address, port })
    const end = (knocked: Knock): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(knocked)
    }
    const timer = setTimeout(() => end({ kind: 'silent' }), timeoutMs)
    socket.once('connect', () => end({ kind: 'open', ms: performance.now() - began }))
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      const kind = code === 'ECONNREFUSED' ? 'refused' : code === 'ETIMEDOUT' ? 'silent' : 'unreachable'
      end({ kind })
    })
  })
}

/** What came back, and how it ended. */
export interface Heard {
  readonly bytes: Buffer
  /** `enough`: as much as was wanted. An error has its code. */
  readonly end: 'enough' | 'ended' | 'timeout' | 'error'
  readonly code?: string
}

/** Says something on a socket that is connected, and listens until `isEnough`. The socket is gone afterwards. */
export function say(
  socket: Socket,
  bytes: Uint8Array | string,
  timeoutMs: number,
  isEnough: (heard: Buffer) => boolean,
): Promise<Heard> {
  return new Promise((resolve) => {
    let heard = Buffer.alloc(0)
    const end = (how: Omit<Heard, 'bytes'>): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ bytes: heard, ...how })
    }
    const timer = setTimeout(() => end({ end: 'timeout' }), timeoutMs)
    socket
      .on('data', (chunk: Buffer) => {
        heard = Buffer.concat([heard, chunk])
        if (isEnough(heard)) end({ end: 'enough' })
      })
      .on('end', () => end({ end: 'ended' }))
      .on('close', () => end({ end: 'ended' }))
      .on('error', (error: NodeJS.ErrnoException) => end({ end: 'error', code: codeOf(error) }))
    socket.write(bytes)
  })
}

/** A connected socket; rejects with the error of the network. */
export function open(address: string, port: number, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, noDelay: true })
    const timer = setTimeout(() => {
      socket.destroy()
      reject(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' }))
    }, timeoutMs)
    socket.once('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.removeAllListeners('error').on('error', () => {})
      resolve(socket)
    })
  })
}

/** Whether an address is one of this machine, as is the one that servers say when they listen at all of them. */
export function isOwnAddress(address: string): boolean {
  if (isLoopbackAddress(address) || address === '0.0.0.0' || address === '::') return true
  return ownAddresses().includes(address)
}

export function isLoopbackAddress(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127(\.\d+){3}$/.test(address)
}

/** The addresses of this machine in its networks, IPv4 first; link-local ones, which need a scope, are left out. */
export function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
    .map(({ address }) => address)
    .sort((one, other) => isIP(one) - isIP(other))
}

/** Whether an address is not one of the public network (RFC 1918, 4193, 3927, 6598, loopback, and `0.0.0.0`: this host). */
export function isPrivateAddress(address: string): boolean {
  const bare = address.replace(/^::ffff:(?=\d+\.)/, '')
  if (isLoopbackAddress(bare) || /^(::$|0\.|10\.|192\.168\.|169\.254\.)/.test(bare)) return true
  const [first, second] = bare.split('.').map(Number)
  if (first === 172 && second !== undefined && second >= 16 && second < 32) return true
  if (first === 100 && second !== undefined && second >= 64 && second < 128) return true
  return /^f[cd]|^fe[89a-f]/i.test(bare)
}

/** Node has OpenSSL's words in the message only where it fails in the middle of a write. */
export function codeOf(error: NodeJS.ErrnoException | string): string {
  if (typeof error === 'string') return error
  const { code = '', message } = error
  const [, reason] = OPENSSL_MESSAGE.exec(message) ?? []
  return code === 'EPROTO' && reason !== undefined
    ? `ERR_SSL_${reason.toUpperCase().replaceAll(' ', '_')}`
    : code || message
}
