/**
 * A client that is measured, in a process of its own: `node measured.mjs topicwire|mqttjs PORT`. On a message
 * `{ load, count }` it does the load once and answers with the CPU time of this process (user and system) and the time that
 * passed, in seconds; on `{ load: 'memory', count }` with the bytes of memory (resident) that a connected client takes.
 */
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'

const [, , name, port] = process.argv
const { connectAsync } = name === 'mqttjs' ? (await import('mqtt')).default : await import('../../dist/index.js')
const options = { protocolVersion: 5, clean: true, connectTimeout: 10_000 }
const payload = Buffer.alloc(64, 'x')
const topic = 'outbound/telemetry'
const inbound = `inbound/${name}`

const open = () => connectAsync(`mqtt://127.0.0.1:${port}`, options)

let client = await open()

const loads = {
  /** A hundred messages a turn, and all of them taken by the server at the end. */
  async publish0(count) {
    for (let sent = 0; sent < count; sent += 1) {
      client.publish(topic, payload)
      if (sent % 100 === 99) await turn()
    }
    await client.publishAsync(topic, payload, { qos: 1 })
  },

  /** Never more than a hundred under way. */
  publish1(count) {
    return new Promise((resolve, reject) => {
      let sent = 0
      let done = 0
      const next = () => {
        sent += 1
        client.publish(topic, payload, { qos: 1 }, (error) => {
          if (error) reject(error)
          done += 1
          if (done === count) resolve()
          else if (sent < count) next()
        })
      }
      for (let start = 0; start < 100; start += 1) next()
    })
  },

  /** Messages for a handler that looks at topic and payload. */
  receive(count) {
    return new Promise((resolve) => {
      let came = 0
      let bytes = 0
      client.on('message', function take(inTopic, inPayload) {
        if (inPayload.length === 0) {
          client.off('message', take)
          if (came !== count || bytes !== count * 64) throw new Error(`${came} messages came, not ${count}`)
          resolve()
          return
        }
        came += 1
        bytes += inPayload.length + inTopic.length - inbound.length
        if (came % 1_000 === 0) client.publish('progress', String(came))
      })
      process.send({ receive: count, topic: inbound })
    })
  },

  async memory(count) {
    globalThis.gc()
    const before = process.memoryUsage().rss
    const clients = []
    while (clients.length < count) {
      clients.push(...(await Promise.all(Array.from({ length: 50 }, open))))
    }
    globalThis.gc()
    const bytes = (process.memoryUsage().rss - before) / count
    await Promise.all(clients.map((one) => one.endAsync(true)))
    return bytes
  },
}

await client.subscribeAsync(inbound, { qos: 1 })

process.on('message', async ({ load, count }) => {
  globalThis.gc()
  const cpu = process.cpuUsage()
  const started = performance.now()
  const bytes = await loads[load](count)
  const seconds = (performance.now() - started) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  process.send({ done: { bytes, seconds, cpuSeconds: (user + system) / 1e6 } })
})
process.on('disconnect', () => {
  client.end(true)
  client = undefined
  process.exit()
})
process.send({ ready: true })
await once(process, 'disconnect')
