// A broker inside a Node.js service: five lines, and every message of it at hand.
import { Broker } from 'topicwire'

const broker = await Broker.start({ port: 1883 })
console.log(`listening on ${broker.addresses[0].url}`)
for await (const message of broker.messages('#')) {
  console.log(message.topicName, message.payload.toString())
}
