/**
 * How a broker should write one frame of a WebSocket: with `ws`, which writes header and payload as two buffers (and over TLS
 * needs a copy of a payload that lies in the arena), or as one buffer of its own.
 *
 *   npm run build && node bench/boundary/frame.mjs [--seconds 2] [--rounds 5] [--connections 100]
 *
 * Prints the writing process's CPU per frame, for `ws:` and `wss:` and frames of several sizes, each to another connection. The
 * reader is this process.
 */
import http from 'node:http'
import https from 'node:https'
import { generate } from 'selfsigned'
import { WebSocket, WebSocketServer } from 'ws'
import { frameOf } from '../../dist/transports/frame.js'
import { flag, isMeasured, printMachine, serveMeasured, sleep, startMeasured, summary } from './harness.js'

const BINARY = { binary: true }
const variants = {
  ws: ({ webSocket, isEncrypted }, bytes) => webSocket.send(isEncrypted ? Buffer.from(bytes) : bytes, BINARY),
  'one buffer': ({ socket }, bytes) => socket.write(frameOf(bytes, true)),
}

if (isMeasured) {
  measured()
} else {
  await read()
}

function measured() {
  const connections = { 'ws:': [], 'wss:': [] }
  const arena = Buffer.alloc(1_048_576, 1)
  const upgrader = new WebSocketServer({ noServer: true, clientTracking: false, perMessageDeflate: false })

  serveMeasured({
    async listen({ protocol }) {
      const isEncrypted = protocol === 'wss:'
      const server = isEncrypted ? https.createServer(await certificate()) : http.createServer()
      server.on('upgrade', (request, socket, head) => {
        socket.setNoDelay(true)
        upgrader.handleUpgrade(request, socket, head, (webSocket) => {
          webSocket.on('error', () => {})
          connections[protocol].push({ webSocket, socket, isEncrypted })
        })
      })
      await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
      return { port: server.address().port }
    },
    async run({ protocol, variant, size, rate, seconds }) {
      const send = variants[variant]
      const all = connections[protocol]
      const began = performance.now()
      const cpu = process.cpuUsage()
      let frames = 0
      let offset = 0
      for (let elapsed = 0; elapsed < seconds * 1000; elapsed = performance.now() - began) {
        for (const due = (elapsed * rate) / 1000; frames < due; frames += 1) {
          if (offset + size > arena.length) offset = 0
          send(all[frames % all.length], arena.subarray(offset, offset + size))
          offset += size
        }
        await sleep(1)
      }
      const used = process.cpuUsage(cpu)
      return { frames, cpuMicros: used.user + used.system }
    },
  })
}

async function certificate() {
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }])
  return { cert, key }
}

async function read() {
  printMachine()
  const seconds = flag('seconds', 2)
  const rounds = flag('rounds', 5)
  const connections = flag('connections', 100)
  const child = startMeasured(new URL(import.meta.url).pathname)
  for (const protocol of ['ws:', 'wss:']) {
    const { port } = await child.ask({ kind: 'listen', protocol })
    for (let n = 0; n < connections; n += 1) await connect(`${protocol}//127.0.0.1:${port}`)
    for (const [size, rate] of [
      [100, 20_000],
      [1_024, 20_000],
      [8_192, 10_000],
      [16_384, 5_000],
      [65_536, 2_000],
    ]) {
      const figures = Object.fromEntries(Object.keys(variants).map((name) => [name, []]))
      for (let round = 0; round < rounds; round += 1) {
        for (const variant of Object.keys(variants)) {
          const result = await child.ask({ kind: 'run', protocol, variant, size, rate, seconds })
          figures[variant].push(result.cpuMicros / result.frames)
          await sleep(100)
        }
      }
      console.log(`${protocol} ${connections} connections, ${size}-byte frames, ${rate} a second`)
      for (const [variant, costs] of Object.entries(figures)) {
        console.log(`  ${variant.padEnd(10)} ${summary(costs)} µs CPU/frame`)
      }
    }
  }
  child.stop()
  process.exit()
}

/** Takes the socket from `ws` and drops what comes: this process has only to keep up. */
function connect(url) {
  return new Promise((resolve, reject) => {
    const webSocket = new WebSocket(url, { rejectUnauthorized: false })
    webSocket.on('error', reject)
    webSocket.on('upgrade', ({ socket }) => {
      webSocket.on('open', () => {
        socket.removeAllListeners('data')
        socket.resume()
        resolve()
      })
    })
  })
}
