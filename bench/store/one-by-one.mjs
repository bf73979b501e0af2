/** One message in flight: how long its acknowledgement takes. */
import { inRoot } from '../../scripts/lib/project.mjs'

const { connectAsync } = await import(inRoot('dist', 'index.js'))

/** Publishes to a durable session, one message after the other. Gives the time of each acknowledgement in microseconds. */
export async function acknowledgementTimes(port, count) {
  const session = { clean: false, protocolVersion: 5, properties: { sessionExpiryInterval: 3600 } }
  const subscriber = await connectAsync({ port, clientId: 'subscriber', ...session })
  await subscriber.subscribeAsync('one', { qos: 1 })
  const publisher = await connectAsync({ port, clientId: 'publisher' })
  const times = []
  for (let n = 0; n < count; n += 1) {
    const began = process.hrtime.bigint()
    await publisher.publishAsync('one', 'x'.repeat(64), { qos: 1 })
    times.push(Number(process.hrtime.bigint() - began) / 1000)
  }
  await publisher.endAsync()
  await subscriber.endAsync()
  return times
}
