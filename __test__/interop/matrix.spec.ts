/**
 * Every peer publishes to every peer, itself included, at every QoS, text and bytes. One subscription per peer and QoS
 * lasts for the whole file, so a message that comes twice or to the wrong place is seen at the end.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BrokerUnderTest, startBroker } from './broker-under-test.js'
import { allPeers, isInstalled, requireInstalled } from './peers/all.js'
import type { Inbox, Peer, Qos } from './peers/peer.js'

const QOS: readonly Qos[] = [0, 1, 2]

const peers = allPeers()
const installed = peers.filter(isInstalled)
const inboxes = new Map<string, Inbox>()
let broker: BrokerUnderTest

beforeAll(async () => {
  broker = await startBroker()
  await Promise.all(
    installed.map(async (peer) => {
      await peer.open(broker)
      for (const qos of QOS) {
        const { inbox } = await peer.subscribe(`matrix/${peer.slug}/${qos}/+`, qos)
        inboxes.set(`${peer.slug}/${qos}`, inbox)
      }
    }),
  )
})

afterAll(async () => {
  await Promise.all(installed.map((peer) => peer.close()))
  await broker.close()
})

describe.each(peers)('$name receives', (subscriber) => {
  test.for(peers)('what $name publishes', async (publisher, context) => {
    requireInstalled([publisher, subscriber], context)
    await Promise.all(
      QOS.flatMap((qos) =>
        payloads(publisher, subscriber, qos).map(async (payload) => {
          await publisher.publish(`matrix/${subscriber.slug}/${qos}/${publisher.slug}`, payload, { qos })
          const message = await inboxOf(subscriber, qos).findPayload(payload)
          // the browser sees payloads only; every other peer shows the whole message
          expect(message).toEqual(
            message.topicName === undefined
              ? { payload }
              : expect.objectContaining({
                  topicName: `matrix/${subscriber.slug}/${qos}/${publisher.slug}`,
                  qos,
                  retain: false,
                }),
          )
        }),
      ),
    )
  })
})

describe('when all have published', () => {
  test.for(peers)('$name has received each message once and nothing else', (subscriber, context) => {
    requireInstalled([subscriber], context)
    for (const qos of QOS) {
      const expected = installed.flatMap((publisher) => payloads(publisher, subscriber, qos))
      const got = inboxOf(subscriber, qos).received.map(({ payload }) => payload.toString('hex'))
      expect(got.sort()).toEqual(expected.map((payload) => payload.toString('hex')).sort())
    }
  })
})

function inboxOf(peer: Peer, qos: Qos): Inbox {
  const inbox = inboxes.get(`${peer.slug}/${qos}`)
  if (inbox === undefined) throw new Error(`${peer.name} has no subscription at QoS ${qos}`)
  return inbox
}

/** Text of several alphabets, and bytes that are not UTF-8; both tell the case apart. */
function payloads(publisher: Peer, subscriber: Peer, qos: Qos): Buffer[] {
  const label = `${publisher.slug} → ${subscriber.slug}, QoS ${qos}`
  return [
    Buffer.from(`${label}: Grüße, καλημέρα, 世界, 🛰️`),
    Buffer.concat([
      Buffer.from([0x00, 0xff, 0xfe, 0xc0, 0x80]),
      Buffer.from(label),
      Buffer.from([0x0d, 0x0a, 0x00]),
    ]),
  ]
}
