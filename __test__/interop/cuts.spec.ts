/**
 * Connections that are cut again and again, at any byte: what the clients of others do about it by themselves, and the
 * broker in between, neither lose a message of QoS 1 or 2 nor hand one of QoS 2 over twice.
 *
 * TOPICWIRE_CUTS sets the number of cuts on each side, TOPICWIRE_SEED the choices; with either, each run tells its
 * figures. docs/conformance-suites.md has those of a thousand cuts, and what the clients do wrong by themselves.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { requirePeer } from '../support/peers.js'
import { type BrokerUnderTest, startBroker } from './broker-under-test.js'
import { mqttJsPair } from './cuts/mqtt-js.js'
import { pahoPair } from './cuts/paho.js'
import { runThroughCuts } from './cuts/run.js'

const CUTS = Number(process.env.TOPICWIRE_CUTS ?? 50)
const TELLS = process.env.TOPICWIRE_CUTS !== undefined || process.env.TOPICWIRE_SEED !== undefined
const SEED = Number(process.env.TOPICWIRE_SEED ?? Date.now() % 1_000_000)

let broker: BrokerUnderTest

beforeAll(async () => {
  broker = await startBroker({ limits: { maximumQueuedMessages: 1_000_000 } })
})

afterAll(() => broker.close())

const pairs = [mqttJsPair(4), mqttJsPair(5), pahoPair(2, 4), pahoPair(2, 5), pahoPair(1, 4), pahoPair(1, 5)]

describe('through cuts at both ends', () => {
  test.for(pairs)(
    '$name loses and doubles nothing, and keeps its order',
    { timeout: 60_000 + CUTS * 1_000 },
    async (pair, context) => {
      if (pair.program !== undefined) requirePeer(pair.program, context)
      const report = await runThroughCuts({ pair, broker, cuts: CUTS, seed: SEED })
      if (TELLS) console.log(pair.name, JSON.stringify(report))
      expect(report, `TOPICWIRE_SEED=${SEED}`).toMatchObject({
        acknowledged: true,
        lost: [],
        doubled: [],
        inOrder: true,
      })
    },
  )
})
