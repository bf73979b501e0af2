/** Brokers that cut connections lead to, and how to see what they take. */
import { once } from 'node:events'
import { type AddressInfo, connect as connectSocket, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { connectAsync, type Packet, PacketParser } from '../../../src/index.js'
import type { BrokerUnderTest } from '../broker-under-test.js'
import type { ProtocolVersion } from '../peers/paho.js'
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

/** QoS 2 messages that were published again after they had been released. Identifiers are those of one subscriber. */
class Releases {
  readonly published = new Set<number>()
  /** By identifier, the message that was sent last with it, and whether it has been released. */
  readonly #last = new Map<number, { readonly number: number; isReleased: boolean }>()

  see(packet: Packet): void {
    if (packet.type === 'pubrel') {
      const last = this.#last.get(packet.packetId)
      if (last !== undefined) last.isReleased = true
      return
    }
    if (packet.type !== 'publish' || packet.qos !== 2 || packet.packetId === undefined) return
    const number = Number(packet.payload)
    const last = this.#last.get(packet.packetId)
    if (last?.number === number && last.isReleased) this.published.add(number)
    else this.#last.set(packet.packetId, { number, isReleased: false })
  }
}
