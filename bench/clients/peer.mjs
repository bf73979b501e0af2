/**
 * The other end of a measured client: our broker on the other core. It says its port, and on `{ receive, topic }` publishes so
 * many messages, as fast as the client takes them: it never runs ahead by more than it may keep for it.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { Broker } from '../../dist/index.js'

/** Messages in the out-buffer of the receiver, at most. */
const AHEAD = 20_000
const payload = Buffer.alloc(64, 'x')

const broker = await Broker.start({ port: 0, host: '127.0.0.1' })
let seen = 0
broker.subscribe('progress', (message) => {
  seen = Number(message.text())
})

process.on('message', async ({ receive, topic }) => {
  seen = 0
  for (let sent = 0; sent < receive; sent += 1) {
    if (sent % 100 === 0) {
      do await turn()
      while (sent - seen > AHEAD)
    }
    broker.publish(topic, payload)
  }
  broker.publish(topic, Buffer.alloc(0), { qos: 1 })
})
process.send({ port: broker.addresses[0].port })
