/** A shared subscription whose members are different programs: each message goes to one of them. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithPeers } from '../support/peers.js'
import { type BrokerUnderTest, startBroker } from './broker-under-test.js'
import { allPeers } from './peers/all.js'
import { openMqttJs } from './peers/mqtt-js.js'
import type { Peer, Subscription } from './peers/peer.js'

const MESSAGES = 60
const MEMBERS = ['paho2-mqtt-v5', 'paho1-mqtt-v4', 'mqttjs-ws-v5', 'mqttjs-mqtts-v4', 'mosquitto-311']

describeWithPeers(['paho1', 'paho2', 'mosquitto-clients'], 'a group of five programs', () => {
  let broker: BrokerUnderTest
  let peers: Peer[]
  let publisher: Awaited<ReturnType<typeof openMqttJs>>['client']

  beforeAll(async () => {
    broker = await startBroker()
    peers = allPeers().filter(({ slug }) => MEMBERS.includes(slug))
    await Promise.all(peers.map((peer) => peer.open(broker)))
    publisher = (await openMqttJs(broker, 'mqtt', { protocolVersion: 5 })).client
  })

  afterAll(async () => {
    await publisher.endAsync()
    await Promise.all(peers.map((peer) => peer.close()))
    await broker.close()
  })

  /** Publishes `MESSAGES` texts and resolves when so many have come to the members. */
  async function publishAndCollect(
    topicName: string,
    label: string,
    members: Subscription[],
  ): Promise<string[][]> {
    const before = members.map(({ inbox }) => inbox.received.length)
    const total = (): number =>
      members.reduce((sum, { inbox }, index) => sum + inbox.received.length - (before[index] ?? 0), 0)
    for (let number = 0; number < MESSAGES; number += 1) {
      await publisher.publishAsync(topicName, `${label} ${number}`, { qos: 1 })
    }
    await expect.poll(total, { timeout: 5_000 }).toBeGreaterThanOrEqual(MESSAGES)
    return members.map(({ inbox }, index) =>
      inbox.received.slice(before[index]).map(({ payload }) => payload.toString()),
    )
  }

  test('each message reaches exactly one member, and everybody outside the group gets all', async () => {
    const members = await Promise.all(peers.map((peer) => peer.subscribe('$share/workers/jobs/+', 1)))
    const other = await Promise.all(
      peers.slice(0, 2).map((peer) => peer.subscribe('$share/auditors/jobs/#', 1)),
    )
    const outsider = await openMqttJs(broker, 'ws', { protocolVersion: 4 })
    await outsider.client.subscribeAsync('jobs/new', { qos: 1 })

    const all = Array.from({ length: MESSAGES }, (_, number) => `job ${number}`).sort()
    const shares = await publishAndCollect('jobs/new', 'job', members)
    expect(shares.flat().sort()).toEqual(all)
    for (const share of shares) expect(share.length).toBeGreaterThan(0)

    const texts = (subscription: Pick<Subscription, 'inbox'>): string[] =>
      subscription.inbox.received.map(({ payload }) => payload.toString())
    await outsider.inbox.take(MESSAGES)
    expect(texts(outsider).sort()).toEqual(all)
    await expect.poll(() => other.flatMap(texts).length).toBe(MESSAGES)
    expect(other.flatMap(texts).sort()).toEqual(all)

    await Promise.all([...members, ...other].map(({ close }) => close()))
    await outsider.client.endAsync()
  })

  test('when members leave, the others take over their share', async () => {
    const members = await Promise.all(peers.map((peer) => peer.subscribe('$share/shift/tasks', 1)))
    await publishAndCollect('tasks', 'early', members)
    const [staying, leaving] = [members.slice(0, 2), members.slice(2)]
    await Promise.all(leaving.map(({ close }) => close()))
    // a member has left when the broker has seen its end, which may be a little after the member's own
    await new Promise((resolve) => setTimeout(resolve, 200))
    const shares = await publishAndCollect('tasks', 'late', staying)
    expect(shares.flat().sort()).toEqual(
      Array.from({ length: MESSAGES }, (_, number) => `late ${number}`).sort(),
    )
    await Promise.all(staying.map(({ close }) => close()))
  })

  test('a retained message is not sent to a shared subscription', async () => {
    await publisher.publishAsync('shared/retained', 'old', { qos: 1, retain: true })
    const [first] = peers
    if (first === undefined) throw new Error('no peer')
    const { inbox, close } = await first.subscribe('$share/late/shared/retained', 1)
    await publisher.publishAsync('shared/retained', 'new', { qos: 1 })
    await inbox.findPayload(Buffer.from('new'))
    expect(inbox.countOf(Buffer.from('old'))).toBe(0)
    await close()
  })
})
