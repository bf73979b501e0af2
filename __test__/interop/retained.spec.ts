/** Retained messages and the lower of two QoS, from and to every peer that can show them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BrokerUnderTest, startBroker } from './broker-under-test.js'
import { allPeers, isInstalled, requireInstalled } from './peers/all.js'
import type { Qos } from './peers/peer.js'

const peers = allPeers()
const installed = peers.filter(isInstalled)
/** A topic URL has no way to say "retain". */
const publishers = peers.filter(({ program }) => program !== 'chromium')
let broker: BrokerUnderTest

beforeAll(async () => {
  broker = await startBroker()
  await Promise.all(installed.map((peer) => peer.open(broker)))
})

afterAll(async () => {
  await Promise.all(installed.map((peer) => peer.close()))
  await broker.close()
})

describe('retained messages', () => {
  const payloadOf = (slug: string): Buffer => Buffer.from(`the last word of ${slug} – ünforgotten`)

  beforeAll(async () => {
    for (const publisher of publishers.filter(isInstalled)) {
      const topicName = `retained/${publisher.slug}/state`
      await publisher.publish(topicName, Buffer.from('an older word'), { qos: 1, retain: true })
      await publisher.publish(topicName, payloadOf(publisher.slug), { qos: 1, retain: true })
    }
  })

  test.for(peers)(
    '$name, which subscribes later, gets the last one of every peer',
    async (subscriber, context) => {
      requireInstalled([subscriber], context)
      const { inbox, close } = await subscriber.subscribe('retained/+/state', 1)
      for (const { slug } of publishers.filter(isInstalled)) {
        const message = await inbox.findPayload(payloadOf(slug))
        if (message.topicName === undefined) continue
        expect(message).toMatchObject({ topicName: `retained/${slug}/state`, retain: true, qos: 1 })
      }
      expect(inbox.received).toHaveLength(publishers.filter(isInstalled).length)
      await close()
    },
  )

  test.for(publishers)('$name clears what it retained with an empty payload', async (publisher, context) => {
    requireInstalled([publisher], context)
    const topicName = `cleared/${publisher.slug}`
    await publisher.publish(topicName, Buffer.from('to be forgotten'), { qos: 1, retain: true })
    await publisher.publish(topicName, Buffer.alloc(0), { qos: 1, retain: true })
    const { inbox, close } = await publisher.subscribe(topicName, 1)
    const live = Buffer.from('after the clearing')
    await publisher.publish(topicName, live, { qos: 1 })
    await inbox.findPayload(live)
    expect(inbox.received.map(({ payload }) => payload.toString())).toEqual([live.toString()])
    await close()
  })

  test.for(publishers)(
    'a message that $name retains reaches those already there without the flag',
    async (peer, context) => {
      requireInstalled([peer], context)
      const topicName = `live/${peer.slug}`
      const { inbox, close } = await peer.subscribe(topicName, 1)
      await peer.publish(topicName, Buffer.from('new'), { qos: 1, retain: true })
      const message = await inbox.findPayload(Buffer.from('new'))
      expect(message.retain).toBe(false)
      await close()
    },
  )
})

describe('the QoS of a delivery is the lower of the two', () => {
  const levels: readonly Qos[] = [0, 1, 2]
  const pairs = levels.flatMap((published) => levels.map((granted) => ({ published, granted })))

  test.for(publishers)('towards $name', async (peer, context) => {
    requireInstalled([peer], context)
    for (const { published, granted } of pairs) {
      const topicName = `lower/${peer.slug}/${published}/${granted}`
      const { inbox, close } = await peer.subscribe(topicName, granted)
      const payload = Buffer.from(`${published} to ${granted}`)
      await peer.publish(topicName, payload, { qos: published })
      expect((await inbox.findPayload(payload)).qos).toBe(Math.min(published, granted))
      await close()
    }
  })
})

describe('payloads at the ends of the range', () => {
  const sizes = [0, 1, 125, 126, 65_535, 65_536, 1_048_576]

  test.for(peers)(
    '$name receives none, one and a million bytes from every peer, unchanged',
    async (subscriber, context) => {
      requireInstalled([subscriber], context)
      const { inbox, close } = await subscriber.subscribe(`sizes/${subscriber.slug}`, 1)
      // two publishers that frame differently: whole packets over TCP, and WebSocket frames of 64 KiB and less
      const senders = installed.filter(({ slug }) => slug === 'mqttjs-wss-v5' || slug === 'paho2-mqtt-v4')
      for (const sender of senders) {
        for (const size of sizes) {
          const payload = Buffer.alloc(size, `${sender.slug} ${size} ÿ`)
          await sender.publish(`sizes/${subscriber.slug}`, payload, { qos: 1 })
          await inbox.findPayload(payload)
        }
      }
      expect(inbox.received).toHaveLength(senders.length * sizes.length)
      await close()
    },
  )
})
