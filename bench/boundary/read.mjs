/**
 * How a broker should read its sockets: Node's default ('data': one new 64 KiB allocation, shrunk to what came, for
 * each read) against `onread` into one buffer that all sockets of the thread share.
 *
 *   node bench/boundary/read.mjs [--seconds 2] [--rounds 5] [--connections 1000] [--rate 20000]
 *
 * Prints the reading process's CPU per 100-byte message with many connections that send one message now and then, and
 * with a few that send as fast as they can, in large writes and in small ones. The generator is this process.
 */
import net from 'node:net'
import { flag, isMeasured, printMachine, serveMeasured, sleep, startMeasured, summary } from './harness.js'

const MESSAGE_BYTES = 100
const seconds = flag('seconds', 2)
const rounds = flag('rounds', 5)

if (isMeasured) {
  measured()
} else {
  await generate()
}

/** Two servers in one process, alike but for the way they read. */
function measured() {
  const shared = Buffer.allocUnsafeSlow(65_536)
  let reads = 0
  let bytes = 0
  let cpu = process.cpuUsage()
  let began = performance.now()

  const take = (chunk, length) => {
    reads += 1
    bytes += length
    return chunk[0] !== 255
  }
  const keep = new Set()
  const hold = (socket) => {
    keep.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => keep.delete(socket))
    socket.setNoDelay(true)
  }
  const data = net.createServer((socket) => {
    hold(socket)
    socket.on('data', (chunk) => take(chunk, chunk.length))
  })
  const onread = net.createServer({ pauseOnConnect: true }, (accepted) => {
    const handle = accepted._handle
    accepted._handle = null
    accepted.destroy()
    hold(new net.Socket({ handle, onread: { buffer: shared, callback: (length) => take(shared, length) } }))
  })

  serveMeasured({
    async listen() {
      const ports = {}
      for (const [name, server] of Object.entries({ data, onread })) {
        await new Promise((resolve) => server.listen(0, '127.0.0.1', 4096, resolve))
        ports[name] = server.address().port
      }
      return ports
    },
    begin() {
      reads = 0
      bytes = 0
      cpu = process.cpuUsage()
      began = performance.now()
      return {}
    },
    end() {
      const used = process.cpuUsage(cpu)
      return { reads, bytes, cpuMicros: used.user + used.system, elapsedMs: performance.now() - began }
    },
  })
}

async function generate() {
  printMachine()
  const child = startMeasured(new URL(import.meta.url).pathname)
  const ports = await child.ask({ kind: 'listen' })
  const connections = flag('connections', 1000)
  const rate = flag('rate', 20_000)

  const loads = {
    [`${connections} connections, ${rate} msg/s, one message per wake-up`]: {
      sockets: connections,
      run: (sockets) => sparse(sockets, rate),
    },
    '10 connections saturated, 64 KiB writes': { sockets: 10, run: (sockets) => saturate(sockets, 65_500) },
    '10 connections saturated, 1 KiB writes': { sockets: 10, run: (sockets) => saturate(sockets, 1000) },
  }
  for (const [title, load] of Object.entries(loads)) {
    const figures = { data: [], onread: [] }
    const perRead = { data: [], onread: [] }
    const rates = { data: [], onread: [] }
    for (let round = 0; round < rounds; round += 1) {
      for (const variant of ['data', 'onread']) {
        const sockets = await dial(ports[variant], load.sockets)
        await child.ask({ kind: 'begin' })
        await load.run(sockets)
        const result = await child.ask({ kind: 'end' })
        for (const socket of sockets) socket.destroy()
        await sleep(200)
        const messages = result.bytes / MESSAGE_BYTES
        figures[variant].push(result.cpuMicros / messages)
        perRead[variant].push(result.bytes / result.reads)
        rates[variant].push(messages / result.elapsedMs)
      }
    }
    console.log(title)
    for (const variant of ['data', 'onread']) {
      const cpu = summary(figures[variant], 3)
      console.log(
        `  ${variant.padEnd(7)} ${cpu} µs CPU/message, ${summary(perRead[variant], 0)} bytes/read, ${summary(rates[variant], 0)} k msg/s`,
      )
    }
  }
  child.stop()
}

function dial(port, count) {
  const dialling = Array.from({ length: count }, () => {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ port, host: '127.0.0.1', noDelay: true }, () => resolve(socket))
      socket.on('error', reject)
    })
  })
  return Promise.all(dialling)
}

/** `rate` messages a second over all sockets in turn, in ticks of about a millisecond. */
async function sparse(sockets, rate) {
  const message = Buffer.alloc(MESSAGE_BYTES, 1)
  const start = performance.now()
  let sent = 0
  for (;;) {
    const elapsed = performance.now() - start
    if (elapsed >= seconds * 1000) return
    for (const due = (elapsed * rate) / 1000; sent < due; sent += 1)
      sockets[sent % sockets.length].write(message)
    await sleep(1)
  }
}

/** Every socket that has room writes some blocks of `size` bytes in each turn of the event loop. */
async function saturate(sockets, size) {
  const block = Buffer.alloc(size, 1)
  const end = performance.now() + seconds * 1000
  while (performance.now() < end) {
    for (const socket of sockets) {
      for (let n = 0; n < 16 && !socket.writableNeedDrain; n += 1) socket.write(block)
    }
    await new Promise(setImmediate)
  }
}
