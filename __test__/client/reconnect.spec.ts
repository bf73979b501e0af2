/** What survives a connection: subscriptions, messages that were under way, and those that waited. */
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { encode, type MqttError, PacketParser } from '../../src/index.js'
import { CuttingProxy } from '../support/cutting-proxy.js'
import { until } from '../support/until.js'
import { cleanUp, client, collect, connected, serverThat, startBroker } from './support.js'

describe('subscriptions', () => {
  test('are made again in a session that has lost them, with their options', async () => {
    const { broker, url } = await startBroker()
    const one = await connected(url, { clientId: 'again' })
    const messages = collect(one)
    await one.subscribeAsync({ 'r/1': { qos: 1 }, 'r/2': { qos: 2, rap: true } })
    await one.unsubscribeAsync('r/1')
    const back = once(one, 'connect')
    broker.disconnect('again')
    await back
    await one.subscribeAsync('r/3')
    await broker.publish('r/1', 'no')
    await broker.publish('r/2', 'yes')
    await until(() => messages.length > 0, 'a message')
    expect(messages).toEqual(['r/2 yes'])
  })

  test('are not made again where the session was kept, and with `resubscribe: false`', async () => {
    const subscribes: number[] = []
    let sessionPresent = false
    const { url } = await serverThat((socket, count) => {
      const parser = new PacketParser()
      socket.on('data', (bytes) => {
        for (const packet of parser.push(bytes)) {
          if (packet.type === 'connect') {
            socket.write(encode({ type: 'connack', sessionPresent, reasonCode: 0 }, { protocolVersion: 5 }))
            sessionPresent = true
          }
          if (packet.type === 'subscribe') {
            subscribes.push(count)
            const { packetId } = packet
            socket.write(encode({ type: 'suback', packetId, reasonCodes: [0] }, { protocolVersion: 5 }))
            if (count === 0) setTimeout(() => socket.destroy(), 5)
          }
        }
      })
    })
    const one = await connected(url, { clean: false, clientId: 'kept' })
    await one.subscribeAsync('a')
    await once(one, 'connect')
    await one.subscribeAsync('b')
    expect(subscribes).toEqual([0, 1])
  })

  test('that were asked for without a connection, or lost theirs before the answer, are made on the next', async () => {
    let connections = 0
    const { url } = await serverThat((socket, count) => {
      connections += 1
      const parser = new PacketParser()
      socket.on('data', (bytes) => {
        for (const packet of parser.push(bytes)) {
          if (packet.type === 'connect') socket.write(Buffer.from([0x20, 3, 0, 0, 0]))
          if (packet.type !== 'subscribe') continue
          if (count === 0) socket.destroy()
          else {
            const { packetId } = packet
            socket.write(encode({ type: 'suback', packetId, reasonCodes: [1] }, { protocolVersion: 5 }))
          }
        }
      })
    })
    const one = client(url)
    expect(await one.subscribeAsync('early', { qos: 1 })).toEqual([{ topic: 'early', qos: 1 }])
    expect(connections).toBe(2)
  })
})

describe('messages', () => {
  // [MQTT-4.4.0-1, 4.3.2-3]
  test.each([
    ['a session that is kept', { clean: false, clientId: 'cut' }],
    ['a session that is lost', {}],
  ])('no QoS 1 message is lost to cuts, in %s', async (_what, options) => {
    const { broker, url } = await startBroker()
    const proxy = await CuttingProxy.listen(Number(new URL(url).port), {
      cuts: 30,
      seed: 7,
      mostBytes: 3_000,
    })
    cleanUp(() => proxy.close())
    const got = new Set<string>()
    broker.subscribe('cut', (message) => {
      got.add(message.text())
    })
    const one = client(`mqtt://127.0.0.1:${proxy.port}`, {
      ...options,
      reconnectPeriod: 2,
      reconnectPeriodMax: 5,
    })
    const sent: Promise<unknown>[] = []
    for (let index = 0; proxy.cuts < 30 || index < 300; index += 1) {
      sent.push(one.publishAsync('cut', `${index}`, { qos: 1 }))
      if (index % 10 === 9) await new Promise((resolve) => setTimeout(resolve, 2))
      if (index > 20_000) break
    }
    await Promise.all(sent)
    expect(proxy.cuts).toBe(30)
    expect(got.size).toBe(sent.length)
  })

  test('QoS 0 waits for a connection, and does not with `queueQoSZero: false`', async () => {
    const { broker, url } = await startBroker()
    const got: string[] = []
    broker.subscribe('z', (message) => {
      got.push(message.text())
    })
    const one = client(url, { manualConnect: true })
    const waiting = [1, 2, 3].map((number) => one.publishAsync('z', `${number}`))
    const other = client(url, { manualConnect: true, queueQoSZero: false })
    await expect(other.publishAsync('z', 'lost')).rejects.toMatchObject({ code: 'ERR_MQTT_NOT_CONNECTED' })
    expect(one.queuedCount).toBe(3)
    one.connect()
    await Promise.all(waiting)
    await until(() => got.length === 3, 'three messages')
    expect(got).toEqual(['1', '2', '3'])
  })

  test('the queue has an end, and each policy its own way there', async () => {
    const { broker, url } = await startBroker()
    const got: string[] = []
    broker.subscribe('full', (message) => {
      got.push(message.text())
    })
    for (const qos of [0, 1] as const) {
      for (const queueFullPolicy of ['reject', 'dropOldest', 'wait'] as const) {
        got.length = 0
        const one = client(url, { manualConnect: true, maximumQueuedMessages: 2, queueFullPolicy })
        const outcomes = [1, 2, 3].map((number) =>
          one.publishAsync('full', `${number}`, { qos }).then(
            () => 'sent',
            (error: MqttError) => error.code,
          ),
        )
        await new Promise(setImmediate)
        one.connect()
        const expected = {
          reject: ['sent', 'sent', 'ERR_MQTT_QUEUE_FULL'],
          dropOldest: ['ERR_MQTT_QUEUE_FULL', 'sent', 'sent'],
          wait: ['sent', 'sent', 'sent'],
        }[queueFullPolicy]
        expect(await Promise.all(outcomes), `${queueFullPolicy} at QoS ${qos}`).toEqual(expected)
        const count = expected.filter((outcome) => outcome === 'sent').length
        await until(() => got.length === count, 'what was sent')
        await one.endAsync()
      }
    }
  })

  // [MQTT-3.3.4-7, 4.9.0-2]
  test('the server’s Receive Maximum is kept', async () => {
    let open = 0
    let most = 0
    const { url } = await serverThat((socket) => {
      const parser = new PacketParser()
      socket.on('data', (bytes) => {
        for (const packet of parser.push(bytes)) {
          if (packet.type === 'connect') {
            const properties = { receiveMaximum: 3 }
            socket.write(encode({ type: 'connack', reasonCode: 0, properties }, { protocolVersion: 5 }))
          }
          if (packet.type !== 'publish' || packet.packetId === undefined) continue
          open += 1
          most = Math.max(most, open)
          const puback = encode({ type: 'puback', packetId: packet.packetId }, { protocolVersion: 5 })
          setTimeout(() => {
            open -= 1
            socket.write(puback)
          }, 1)
        }
      })
    })
    const one = await connected(url)
    await Promise.all(Array.from({ length: 50 }, () => one.publishAsync('w', 'x', { qos: 1 })))
    expect(most).toBe(3)
  })
})

describe('acknowledgements', () => {
  // [MQTT-4.3.2-4]
  test('are the application’s with `manualAcknowledge`: what is not acknowledged comes again', async () => {
    const { broker, url } = await startBroker()
    const one = client(url, { clean: false, clientId: 'manual', manualAcknowledge: true })
    await once(one, 'connect')
    await one.subscribeAsync('ack', { qos: 1 })
    const seen: [string, boolean][] = []
    one.on('message', (_topic, payload, packet) => {
      seen.push([`${payload}`, packet.dup])
      if (`${payload}` === 'second' && !packet.dup) return
      expect(packet.acknowledge()).toBe(true)
      expect(packet.acknowledge()).toBe(false)
    })
    await broker.publish('ack', 'first', { qos: 1 })
    await broker.publish('ack', 'second', { qos: 1 })
    await until(() => seen.length === 2, 'two messages')
    broker.disconnect('manual')
    await until(() => seen.find(([payload, dup]) => payload === 'second' && dup), 'the second one again')
    expect(seen[0]).toEqual(['first', false])
  })

  test('wait for handleMessage, which also slows the server down', async () => {
    const { broker, url } = await startBroker()
    const one = client(url, { properties: { receiveMaximum: 1 } })
    const waiting: (() => void)[] = []
    one.handleMessage = (_packet, done) => {
      waiting.push(done)
    }
    await once(one, 'connect')
    const messages = collect(one)
    await one.subscribeAsync('slow', { qos: 1 })
    for (const text of ['1', '2', '3']) await broker.publish('slow', text, { qos: 1 })
    for (let count = 1; count <= 3; count += 1) {
      await until(() => messages.length === count, `message ${count}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
      expect(messages).toHaveLength(count)
      waiting.shift()?.()
    }
  })

  // [MQTT-3.4.2-1, 4.6.0-2]
  test('customHandleAcks decides the Reason Code', async () => {
    const codes: number[] = []
    const { url } = await serverThat((socket) => {
      const parser = new PacketParser()
      socket.on('data', (bytes) => {
        for (const packet of parser.push(bytes)) {
          if (packet.type === 'connect') {
            socket.write(Buffer.from([0x20, 3, 0, 0, 0]))
            for (const [index, payload] of ['good', 'bad'].entries()) {
              const message = {
                type: 'publish',
                topicName: 't',
                payload,
                qos: 1,
                packetId: index + 1,
              } as const
              socket.write(encode(message, { protocolVersion: 5 }))
            }
          }
          if (packet.type === 'puback') codes.push(packet.reasonCode)
        }
      })
    })
    const one = client(url, {
      protocolVersion: 5,
      customHandleAcks: (_topic, payload, _packet, done) => done(null, `${payload}` === 'bad' ? 0x83 : 0),
    })
    const messages = collect(one)
    await until(() => codes.length === 2, 'two answers')
    expect(codes).toEqual([0, 0x83])
    expect(messages).toEqual(['t good'])
  })
})

test('a server that is gone is tried for, and the client says so', async () => {
  const { broker, url } = await startBroker()
  const one = client(url, { clientId: 'back' })
  const said: string[] = []
  for (const name of ['connect', 'reconnect', 'close', 'offline', 'disconnect'] as const) {
    one.on(name, () => said.push(name))
  }
  await once(one, 'connect')
  broker.disconnect('back')
  await once(one, 'connect')
  expect(said).toEqual(['connect', 'disconnect', 'close', 'offline', 'reconnect', 'connect'])
})
