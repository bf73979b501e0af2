/** Brokers that cut connections lead to, and how to see what they take. */
import { once } from 'node:events'
import { type AddressInfo, connect as connectSocket, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { connectAsync, PacketParser } from '../../../src/index.js'
import type { BrokerUnderTest } from '../broker-under-test.js'
import type { ProtocolVersion } from '../peers/paho.js'
import { Releases } from './releases.js'
import type { CutBroker } from './run.js'

export function ofOurs({ port, broker }: BrokerUnderTest): CutBroker {
  return {
    port,
    async watch(topicName, listener) {
      const subscription = broker.subscribe(topicName, ({ payload }) => listener(payload))
      return async () => subscription.unsubscribe()
    },
  }
}

/**
 * Mosquitto is watched by a client whose connection nobody cuts. What it sends passes a tap: 2.0.11 goes back from PUBREL
 * to PUBLISH where a connection is lost twice before PUBCOMP.
 */
export async function ofMosquitto(port: number, protocolVersion: ProtocolVersion): Promise<CutBroker> {
  const releases = new Releases()
  const tap = createServer({ noDelay: true }, (client) => {
    const server = connectSocket({ port, host: '127.0.0.1', noDelay: true })
    const parser = new PacketParser({ protocolVersion })
    server.on('data', (bytes: Buffer) => {
      for (const packet of parser.push(bytes)) releases.see(packet)
    })
    join(client, server)
    join(server, client)
  })
  tap.listen(0, '127.0.0.1')
  await once(tap, 'listening')
  onTestFinished(() => void tap.close())
  return {
    port: (tap.address() as AddressInfo).port,
    hasSentAfterRelease: (number) => releases.published.has(number),
    async watch(topicName, listener) {
      const client = await connectAsync(`mqtt://127.0.0.1:${port}`)
      client.on('message', (_, payload) => listener(payload))
      await client.subscribeAsync(topicName, { qos: 2 })
      return () => client.endAsync()
    },
  }
}

function join(from: Socket, to: Socket): void {
  from.pipe(to)
  from.on('error', () => to.destroy())
  from.on('close', () => to.destroy())
}
