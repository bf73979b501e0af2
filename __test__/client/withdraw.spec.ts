/** What becomes of a message whose signal is aborted: wherever it still waits it is taken out, and elsewhere it goes its way. */
import { describe, expect, test } from 'vitest'
import { encode, type MqttClient, PacketParser } from '../../src/index.js'
import { until } from '../support/until.js'
import { client, connected, next, serverThat, startBroker } from './support.js'

/** A server that takes one message of QoS 1 at a time, and acknowledges when the test says. */
async function slowServer(): Promise<{ url: string; received: string[]; acknowledge: () => void }> {
  const received: string[] = []
  const waiting: (() => void)[] = []
  const { url } = await serverThat((socket) => {
    const parser = new PacketParser()
    socket.on('data', (bytes) => {
      for (const packet of parser.push(bytes)) {
        if (packet.type === 'connect') {
          const properties = { receiveMaximum: 1 }
          socket.write(encode({ type: 'connack', reasonCode: 0, properties }, { protocolVersion: 5 }))
        } else if (packet.type === 'publish') {
          received.push(packet.payload.toString())
          waiting.push(() => socket.write(Buffer.from([0x40, 2, 0, packet.packetId ?? 0])))
        }
      }
    })
  })
  return { url, received, acknowledge: () => waiting.shift()?.() }
}

/** The outcome of each publish, under its payload. */
function publisher(one: MqttClient, qos: 0 | 1): { outcomes: Map<string, string>; publish: Publish } {
  const outcomes = new Map<string, string>()
  const publish: Publish = (payload, signal) => {
    one.publish('a', payload, { qos, signal }, (error) => outcomes.set(payload, error?.message ?? 'taken'))
  }
  return { outcomes, publish }
}
type Publish = (payload: string, signal?: AbortSignal) => void

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('a message whose signal is aborted', () => {
  test('while it waits for the window of the server does not leave', async () => {
    const { url, received, acknowledge } = await slowServer()
    const one = await connected(url)
    const { outcomes, publish } = publisher(one, 1)
    const [early, late] = [new AbortController(), new AbortController()]
    publish('sent', late.signal)
    publish('second', early.signal)
    publish('third', early.signal)
    publish('fourth')
    await until(() => received.length === 1, 'the first message')
    expect(one.queuedCount).toBe(3)
    early.abort(new Error('changed my mind'))
    expect(one.queuedCount).toBe(1)
    expect([...outcomes]).toEqual([
      ['second', 'changed my mind'],
      ['third', 'changed my mind'],
    ])
    // This one has left: nobody waits for it, and it holds up nothing.
    late.abort(new Error('too late'))
    acknowledge()
    await until(() => received.length === 2, 'the next message')
    acknowledge()
    await until(() => outcomes.has('fourth'), 'its acknowledgement')
    expect(received).toEqual(['sent', 'fourth'])
    expect(outcomes.get('sent')).toBe('too late')
  })

  test.each([0, 1] as const)('while there is no connection does not leave, with QoS %i', async (qos) => {
    const { broker, url } = await startBroker()
    const messages: string[] = []
    broker.subscribe('a', ({ payload }) => void messages.push(payload.toString()))
    const one = client(url, { manualConnect: true })
    const { outcomes, publish } = publisher(one, qos)
    const controller = new AbortController()
    publish('one', controller.signal)
    publish('two')
    // As soon as it has been said, and when it stands in the queue.
    controller.abort(new Error('no'))
    const [later, last] = [new AbortController(), new AbortController()]
    publish('three', later.signal)
    publish('four')
    publish('five', last.signal)
    await turn()
    expect(one.queuedCount).toBe(4)
    later.abort(new Error('no'))
    last.abort(new Error('no'))
    expect(one.queuedCount).toBe(2)
    one.connect()
    await until(() => outcomes.size === 5, 'the outcome of each')
    await until(() => messages.length >= 2, 'what was not taken back')
    expect(messages).toEqual(['two', 'four'])
    expect([...outcomes].filter(([, outcome]) => outcome === 'no').map(([name]) => name)).toEqual([
      'one',
      'three',
      'five',
    ])
    expect(one.queuedCount).toBe(0)
  })

  test('makes room in a full queue, whichever half of it has the message', async () => {
    const { url, received, acknowledge } = await slowServer()
    const one = await connected(url, { queueFullPolicy: 'wait', maximumQueuedMessages: 2 })
    const { outcomes, publish } = publisher(one, 1)
    const controller = new AbortController()
    const names = ['sent', 'queued', 'queued too', 'outside', 'outside too', 'last']
    for (const name of names) {
      publish(name, name.endsWith('d') || name === 'sent' ? undefined : controller.signal)
    }
    await until(() => received.length === 1 && one.queuedCount === 5, 'the queue')
    controller.abort(new Error('no'))
    expect(one.queuedCount).toBe(1)
    publish('new')
    for (const count of [2, 3]) {
      acknowledge()
      await until(() => received.length === count, 'the next message')
    }
    acknowledge()
    await until(() => outcomes.size === names.length + 1, 'the outcome of each')
    expect(received).toEqual(['sent', 'queued', 'new'])
  })

  test('is not what an oldest message is dropped for', async () => {
    const { url } = await startBroker()
    const one = client(url, { manualConnect: true, queueFullPolicy: 'dropOldest', maximumQueuedMessages: 2 })
    const { outcomes, publish } = publisher(one, 0)
    const controller = new AbortController()
    publish('one', controller.signal)
    publish('two')
    await turn()
    controller.abort(new Error('no'))
    publish('three')
    publish('four')
    await turn()
    one.connect()
    await until(() => outcomes.size === 4, 'the outcome of each')
    expect(outcomes.get('two')).toMatch(/given up for a newer one/)
    expect([outcomes.get('three'), outcomes.get('four')]).toEqual(['taken', 'taken'])
  })

  test('no longer keeps a client from leaving, and needs no callback', async () => {
    const { url, received, acknowledge } = await slowServer()
    const one = await connected(url)
    const errors: unknown[] = []
    one.on('error', (error) => errors.push(error))
    const controller = new AbortController()
    one.publish('a', 'sent', { qos: 1 })
    one.publish('a', 'waits', { qos: 1, signal: controller.signal })
    await until(() => received.length === 1, 'the first message')
    const ended = next(one, 'end')
    one.end()
    controller.abort()
    expect(one.disconnected).toBe(false)
    acknowledge()
    await ended
    expect(received).toEqual(['sent'])
    const two = client(url, { manualConnect: true })
    two.publish('a', 'never', { qos: 1, signal: controller.signal })
    controller.abort()
    await turn()
    expect(two.queuedCount).toBe(0)
    expect(errors).toEqual([])
  })

  test('is one of a request that nobody waits for any more', async () => {
    const { broker, url } = await startBroker()
    const one = await connected(url, { reconnectPeriod: 0 })
    const asked: string[] = []
    broker.subscribe('ask', ({ payload, properties: { responseTopic = '', correlationData } }) => {
      asked.push(payload.toString())
      if (correlationData !== undefined) broker.publish(responseTopic, 'yes', { correlationData })
    })
    // The subscription for answers is there; then the connection is lost.
    expect((await one.request('ask', 'first')).text()).toBe('yes')
    const gone = next(one, 'close')
    broker.disconnect(one.clientId)
    await gone
    const controller = new AbortController()
    const second = one.request('ask', 'second', { signal: controller.signal })
    await until(() => one.queuedCount === 1, 'the request in the queue')
    controller.abort(new Error('no'))
    await expect(second).rejects.toThrow('no')
    expect(one.queuedCount).toBe(0)
    expect(asked).toEqual(['first'])
  })
})
