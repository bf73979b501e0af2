// A chat without a library: node examples/chat/run.mjs [port]
import { Broker } from 'topicwire'
import { onEnd, serve } from '../web/serve.mjs'

const broker = await Broker.start({
  port: 0,
  limits: { maximumPacketSizeBytes: 8_192, maximumRetainedMessages: 10_000 },
  // A frame cannot say `retain`. The broker says it for all of them: who comes finds the last word of a room.
  onPublish: { filter: 'chat/rooms/+', handler: () => ({ retain: true }) },
})
const pages = await serve(new URL('./', import.meta.url), broker, Number(process.argv[2] ?? 0))

console.log(`open ${pages.url}`)
onEnd(
  () => pages.close(),
  () => broker.close(),
)
