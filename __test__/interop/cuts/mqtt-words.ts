/** Clients that share the words of MQTT.js, with their own reconnecting and their own queues. */
import type { ProtocolVersion } from '../peers/paho.js'
import { AT_A_TIME, type CutPair, type Handed, qosOf } from './pair.js'

/** What a run needs of them. */
export interface WordsClient {
  on(event: 'error', listener: (error: Error) => void): unknown
  on(
    event: 'message',
    listener: (topic: string, payload: Buffer, packet: { qos: 0 | 1 | 2 }) => void,
  ): unknown
  publish(
    topic: string,
    payload: string,
    options: { qos: 1 | 2 },
    callback: (error?: Error | null) => void,
  ): unknown
  subscribeAsync(topic: string, options: { qos: 2 }): Promise<unknown>
  endAsync(force: boolean): Promise<void>
}

/** The options that all of them understand. */
export interface WordsOptions {
  readonly protocolVersion: ProtocolVersion
  readonly clientId: string
  readonly clean: boolean
  readonly reconnectPeriod: number
  readonly connectTimeout: number
  readonly properties?: { readonly sessionExpiryInterval: number }
}

export function wordsPair(
  name: string,
  protocolVersion: ProtocolVersion,
  connect: (url: string, options: WordsOptions) => WordsClient,
): CutPair {
  const open = (port: number, clientId: string): WordsClient => {
    const client = connect(`mqtt://127.0.0.1:${port}`, {
      protocolVersion,
      clientId,
      clean: false,
      reconnectPeriod: 5,
      connectTimeout: 1_000,
      ...(protocolVersion === 5 && { properties: { sessionExpiryInterval: 3_600 } }),
    })
    // A cut is no surprise here.
    client.on('error', () => {})
    return client
  }
  return {
    name: `${name} (${protocolVersion === 5 ? '5.0' : '3.1.1'})`,
    protocolVersion,
    program: undefined,
    needsConnack: false,
    needsSuback: false,
    async subscriber(port, clientId, topicName) {
      const client = open(port, clientId)
      const handed: Handed[] = []
      client.on('message', (_, payload, { qos }) => {
        handed.push({ number: Number(payload), qos: qos as 1 | 2 })
      })
      await subscribe(client, topicName)
      return { handed, close: () => client.endAsync(true) }
    },
    async publisher(port, clientId, topicName) {
      const client = open(port, clientId)
      let [limit, next, underWay] = [0, 0, 0]
      let settle = () => {}
      const fill = () => {
        while (next < limit && underWay < AT_A_TIME) {
          underWay += 1
          next += 1
          publish(next - 1)
        }
      }
      const publish = (number: number) => {
        client.publish(topicName, `${number}`, { qos: qosOf(number) }, (error) => {
          // Cut off while MQTT.js sends what it has stored, it refuses what it has not stored yet: never sent.
          if (error) {
            setImmediate(publish, number)
            return
          }
          underWay -= 1
          setImmediate(fill)
          settle()
        })
      }
      return {
        publishUpTo(number) {
          limit = number
          fill()
        },
        finished: (count) =>
          new Promise((resolve) => {
            settle = () => {
              if (next >= count && underWay === 0) resolve()
            }
            settle()
          }),
        close: () => client.endAsync(true),
      }
    },
  }
}

/** A SUBSCRIBE is forgotten with its connection: again, until one is answered. */
async function subscribe(client: WordsClient, topicName: string): Promise<void> {
  for (;;) {
    try {
      await client.subscribeAsync(topicName, { qos: 2 })
      return
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
}
