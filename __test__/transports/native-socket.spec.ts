/**
 * Sockets that the core drives itself, and the same through Node's streams: nobody at the other end can tell them apart.
 * What is only the core's (its event loop, its thread's end, what it costs to be forgotten) is at the end.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect as connectTcp, Socket } from 'node:net'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { Broker, type BrokerOptions } from '../../src/index.js'
import { LINGER_MS } from '../../src/transports/transport.js'
import { connect, publish, publishWithId, subscribe } from '../support/mqtt-bytes.js'
import { RawClient } from '../support/raw-client.js'
import { until } from '../support/until.js'

const run = promisify(execFile)
const CONNACK_TYPE = 0x20
const PINGREQ = Buffer.from([0xc0, 0x00])
const PINGRESP = Buffer.from([0xd0, 0x00])
/** Several times what two kernels keep between two sockets. */
const LARGE_BYTES = 8 << 20

/** Without an acknowledgement: within one window, and more than an out-buffer and the kernels take. */
const MESSAGES = 18
const PAYLOAD = Buffer.alloc(900_000, 0xa5)

let broker: Broker | undefined
const clients: RawClient[] = []

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  await broker?.close({ drainTimeoutMs: 100 })
  broker = undefined
})

async function start(options: BrokerOptions): Promise<number> {
  broker = await Broker.start({ port: 0, host: '127.0.0.1', ...options })
  return broker.addresses[0]?.port ?? 0
}

async function client(port: number, clientId: string): Promise<RawClient> {
  const raw = await RawClient.connect(port)
  clients.push(raw)
  raw.send(connect(clientId))
  await until(() => raw.received[0] === CONNACK_TYPE, 'CONNACK')
  return raw
}

/** MQTT in a WebSocket that `ws` reads: bytes in, bytes out. */
async function webSocketClient(port: number, clientId: string) {
  const webSocket = new WebSocket(`ws://127.0.0.1:${port}/mqtt`, 'mqtt', { perMessageDeflate: false })
  const chunks: Buffer[] = []
  webSocket.on('message', (data) => chunks.push(data as Buffer))
  await once(webSocket, 'open')
  webSocket.send(connect(clientId))
  await until(() => chunks.length > 0, 'CONNACK')
  return { webSocket, received: () => Buffer.concat(chunks) }
}

/** How much of PUBLISH packets with payloads of `byte` has come. */
function count(received: Buffer, byte: number): number {
  let found = 0
  for (const one of received) if (one === byte) found += 1
  return found
}

describe.each(['core', 'node'] as const)('a socket that is driven by %s', (socketDriver) => {
  it('carries a packet larger than any buffer, in both directions', async () => {
    const port = await start({ socketDriver, limits: { maximumPacketSizeBytes: LARGE_BYTES + 1_000 } })
    const one = await client(port, 'one')
    one.send(subscribe('large', 0)).send(publish('large', Buffer.alloc(LARGE_BYTES, 0xa5)))
    await until(() => one.received.length > LARGE_BYTES, 'the message')
    expect(count(one.received, 0xa5)).toBe(LARGE_BYTES)
  })

  it('takes a stream cut after each byte', async () => {
    const port = await start({ socketDriver })
    const raw = await RawClient.connect(port)
    clients.push(raw)
    await raw.sendSlowly(Buffer.concat([connect('slow'), PINGREQ]))
    await until(() => raw.received.includes(PINGRESP), 'PINGRESP')
  })

  it('waits for a slow reader without losing QoS 1 messages, and others are served meanwhile', async () => {
    const port = await start({ socketDriver })
    const slow = await client(port, 'slow')
    slow.send(subscribe('s', 1))
    await until(() => slow.received.includes(0x90), 'SUBACK')
    slow.socket.pause()
    const publisher = await client(port, 'publisher')
    for (let id = 1; id <= MESSAGES; id += 1) publisher.send(publishWithId('s', PAYLOAD, 1, id))
    await until(() => count(publisher.received, 0x40) >= MESSAGES, 'the PUBACKs')
    publisher.send(PINGREQ)
    await until(() => publisher.received.includes(PINGRESP), 'PINGRESP')
    slow.socket.resume()
    await until(() => slow.received.length > MESSAGES * PAYLOAD.length, 'all messages')
    expect(count(slow.received, 0xa5)).toBe(MESSAGES * PAYLOAD.length)
  })

  it('answers what a client said before it ended its half, and then ends', async () => {
    const port = await start({ socketDriver })
    const raw = await RawClient.connect(port)
    clients.push(raw)
    raw.send(Buffer.concat([connect('half'), PINGREQ]))
    raw.socket.end()
    await until(() => raw.ended, 'the end')
    expect(raw.received[0]).toBe(CONNACK_TYPE)
    expect(raw.received.subarray(-2)).toEqual(PINGRESP)
    expect(raw.error).toBeUndefined()
  })

  it('delivers its last packet to a client that is still sending', async () => {
    const port = await start({ socketDriver })
    const raw = await client(port, 'wrong')
    // A reserved packet type, and more behind it that nobody reads.
    raw.send(Buffer.concat([Buffer.from([0x00, 0x00]), Buffer.alloc(1_000_000, 0xff)]))
    await until(() => raw.ended || raw.closed, 'the end')
    expect(raw.received.subarray(-3, -2)[0] === 0xe0 || raw.received.includes(0xe0)).toBe(true)
    expect(raw.error).toBeUndefined()
  })

  it('closes a connection whose peer does not end it, in time', async () => {
    const port = await start({ socketDriver })
    const raw = await client(port, 'stubborn')
    const before = performance.now()
    broker?.disconnect('stubborn')
    await until(() => raw.ended, 'the end')
    await until(() => broker?.metrics().connections === 0, 'the close')
    expect(performance.now() - before).toBeGreaterThan(LINGER_MS - 200)
    expect(raw.socket.destroyed).toBe(false)
  })

  it('notices a peer that is gone without a word', async () => {
    const port = await start({ socketDriver })
    const raw = await client(port, 'gone')
    const gone = once(broker as unknown as NodeJS.EventEmitter, 'disconnect')
    raw.socket.resetAndDestroy()
    expect((await gone)[0]).toMatchObject({ clientId: 'gone' })
    await until(() => broker?.metrics().connections === 0, 'the close')
  })

  it('reads nothing while a hook decides, and goes on in order', async () => {
    const asked: string[] = []
    let answer = (): void => {}
    const port = await start({
      socketDriver,
      authorizePublish: ({ topicName }) => {
        asked.push(topicName)
        if (asked.length > 1) return true
        return new Promise((resolve) => {
          answer = () => resolve(true)
        })
      },
    })
    const topics: string[] = []
    broker?.subscribe('t/#', (message) => topics.push(message.topicName))
    const raw = await client(port, 'asking')
    raw.send(publish('t/1', 'x'))
    await until(() => asked.length === 1, 'the question')
    const payload = Buffer.alloc(60_000)
    // Far more than the core and two kernels would keep of it.
    let sent = 0
    const step = (): boolean => raw.socket.write(publish(`t/${2 + sent++}`, payload))
    while (raw.socket.writableLength < LARGE_BYTES) step()
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(asked).toEqual(['t/1'])
    expect(broker?.metrics().inputBytes).toBeLessThan(1 << 20)
    expect(raw.socket.writableLength).toBeGreaterThan(0)
    answer()
    await until(() => topics.length === sent + 1, 'all messages')
    expect(topics).toEqual(Array.from({ length: sent + 1 }, (_, index) => `t/${index + 1}`))
  })

  it('serves what this process publishes to a connection that says nothing', async () => {
    const port = await start({ socketDriver })
    const raw = await client(port, 'listener')
    raw.send(subscribe('p', 0))
    await until(() => raw.received.includes(0x90), 'SUBACK')
    await broker?.publish('p', 'from the process')
    await until(() => raw.received.includes('from the process'), 'the message')
  })

  it('is the same inside a WebSocket: large messages, pings between, and a close in words', async () => {
    const port = await start({ socketDriver, limits: { maximumPacketSizeBytes: LARGE_BYTES + 1_000 } })
    const { webSocket, received } = await webSocketClient(port, 'web')
    webSocket.send(subscribe('large', 0))
    webSocket.send(publish('large', Buffer.alloc(LARGE_BYTES, 0xa5)))
    const pong = once(webSocket, 'pong')
    webSocket.ping('are you there?')
    expect(String((await pong)[0])).toBe('are you there?')
    await until(() => received().length > LARGE_BYTES, 'the message')
    expect(count(received(), 0xa5)).toBe(LARGE_BYTES)
    const closed = once(webSocket, 'close')
    broker?.disconnect('web', { reasonCode: 0x98, reason: 'maintenance' })
    expect(await closed).toEqual([4152, Buffer.from('Administrative action: maintenance')])
    await until(() => broker?.metrics().connections === 0, 'the close')
  })

  it('ends a WebSocket whose peer closes it, and answers its close', async () => {
    const port = await start({ socketDriver })
    const { webSocket } = await webSocketClient(port, 'web')
    const closed = once(webSocket, 'close')
    webSocket.close(1000, 'done')
    expect((await closed)[0]).toBe(1000)
    await until(() => broker?.metrics().connections === 0, 'the close')
  })

  it('waits for a slow WebSocket in the middle of a frame', async () => {
    const port = await start({ socketDriver })
    const { webSocket, received } = await webSocketClient(port, 'web')
    webSocket.send(subscribe('s', 1))
    await until(() => received().includes(0x90), 'SUBACK')
    const { _socket: socket } = webSocket as unknown as { _socket: Socket }
    socket.pause()
    const publisher = await client(port, 'publisher')
    for (let id = 1; id <= MESSAGES; id += 1) publisher.send(publishWithId('s', PAYLOAD, 1, id))
    await until(() => count(publisher.received, 0x40) >= MESSAGES, 'the PUBACKs')
    webSocket.ping()
    socket.resume()
    await until(() => received().length > MESSAGES * PAYLOAD.length, 'all messages')
    expect(count(received(), 0xa5)).toBe(MESSAGES * PAYLOAD.length)
    webSocket.terminate()
  })

  it('drops a WebSocket that breaks the rules of frames, and says which', async () => {
    const port = await start({ socketDriver })
    const { webSocket } = await webSocketClient(port, 'web')
    const closed = once(webSocket, 'close')
    const { _socket: socket } = webSocket as unknown as { _socket: Socket }
    // A frame without a mask.
    socket.write(Buffer.from([0x82, 0x02, 0xc0, 0x00]))
    expect((await closed)[0]).toBe(1002)
    await until(() => broker?.metrics().connections === 0, 'the close')
  })
})

describe.runIf(process.platform !== 'win32')('the event loop that drives sockets', () => {
  const index = new URL('../../dist/index.js', import.meta.url).href
  const script = (body: string): string[] => [
    '--input-type=module',
    '-e',
    `import { Broker } from '${index}'\n${body}`,
  ]

  it('takes the connection away from Node', async () => {
    const port = await start({})
    await client(port, 'one')
    const handles = (process as unknown as { _getActiveHandles(): unknown[] })._getActiveHandles()
    const held = handles.filter((handle) => handle instanceof Socket && handle.localPort === port)
    expect(held).toEqual([])
  })

  it('lets a thread end that still has connections', async () => {
    const { stdout } = await run(
      process.execPath,
      script(`
        import { Worker } from 'node:worker_threads'
        import { connect } from 'node:net'
        import { once } from 'node:events'
        const body = \`
          const { Broker } = await import('${index}')
          const { parentPort } = await import('node:worker_threads')
          const broker = await Broker.start({ port: 0, host: '127.0.0.1' })
          broker.on('connect', () => parentPort.postMessage('connected'))
          parentPort.postMessage(broker.addresses[0].port)\`
        const worker = new Worker(body, { eval: true })
        const [port] = await once(worker, 'message')
        const socket = connect(port, '127.0.0.1')
        socket.on('error', () => {}).resume()
        socket.write(Buffer.from('100f00044d5154540502003c0000026331', 'hex'))
        await once(worker, 'message')
        await worker.terminate()
        if (!socket.destroyed) await once(socket, 'close')
        console.log('ended')
      `),
    )
    expect(stdout).toBe('ended\n')
  })

  it('lets the process exit that still has connections, and one that has closed its broker', async () => {
    const body = (end: string): string => `
      import { connect } from 'node:net'
      const broker = await Broker.start({ port: 0, host: '127.0.0.1' })
      const socket = connect(broker.addresses[0].port, '127.0.0.1')
      socket.on('error', () => {})
      socket.write(Buffer.from('100f00044d5154540502003c0000026331', 'hex'))
      broker.once('connect', async () => { ${end} })`
    for (const end of ['process.exit(7)', 'socket.destroy(); await broker.close(); process.exitCode = 7']) {
      await expect(run(process.execPath, script(body(end)))).rejects.toMatchObject({ code: 7, stderr: '' })
    }
  })

  it('reports what a handler of the application throws as an uncaught exception, and lives on', async () => {
    const { stdout } = await run(
      process.execPath,
      script(`
        import { connect } from 'node:net'
        const broker = await Broker.start({ port: 0, host: '127.0.0.1' })
        process.on('uncaughtException', (error) => console.log(error.message))
        broker.on('connect', () => { throw new Error('thrown by a handler') })
        const socket = connect(broker.addresses[0].port, '127.0.0.1')
        socket.write(Buffer.from('100f00044d5154540502003c0000026331c000', 'hex'))
        let received = Buffer.alloc(0)
        socket.on('data', async (chunk) => {
          received = Buffer.concat([received, chunk])
          if (!received.includes(Buffer.from([0xd0, 0]))) return
          socket.destroy()
          await broker.close()
          console.log('closed')
        })
      `),
    )
    expect(stdout).toBe('thrown by a handler\nclosed\n')
  })

  it('drops who says nothing in time, and says so', async () => {
    const lines: string[] = []
    const logger = { debug: (_: object, text: string) => lines.push(text), info() {}, warn() {}, error() {} }
    const port = await start({ logger, limits: { connectTimeoutMs: 1_000 } })
    const raw = await RawClient.connect(port)
    clients.push(raw)
    await until(() => raw.ended || raw.closed, 'the end')
    expect(lines).toContain('Said nothing for 1000 ms and was dropped.')
    expect(broker?.metrics().connectionsOpened).toBe(0)
  })

  it('lets no more say nothing than may be connected', async () => {
    const port = await start({ limits: { maximumConnections: 2 } })
    const silent = [await RawClient.connect(port), await RawClient.connect(port)]
    clients.push(...silent)
    await new Promise((resolve) => setTimeout(resolve, 50))
    const third = await RawClient.connect(port)
    clients.push(third)
    await until(() => third.ended || third.closed, 'the end')
    expect(silent.some((one) => one.ended || one.closed)).toBe(false)
  })

  it('turns away who comes when there are no descriptors, says so, and goes on when there are', async () => {
    const body = script(`
      const logger = { debug() {}, info() {}, warn() {}, error: (_, text) => console.log(text) }
      const broker = await Broker.start({ port: 0, host: '127.0.0.1', logger })
      console.log(broker.addresses[0].port)
      process.stdin.resume().on('end', () => process.exit(0))
    `)
    const child = spawn('sh', ['-c', 'ulimit -n 200; exec "$0" "$@"', process.execPath, ...body])
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    try {
      await until(() => output.includes('\n'), 'the port')
      const port = Number(output.split('\n')[0])
      const many = await Promise.all(Array.from({ length: 250 }, () => RawClient.connect(port)))
      await until(() => output.includes('could not be accepted'), 'the line in the log')
      await until(() => many.some((one) => one.ended || one.closed), 'the first that is turned away')
      for (const one of many) one.destroy()
      const served = async (): Promise<RawClient | undefined> => {
        const raw = await RawClient.connect(port)
        clients.push(raw)
        raw.send(connect('later'))
        await until(() => raw.received.length > 0 || raw.ended || raw.closed, 'an answer or the end')
        return raw.received[0] === CONNACK_TYPE ? raw : undefined
      }
      let one = await served()
      for (let attempt = 0; attempt < 20 && one === undefined; attempt += 1) one = await served()
      expect(one).toBeDefined()
    } finally {
      child.stdin.end()
      child.kill()
    }
  })

  it('drives nothing of a socket whose peer was refused by Node', async () => {
    const port = await start({ limits: { connectTimeoutMs: 1_000 } })
    const socket = connectTcp(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    const [answer] = await once(socket, 'data')
    expect(String(answer)).toContain('HTTP/1.1')
    expect(broker?.metrics().connections).toBe(0)
    socket.destroy()
  })
})
