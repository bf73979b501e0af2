/** Looks at the retained messages, as a client that nobody knows and that leaves nothing behind. */
import { readPayload } from './payload.mjs'
import { Wire } from './wire.mjs'

const FILTER = 'retained/#'
/** Nothing retained comes after so much silence, once all that must come has come. */
const QUIET_MS = 25
const PATIENCE_MS = 3_000

/** Resolves when it has seen them all and judged them, or when its connection is lost. */
export function checkRetained({ port, version, ledger }) {
  return new Promise((resolve) => {
    const seen = new Map()
    let [from, due, timer, patience] = [0, [], undefined, undefined]
    const wire = new Wire({
      port,
      version,
      onPacket: (packet) => handlers[packet.cmd]?.(packet),
      onError: (error) => ledger.fault('protocol', error.message, { session: 'checker' }),
      onClose: () => {
        clearTimeout(timer)
        clearTimeout(patience)
        resolve()
      },
    })
    /** What is not there is only known once all has come. */
    const finish = () => {
      for (const topic of ledger.retained.topics) {
        if (!seen.has(topic)) ledger.retained.observed(topic, undefined, from)
      }
      wire.cut()
    }
    const waitForMore = () => {
      clearTimeout(timer)
      if (due.every((topic) => seen.has(topic))) timer = setTimeout(finish, QUIET_MS)
    }
    const handlers = {
      connack: () => {
        from = ledger.tick()
        due = ledger.retained.topics.filter((topic) => ledger.retained.isDue(topic))
        wire.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: FILTER, qos: 1, rh: 0 }] })
      },
      suback: () => {
        patience = setTimeout(finish, PATIENCE_MS)
        waitForMore()
      },
      publish: ({ topic, payload, qos, messageId, retain }) => {
        if (qos === 1) wire.send({ cmd: 'puback', messageId, reasonCode: 0 })
        if (!retain) return
        const { id, isIntact } = readPayload(payload)
        if (!isIntact) ledger.fault('damaged', `${topic} brought ${id}`, { session: 'checker' })
        // Two copies: the later one counts.
        seen.set(topic, id)
        ledger.retained.observed(topic, id, from)
        waitForMore()
      },
    }
    const clientId = `checker-${process.hrtime.bigint()}`
    const protocol = { protocolId: 'MQTT', protocolVersion: version }
    wire.send({ cmd: 'connect', ...protocol, clientId, clean: true, keepalive: 0 })
  })
}
