/** Brokers that cut connections lead to, and how to see what they take. */
import { connectAsync } from '../../../src/index.js'
import type { BrokerUnderTest } from '../broker-under-test.js'
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

/** Mosquitto is watched by a client whose connection nobody cuts. */
export function ofMosquitto(port: number): CutBroker {
  return {
    port,
    async watch(topicName, listener) {
      const client = await connectAsync(`mqtt://127.0.0.1:${port}`)
      client.on('message', (_, payload) => listener(payload))
      await client.subscribeAsync(topicName, { qos: 2 })
      return () => client.endAsync()
    },
  }
}
