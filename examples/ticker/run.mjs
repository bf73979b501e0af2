// Prices, many times a second, for everybody who watches, slow ones too: node examples/ticker/run.mjs [port]
import { Broker, connectAsync } from 'topicwire'
import { onEnd, serve } from '../web/serve.mjs'
import { Market } from './market.mjs'

const PERIOD_MS = 20

const broker = await Broker.start({
  port: 0,
  // Who is behind by more than this gets no old prices: new ones are better.
  limits: { maximumOutBufferBytes: 65_536 },
})
const pages = await serve(new URL('./', import.meta.url), broker, Number(process.argv[2] ?? 0))

// How much each client has missed, for itself to read: on a topic that bears its name.
const missed = new Map()
broker.on('drop', ({ clientId, count }) => {
  missed.set(clientId, (missed.get(clientId) ?? 0) + count)
  broker.publish(`ticker/dropped/${clientId}`, String(missed.get(clientId)))
})
broker.on('disconnect', ({ clientId }) => missed.delete(clientId))

const publisher = await connectAsync(`mqtt://127.0.0.1:${broker.addresses[0].port}`, { clientId: 'market' })
const market = new Market()
const clock = setInterval(() => {
  for (const quote of market.step()) publisher.publish(`ticker/prices/${quote.symbol}`, JSON.stringify(quote))
}, PERIOD_MS)

console.log(`open ${pages.url}`)
onEnd(
  () => clearInterval(clock),
  () => publisher.endAsync(),
  () => pages.close(),
  () => broker.close(),
)
