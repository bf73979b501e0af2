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
import { type EventEmitter, once } from 'node:events'
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
  const test = () => selfTest(AbortSignal.timeout(SELF_TEST_MS))
  tested ??= (process.platform === 'win32' ? Promise.resolve(false) : test()).then(
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
 * both ends closed, and the old socket off the server's books. Rejects when `deadline` is aborted or a socket breaks;
 * that ends nothing but the test, however late the machine is. Exported for its own test.
 */
export async function selfTest(deadline: AbortSignal): Promise<boolean> {
  const sockets: Socket[] = []
  const kept = (socket: Socket): Socket => {
    sockets.push(socket)
    // Between two waits nobody else listens for it.
    return socket.on('error', () => {})
  }
  const server = createServer({ allowHalfOpen: true }, kept).on('error', () => {})
  const client = kept(new Socket({ allowHalfOpen: true }))
  /** Some are awaited later than they are made, and others never: a rejection of these must not be nobody's. */
  const event = (of: EventEmitter, name: string): Promise<unknown[]> => {
    const coming = once(of, name, { signal: deadline })
    coming.catch(() => {})
    return coming
  }
  try {
    deadline.throwIfAborted()
    server.listen(0, '127.0.0.1')
    await event(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') return false
    const accepting = event(server, 'connection')
    client.connect(address.port, '127.0.0.1').write('a')
    const [accepted] = (await accepting) as [Socket]
    await event(accepted, 'readable')
    if (accepted.read()?.toString() !== 'a') return false

    let received = ''
    let whenReceived = (): void => {}
    const moved = move(accepted, (bytes) => {
      received += Buffer.from(bytes).toString()
      whenReceived()
    })
    if (moved === undefined) return false
    kept(moved)
    const nextBytes = (): Promise<void> =>
      new Promise((resolve, reject) => {
        whenReceived = resolve
        if (deadline.aborted) reject(deadline.reason)
        else deadline.addEventListener('abort', () => reject(deadline.reason), { once: true })
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

    const answer = event(client, 'data')
    moved.write('d')
    if (moved.writableLength !== 0 || String(await answer) !== 'd') return false
    const closed = event(moved, 'close')
    client.end()
    await event(moved, 'end')
    moved.end()
    await closed
    return (await countConnections(server)) === 0
  } finally {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
}

function countConnections(server: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))
  })
}
