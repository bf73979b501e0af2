// A unit test with a broker of its own: no port, no network, nothing that another test could disturb.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import mqtt from 'mqtt'
import { Broker } from 'topicwire'

/** What is tested: it switches the heating on when it is too cold. */
async function startThermostat(client) {
  client.on('message', (_topicName, payload) => {
    client.publish('heating', Number(payload) < 18 ? 'on' : 'off')
  })
  await client.subscribeAsync('temperature')
}

test('the heating goes on below 18 °C', async () => {
  const broker = await Broker.start() // without a port it listens nowhere
  try {
    // broker.connect() is the client's end of a connection that stays in memory
    const client = new mqtt.MqttClient(() => broker.connect(), { protocolVersion: 5 })
    await once(client, 'connect')
    await startThermostat(client)

    const heating = new Promise((resolve) => {
      broker.subscribe('heating', (message) => resolve(message.payload.toString()))
    })
    await broker.publish('temperature', '17.5')
    assert.equal(await heating, 'on')

    await client.endAsync()
  } finally {
    await broker.close()
  }
})
