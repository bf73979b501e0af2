/**
 * Reading every TCP socket of the thread into one buffer.
 *
 * By default Node allocates 64 KiB for each read and shrinks it to what came. With `onread` it reads into memory that
 * it is given, and because the callback is synchronous and its bytes are only valid during the call, one buffer serves
 * all sockets: a third of the CPU on large reads, a sixth less on single small messages (bench/boundary/read.mjs).
 *
 * `onread` is accepted by the constructor of `net.Socket` only, not for sockets that a server accepts. So an accepted
 * socket's handle is moved to a new socket. The `handle` option and `_handle` are not documented; a self-test with a
 * real connection decides once whether this Node still behaves, and everything falls back to 'data' if not.
 */
import { once } from 'node:events'
import { createServer, type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net'
import { TLSSocket } from 'node:tls'

/** How much one read takes at most. libuv asks for as much too. */
const BUFFER_BYTES = 65_536
const SELF_TEST_MS = 1_000

const shared = Buffer.allocUnsafeSlow(BUFFER_BYTES)
let tested: Promise<boolean> | undefined
let works = false

type WithHandle = { _handle: object | null }
type HandleOptions = SocketConstructorOpts & { handle: object; onread: OnReadOpts }

/**
 * Finds out, once in a process, whether sockets can be moved; `moveToSharedBuffer` does nothing before. False on
 * Windows, where a read may be under way in the buffer while another socket's callback still uses it.
 */
export function probeSharedRead(): Promise<boolean> {
  tested ??= (process.platform === 'win32' ? Promise.resolve(false) : selfTest()).then(
    (result) => {
      works = result
      return result
    },
    () => false,
  )
  return tested
}

/**
 * Moves the connection of `accepted` to a new socket, which reads into the shared buffer and hands `receive` a view
 * of it, valid during the call. Everything that `accepted` has read already must have been taken from it. It is
 * destroyed without touching the connection. undefined, and nothing done, where that is not possible.
 */
export function moveToSharedBuffer(
  accepted: Socket,
  receive: (bytes: Uint8Array) => void,
): Socket | undefined {
  return works ? move(accepted, receive) : undefined
}

function move(accepted: Socket, receive: (bytes: Uint8Array) => void): Socket | undefined {
  const source = accepted as unknown as WithHandle
  const handle = source._handle
  if (accepted instanceof TLSSocket || handle === null || typeof handle !== 'object') return undefined
  const options: HandleOptions = {
    handle,
    allowHalfOpen: true,
    onread: {
      buffer: shared,
      callback(length) {
        receive(shared.subarray(0, length))
        return true
      },
    },
  }
  const socket = new Socket(options)
  source._handle = null
  accepted.destroy()
  return socket
}

/**
 * How a socket that this process opens reads into the shared buffer: for the constructor of `net.Socket`, where it is
 * documented. undefined on Windows, for the reason that `probeSharedRead` has.
 */
export function readShared(receive: (chunk: Uint8Array, length: number) => void): OnReadOpts | undefined {
  if (process.platform === 'win32') return undefined
  return {
    buffer: shared,
    callback(length) {
      receive(shared, length)
      return true
    },
  }
}

/**
 * Drives a connection through what a transport needs: bytes through the shared buffer, pause and resume, an answer,
 * both ends closed, and the old socket off the server's books.
 */
async function selfTest(): Promise<boolean> {
  const server = createServer({ allowHalfOpen: true })
  const client = new Socket({ allowHalfOpen: true })
  let moved: Socket | undefined
  const deadline = AbortSignal.timeout(SELF_TEST_MS)
  try {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening', { signal: deadline })
    const address = server.address()
    if (address === null || typeof address === 'string') return false
    const accepting = once(server, 'connection', { signal: deadline })
    client.connect(address.port, '127.0.0.1').write('a')
    const [accepted] = (await accepting) as [Socket]
    await once(accepted, 'readable', { signal: deadline })
    if (accepted.read()?.toString() !== 'a') return false

    let received = ''
    let whenReceived = (): void => {}
    moved = move(accepted, (bytes) => {
      received += Buffer.from(bytes).toString()
      whenReceived()
    })
    if (moved === undefined) return false
    const nextBytes = (): Promise<void> =>
      new Promise((resolve, reject) => {
        whenReceived = resolve
        deadline.addEventListener('abort', () => reject(deadline.reason), { once: true })
      })

    let next = nextBytes()
    client.write('b')
    await next
    moved.pause()
    const paused = received
    client.write('c')
    await new Promise(setImmediate)
    if (received !== paused) return false
    next = nextBytes()
    moved.resume()
    await next
    if (received !== 'bc') return false

    const answer = once(client, 'data', { signal: deadline })
    moved.write('d')
    if (moved.writableLength !== 0 || String(await answer) !== 'd') return false
    const closed = once(moved, 'close', { signal: deadline })
    client.end()
    await once(moved, 'end', { signal: deadline })
    moved.end()
    await closed
    return (await countConnections(server)) === 0
  } finally {
    client.destroy()
    moved?.destroy()
    server.close()
  }
}

function countConnections(server: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))
  })
}
