/** Bytes on the wire, counted by a relay between the two ends: for connecting, and for each message. */
import { numbered, openPeer, type Peer } from '../peer.js'
import { CountingRelay } from '../relay.js'
import type { Qos } from '../ways.js'
import { nextClientId, nextTopic, type Reachable, type Site, waitUntil, waitUntilStill } from './site.js'

/** Longer than anything that follows by itself takes on this machine: acknowledgements, tickets of TLS. */
const STILL_MS = 25
const PATIENCE_MS = 5_000

export async function measureBytes(site: Site, reachable: Reachable): Promise<void> {
  for (const qos of reachable.way.qos) {
    for (const [index, shape] of site.plan.bytes.shapes.entries()) {
      const topic = nextTopic(shape.topicBytes)
      // With the first shape alone: connecting does not depend on what is sent later.
      await measureShape(site, reachable, qos, topic, shape.payloadBytes, index === 0 && qos === 0)
    }
  }
}

async function measureShape(
  site: Site,
  { way, place }: Reachable,
  qos: Qos,
  topic: string,
  payloadBytes: number,
  withConnecting: boolean,
): Promise<void> {
  const { messages } = site.plan.bytes
  const toPublisher = await CountingRelay.listen(place.host, place.port)
  const toSubscriber = await CountingRelay.listen(place.host, place.port)
  const total = () =>
    toPublisher.upBytes + toPublisher.downBytes + toSubscriber.upBytes + toSubscriber.downBytes
  let publisher: Peer | undefined
  let subscriber: Peer | undefined
  try {
    const at = (relay: CountingRelay) => ({ ...place, host: '127.0.0.1', port: relay.port })
    let received = 0
    let acknowledged = 0
    const common = { way, topic, qos }
    publisher = await openPeer({
      ...common,
      place: at(toPublisher),
      listens: false,
      clientId: nextClientId(),
      onAcknowledged: () => {
        acknowledged += 1
      },
    })
    subscriber = await openPeer({
      ...common,
      place: at(toSubscriber),
      listens: true,
      clientId: nextClientId(),
      onMessage: () => {
        received += 1
      },
    })
    await waitUntilStill(total, STILL_MS)
    if (withConnecting) {
      site.collector.add({
        measure: 'connecting',
        way: way.id,
        conditions: { topicBytes: topic.length },
        values: {
          publisherUp: toPublisher.upBytes,
          publisherDown: toPublisher.downBytes,
          subscriberUp: toSubscriber.upBytes,
          subscriberDown: toSubscriber.downBytes,
        },
      })
    }
    for (const relay of [toPublisher, toSubscriber]) relay.reset()
    for (let index = 1; index <= messages; index++) {
      // One by one: what travels together is cheaper, and how much travels together is chance.
      publisher.publish(numbered(index, payloadBytes))
      const isThere = () => received >= index && (qos === 0 || acknowledged >= index)
      if (!(await waitUntil(isThere, PATIENCE_MS, 1))) throw new Error('a message did not arrive')
    }
    await waitUntilStill(total, STILL_MS)
    site.collector.add({
      measure: 'message',
      way: way.id,
      conditions: { qos, topicBytes: topic.length, payloadBytes },
      values: {
        publisherUp: toPublisher.upBytes / messages,
        publisherDown: toPublisher.downBytes / messages,
        subscriberUp: toSubscriber.upBytes / messages,
        subscriberDown: toSubscriber.downBytes / messages,
      },
    })
  } finally {
    publisher?.end()
    subscriber?.end()
    await Promise.all([toPublisher.close(), toSubscriber.close()])
  }
}
