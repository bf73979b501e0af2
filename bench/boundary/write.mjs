/**
 * How a broker should hand one connection's share of a turn's output to its socket. All output of a turn lies in one
 * arena; the question is whether a connection's slice is written as it is (and the arena used again when the kernel
 * has taken everything at once), or copied first.
 *
 *   node bench/boundary/write.mjs [--seconds 2] [--rounds 5] [--connections 1000]
 *
 * Prints the writing process's CPU per write, for writes of 100 bytes, 4 KiB and 64 KiB, each to another connection. The reader
 * is this process.
 */
import net from 'node:net'
import { flag, isMeasured, printMachine, serveMeasured, sleep, startMeasured, summary } from './harness.js'

const variants = {
  'slice of the arena': (arena, start, end) => arena.subarray(start, end),
  'copy from the pool': (arena, start, end) => copyInto(Buffer.allocUnsafe(end - start), arena, start, end),
  'copy of its own': (arena, start, end) => copyInto(Buffer.allocUnsafeSlow(end - start), arena, start, end),
}

if (isMeasured) {
  measured()
} else {
  await read()
}

function copyInto(target, arena, start, end) {
  arena.copy(target, 0, start, end)
  return target
}

function measured() {
  const sockets = []
  const arena = Buffer.alloc(4_194_304, 1)

  serveMeasured({
    async listen({ connections }) {
      const server = net.createServer({ noDelay: true }, (socket) =>
        sockets.push(socket.on('error', () => {})),
      )
      await new Promise((resolve) => server.listen(0, '127.0.0.1', connections, resolve))
      return { port: server.address().port }
    },
    async run({ variant, size, rate, seconds }) {
      const prepare = variants[variant]
      const began = performance.now()
      const cpu = process.cpuUsage()
      let writes = 0
      let late = 0
      let offset = 0
      for (let elapsed = 0; elapsed < seconds * 1000; elapsed = performance.now() - began) {
        for (const due = (elapsed * rate) / 1000; writes < due; writes += 1) {
          const socket = sockets[writes % sockets.length]
          if (offset + size > arena.length) offset = 0
          socket.write(prepare(arena, offset, offset + size))
          // What a broker does: a slice that the kernel did not take at once belongs to the socket for a while.
          if (socket.writableLength !== 0) late += 1
          offset += size
        }
        await sleep(1)
      }
      const used = process.cpuUsage(cpu)
      return { writes, late, cpuMicros: used.user + used.system }
    },
  })
}

async function read() {
  printMachine()
  const seconds = flag('seconds', 2)
  const rounds = flag('rounds', 5)
  const connections = flag('connections', 1000)
  const child = startMeasured(new URL(import.meta.url).pathname)
  const { port } = await child.ask({ kind: 'listen', connections })
  const sink = Buffer.allocUnsafeSlow(65_536)
  for (let n = 0; n < connections; n += 1) {
    await new Promise((resolve, reject) => {
      const onread = { buffer: sink, callback: () => true }
      net.connect({ port, host: '127.0.0.1', onread }, resolve).on('error', reject)
    })
  }
  for (const [size, rate] of [
    [100, 50_000],
    [4096, 50_000],
    [65_536, 8_000],
  ]) {
    const figures = Object.fromEntries(Object.keys(variants).map((name) => [name, []]))
    let late = 0
    let writes = 0
    for (let round = 0; round < rounds; round += 1) {
      for (const variant of Object.keys(variants)) {
        const result = await child.ask({ kind: 'run', variant, size, rate, seconds })
        figures[variant].push(result.cpuMicros / result.writes)
        late += result.late
        writes += result.writes
        await sleep(100)
      }
    }
    console.log(`${connections} connections, ${size}-byte writes, ${rate} a second`)
    for (const [variant, costs] of Object.entries(figures)) {
      console.log(`  ${variant.padEnd(19)} ${summary(costs)} µs CPU/write`)
    }
    console.log(`  not taken by the kernel at once: ${late} of ${writes}`)
  }
  child.stop()
  process.exit()
}
