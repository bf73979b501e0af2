/**
 * Connections that are cut again and again, at any byte: what the clients of others do about it by themselves, and the
 * broker in between, neither lose a message of QoS 1 or 2 nor hand one of QoS 2 over twice.
 *
 * TOPICWIRE_CUTS sets the number of cuts on each side, TOPICWIRE_SEED the choices; with either, each run tells its
 * figures. docs/conformance-suites.md has those of a thousand cuts, and what the clients do wrong by themselves.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startMosquitto } from '../support/mosquitto.js'
import { requirePeer } from '../support/peers.js'
import { type BrokerUnderTest, startBroker } from './broker-under-test.js'
import { ofMosquitto, ofOurs } from './cuts/brokers.js'
import { mqttJsPair } from './cuts/mqtt-js.js'
import { pahoPair } from './cuts/paho.js'
import { type CutRun, runThroughCuts } from './cuts/run.js'
import { topicwirePair } from './cuts/topicwire.js'

const CUTS = Number(process.env.TOPICWIRE_CUTS ?? 50)
const TELLS = process.env.TOPICWIRE_CUTS !== undefined || process.env.TOPICWIRE_SEED !== undefined
const SEED = Number(process.env.TOPICWIRE_SEED ?? Date.now() % 1_000_000)

let broker: BrokerUnderTest

beforeAll(async () => {
  broker = await startBroker({ limits: { maximumQueuedMessages: 1_000_000 } })
})

afterAll(() => broker.close())

const pairs = [mqttJsPair(4), mqttJsPair(5), pahoPair(2, 4), pahoPair(2, 5), pahoPair(1, 4), pahoPair(1, 5)]

/** Pieces wait this long at most where a run delays and splits. */
const MOST_DELAY_MS = 3

/** Mosquitto does not send in the order of publication when a client comes back; ours does. */
const IN_ORDER = { inOrder: true }

async function expectNothingLost(run: Omit<CutRun, 'cuts' | 'seed'>, order = {}): Promise<void> {
  const report = await runThroughCuts({ ...run, cuts: CUTS, seed: SEED })
  if (TELLS) console.log(run.pair.name, JSON.stringify(report))
  expect(report, `TOPICWIRE_SEED=${SEED}`).toMatchObject({
    acknowledged: true,
    lost: [],
    doubled: [],
    ...order,
  })
}

describe('through cuts at both ends', { timeout: 60_000 + CUTS * 1_000 }, () => {
  test.for(pairs)('$name loses and doubles nothing, and keeps its order', async (pair, context) => {
    if (pair.program !== undefined) requirePeer(pair.program, context)
    await expectNothingLost({ pair, broker: ofOurs(broker) }, IN_ORDER)
  })

  const ours = [topicwirePair(4), topicwirePair(5)]

  test.for(ours)('$name loses and doubles nothing, late and in pieces, and keeps its order', async (pair) => {
    await expectNothingLost({ pair, broker: ofOurs(broker), mostDelayMs: MOST_DELAY_MS }, IN_ORDER)
  })

  test.for(ours)(
    '$name loses and doubles nothing at Mosquitto, late and in pieces',
    async (pair, context) => {
      const lines = ['max_queued_messages 0', 'max_inflight_messages 20']
      const port = await startMosquitto(context, { lines })
      const mosquitto = await ofMosquitto(port, pair.protocolVersion)
      await expectNothingLost({ pair, broker: mosquitto, mostDelayMs: MOST_DELAY_MS })
    },
  )
})
