/** Our broker with a hook in JavaScript that is asked about every message: `node bench/hooked.mjs <port>`. */
import { Broker } from '../dist/index.js'

await Broker.start({
  port: Number(process.argv[2]),
  host: '127.0.0.1',
  authorizePublish: ({ topicName }) => topicName !== 'load/forbidden',
})
