/** The bytes that `topicwire compare` counts: what the specifications say, and what a packet capture sees. */
import { spawn } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, type TestContext } from 'vitest'
import { startBareServer } from '../../../src/cli/compare/bare-server.js'
import { makeCertificate } from '../../../src/cli/compare/certificate.js'
import { measureBytes } from '../../../src/cli/compare/measures/bytes.js'
import type { Site } from '../../../src/cli/compare/measures/site.js'
import { numbered, openPeer } from '../../../src/cli/compare/peer.js'
import { QUICK } from '../../../src/cli/compare/plan.js'
import { CountingRelay } from '../../../src/cli/compare/relay.js'
import { Collector, type Row } from '../../../src/cli/compare/results.js'
import { type Place, WAYS, type Way } from '../../../src/cli/compare/ways.js'
import { Broker } from '../../../src/index.js'
import { requirePeer } from '../../support/peers.js'
import { until } from '../../support/until.js'

const TOPIC_BYTES = 16
const LIMIT = { timeout: 60_000 }
/** What TLS 1.3 puts around a record: its header, the type of its content, the tag. */
const TLS_RECORD = 5 + 1 + 16

const certificate = makeCertificate()
let broker: Broker
let bare: { plain: number; tls: number }

beforeAll(async () => {
  broker = await Broker.start({ host: '127.0.0.1', port: 0, tls: certificate, sysIntervalSecs: 0 })
  bare = await startBareServer(certificate)
})
afterAll(() => broker.close())

function wayOf(id: string): { way: Way; place: Place } {
  const way = WAYS.find((one) => one.id === id)
  if (way === undefined) throw new Error(`there is no way ${id}`)
  const ofBroker = broker.addresses[0]?.port ?? 0
  const port = way.protocol === 'bare' ? (way.tls ? bare.tls : bare.plain) : ofBroker
  return {
    way,
    place: { host: '127.0.0.1', port, tls: way.tls, path: way.protocol === 'live' ? '/live' : '/mqtt' },
  }
}

async function rowsOf(id: string, payloadBytes: number): Promise<Row[]> {
  const collector = new Collector()
  const { way, place } = wayOf(id)
  const plan = {
    ...QUICK,
    bytes: { messages: 3, shapes: [{ topicBytes: TOPIC_BYTES, payloadBytes }] },
  }
  const site: Site = {
    plan,
    round: 0,
    certificate,
    collector,
    server: () => undefined,
  }
  await measureBytes(site, { way, place })
  return collector.rows()
}

/** Of each QoS: from and to the publisher, from and to the subscriber. */
async function messageBytes(id: string, payloadBytes: number): Promise<(number | undefined)[][]> {
  const rows = await rowsOf(id, payloadBytes)
  return rows
    .filter(({ measure }) => measure === 'message')
    .map(({ figures }) =>
      ['publisherUp', 'publisherDown', 'subscriberUp', 'subscriberDown'].map((name) => {
        const { median, min, max } = figures[name] ?? { median: undefined, min: 0, max: 0 }
        expect([min, max]).toEqual([median, median])
        return median
      }),
    )
}

describe('bytes per message', () => {
  // Fixed header, Remaining Length (two bytes from 128 on), topic with its length, packet id, properties, payload.
  const publish = (payload: number, qos: number) => {
    const remaining = 2 + TOPIC_BYTES + (qos > 0 ? 2 : 0) + 1 + payload
    return 1 + (remaining > 127 ? 2 : 1) + remaining
  }
  // RFC 6455: a client masks its frames with four bytes more; from 126 bytes on the length takes two more.
  const frame = (bytes: number, isMasked: boolean) => 2 + (bytes > 125 ? 2 : 0) + (isMasked ? 4 : 0) + bytes

  it.each([16, 128])('are those of MQTT 5.0 over TCP, payload %i', LIMIT, async (payload) => {
    expect(await messageBytes('mqtt', payload)).toEqual([
      [publish(payload, 0), 0, 0, publish(payload, 0)],
      // PUBACK
      [publish(payload, 1), 4, 4, publish(payload, 1)],
      // PUBREC, PUBREL, PUBCOMP
      [publish(payload, 2) + 4, 8, 8, publish(payload, 2) + 4],
    ])
  })

  it.each([16, 128])('are those of MQTT in frames, payload %i', LIMIT, async (payload) => {
    const [qos0, qos1] = await messageBytes('mqtt-ws', payload)
    expect(qos0).toEqual([frame(publish(payload, 0), true), 0, 0, frame(publish(payload, 0), false)])
    expect(qos1).toEqual([
      frame(publish(payload, 1), true),
      frame(4, false),
      frame(4, true),
      frame(publish(payload, 1), false),
    ])
  })

  it(
    'are a frame and its payload without a protocol; a topic URL sends the publisher its own',
    LIMIT,
    async () => {
      const [up, down] = [frame(128, true), frame(128, false)]
      expect(await messageBytes('bare', 128)).toEqual([[up, 0, 0, down]])
      expect(await messageBytes('topic', 128)).toEqual([[up, down, 0, down]])
    },
  )

  it('are the JSON of /live', LIMIT, async () => {
    const [qos0, qos1] = await messageBytes('live', 128)
    const json = (value: object) => Buffer.byteLength(JSON.stringify(value))
    const [topic, payload] = ['x'.repeat(TOPIC_BYTES), 'x'.repeat(128)]
    const message = frame(json({ type: 'message', topic, payload }), false)
    expect(qos0).toEqual([frame(json({ type: 'publish', topic, payload }), true), 0, 0, message])
    const command = { type: 'publish', id: 1, topic, payload, qos: 1 }
    expect(qos1).toEqual([
      frame(json(command), true),
      frame(json({ type: 'ok', id: 1 }), false),
      frame(json({ type: 'ack', ack: 1 }), true),
      frame(json({ type: 'message', topic, payload, qos: 1, ack: 1 }), false),
    ])
  })

  it('are a record more with TLS', LIMIT, async () => {
    const [plain, secret] = [await messageBytes('mqtt', 128), await messageBytes('mqtt-tls', 128)]
    expect(secret[0]).toEqual(plain[0]?.map((bytes) => (bytes ? bytes + TLS_RECORD : 0)))
  })
})

describe('bytes for connecting', () => {
  it('are those of CONNECT, CONNACK, SUBSCRIBE and SUBACK', LIMIT, async () => {
    const [row] = await rowsOf('mqtt', 16)
    const clientId = 'compare-00000-00000'.length
    const connect = 2 + 6 + 1 + 1 + 2 + 1 + 2 + clientId
    const subscribe = 2 + 2 + 1 + 2 + TOPIC_BYTES + 1
    expect(row?.figures.publisherUp?.median).toBe(connect)
    expect(row?.figures.subscriberUp?.median).toBe(connect + subscribe)
    // SUBACK without a Reason String.
    const suback = 2 + 2 + 1 + 1
    const connack = row?.figures.publisherDown?.median ?? 0
    expect(row?.figures.subscriberDown?.median).toBe(connack + suback)
  })
})

describe('a packet capture', () => {
  it.for(['mqtt', 'mqtt-ws', 'mqtt-tls', 'live-tls'])(
    'sees the same bytes: %s',
    LIMIT,
    async (id, context) => {
      const program = requirePeer('tshark', context)
      const { way, place } = wayOf(id)
      const [probe, relay] = await Promise.all([
        CountingRelay.listen(place.host, place.port),
        CountingRelay.listen(place.host, place.port),
      ])
      onTestFinished(async () => {
        await Promise.all([probe.close(), relay.close()])
      })
      const capture = new Capture(program, [probe.port, relay.port])
      await capture.begun(context, async () => {
        const peer = await openPeer({
          ...wayOf('mqtt'),
          place: { ...wayOf('mqtt').place, port: probe.port },
          topic: 'probe',
          qos: 0,
          listens: false,
          clientId: 'probe',
        })
        peer.end()
      })

      let received = 0
      const peer = await openPeer({
        way,
        place: { ...place, port: relay.port },
        topic: 'captured',
        qos: 1,
        listens: true,
        clientId: 'captured',
        onMessage: () => {
          received += 1
        },
      })
      for (let index = 0; index < 20; index++) peer.publish(numbered(index, 10 + 200 * index))
      await until(() => received === 20, 'twenty messages', 20_000)
      peer.end()
      await until(
        () => {
          const seen = capture.bytes(relay.port)
          return seen.up === relay.upBytes && seen.down === relay.downBytes && seen.isEnded
        },
        `the capture agrees`,
        20_000,
      ).catch(() => undefined)
      expect(capture.bytes(relay.port)).toMatchObject({ up: relay.upBytes, down: relay.downBytes })
      expect(relay.upBytes).toBeGreaterThan(20 * 1_000)
    },
  )
})

/** tshark on loopback, for some ports. */
class Capture {
  readonly #lines: string[] = []
  #error = ''
  #isOver = false

  constructor(program: string, ports: readonly number[]) {
    const filter = ports.map((port) => `tcp port ${port}`).join(' or ')
    const fields = ['tcp.srcport', 'tcp.dstport', 'tcp.seq', 'tcp.len', 'tcp.flags.fin']
    const args = [
      '-i',
      'lo',
      '-n',
      '-l',
      '-f',
      filter,
      '-T',
      'fields',
      ...fields.flatMap((one) => ['-e', one]),
    ]
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let rest = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      this.#lines.push(...lines)
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#error += text
    })
    child.on('close', () => {
      this.#isOver = true
    })
    onTestFinished(() => {
      child.kill('SIGKILL')
    })
  }

  /** Talks until the capture has heard it. Skips the test where this user may not capture. */
  async begun(context: Pick<TestContext, 'skip'>, talk: () => Promise<void>): Promise<void> {
    while (this.#lines.length === 0) {
      if (this.#isOver) {
        const isForbidden = /permission|not permitted/i.test(this.#error)
        if (isForbidden) context.skip('this user may not capture packets: run it as root')
        throw new Error(`tshark ended: ${this.#error}`)
      }
      await talk()
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  /** Of the one connection to a port: by sequence numbers, so that what was sent twice counts once. */
  bytes(port: number): { up: number; down: number; isEnded: boolean } {
    const seen = { up: 0, down: 0, isEnded: false }
    for (const line of this.#lines) {
      const [from, to, sequence = 0, length = 0, fin] = line
        .split('\t')
        .map((field) => (field === 'True' ? 1 : Number(field)))
      const direction = to === port ? 'up' : from === port ? 'down' : undefined
      if (direction === undefined) continue
      // Relative numbers begin with 1 behind the SYN, which has none.
      if (length > 0) seen[direction] = Math.max(seen[direction], sequence - 1 + length)
      if (fin === 1) seen.isEnded = true
    }
    return seen
  }
}
