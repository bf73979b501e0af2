// Who may connect, who may publish and subscribe where, and what happens to messages on their way.
import { Broker } from 'topicwire'

const passwords = new Map([
  ['ada', 'lovelace'],
  ['sensor', 'celsius'],
])

const broker = await Broker.start({
  port: 1883,

  // Asked once for each CONNECT. A hook may answer at once or with a promise; one that throws has said no.
  authenticate: ({ username, password }) =>
    username !== undefined && passwords.get(username) === password?.toString(),

  // The others can be registered for a topic filter: only what matches it comes to JavaScript.
  authorizePublish: {
    filter: 'sensors/#',
    handler: ({ client }) => client.username === 'sensor',
  },
  authorizeSubscribe: {
    filter: 'private/#',
    handler: ({ client }) => client.username === 'ada' || { reasonCode: 0x87, reason: 'private/ is for Ada' },
  },

  // Sees each allowed message and may change or drop it.
  onPublish: {
    filter: 'sensors/+/fahrenheit',
    handler: ({ topicName, payload }) => ({
      topicName: topicName.replace('fahrenheit', 'celsius'),
      payload: (((Number(payload) - 32) * 5) / 9).toFixed(1),
    }),
  },
})

broker.on('connect', ({ clientId }) => console.log(`${clientId} is here`))
console.log(`listening on ${broker.addresses[0].url}`)
