// A house of thermostats on a bad network, and a page to look after them: node examples/thermostats/run.mjs [port]
import { Broker } from 'topicwire'
import { onEnd, serve } from '../web/serve.mjs'
import { Thermostat } from './thermostat.mjs'

const ROOMS = ['kitchen', 'bathroom', 'bedroom', 'study', 'attic', 'hall', 'workshop', 'cellar']

const broker = await Broker.start({ port: 0 })
const pages = await serve(new URL('./', import.meta.url), broker, Number(process.argv[2] ?? 0))
const { port } = broker.addresses[0]
const thermostats = ROOMS.map((room, index) => new Thermostat(room, port, 18 + (index % 4)))

// Now and then one of them is out of reach for a while.
const weather = setInterval(() => {
  const thermostat = thermostats[Math.floor(Math.random() * thermostats.length)]
  thermostat.loseNetwork(3_000 + Math.random() * 5_000)
}, 4_000)

console.log(`open ${pages.url}`)
onEnd(
  () => clearInterval(weather),
  () => Promise.all(thermostats.map((thermostat) => thermostat.end())),
  () => pages.close(),
  () => broker.close(),
)
