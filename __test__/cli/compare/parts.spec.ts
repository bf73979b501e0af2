/** The parts of `topicwire compare`: statistics, the certificate, the wire, addresses, the report. */
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:tls'
import { describe, expect, it, onTestFinished } from 'vitest'
import { addressOf } from '../../../src/cli/compare/addresses.js'
import { makeCertificate } from '../../../src/cli/compare/certificate.js'
import { PacketCutter, publishPacket, readPublish } from '../../../src/cli/compare/mqtt-wire.js'
import { indexIn, numbered } from '../../../src/cli/compare/peer.js'
import { svgOf } from '../../../src/cli/compare/report/chart.js'
import { reportPage } from '../../../src/cli/compare/report/page.js'
import { Collector, machine, type Results } from '../../../src/cli/compare/results.js'
import { count, digits, spread, spreadText } from '../../../src/cli/compare/spread.js'
import { tableOf } from '../../../src/cli/compare/table.js'
import { publish, publishWithId } from '../../support/mqtt-bytes.js'

describe('a spread', () => {
  it('is the median with the least and the most, of odd and even numbers of values', () => {
    expect(spread([])).toBeUndefined()
    expect(spread([3])).toEqual({ median: 3, min: 3, max: 3 })
    expect(spread([9, 1, 5])).toEqual({ median: 5, min: 1, max: 9 })
    expect(spread([10, 1, 2, 4])).toEqual({ median: 3, min: 1, max: 10 })
    // By number, not by letter.
    expect(spread([100, 9, 20])?.median).toBe(20)
  })

  it('says its ends only where there are some', () => {
    expect(spreadText(undefined, digits)).toBe('–')
    expect(spreadText({ median: 150, min: 150, max: 150 }, digits)).toBe('150')
    expect(spreadText({ median: 0.25, min: 0.2, max: 12 }, digits)).toBe('0.250 [0.200–12.0]')
    expect(count(1_234_567)).toBe('1.23 M')
    expect(count(9_994)).toBe('9994')
  })

  it('is taken over samples of one way under one set of conditions', () => {
    const collector = new Collector()
    for (const up of [150, 150, 150]) {
      collector.add({
        measure: 'message',
        way: 'mqtt',
        conditions: { qos: 0 },
        values: { up, cpu: undefined },
      })
      collector.add({ measure: 'message', way: 'mqtt', conditions: { qos: 1 }, values: { up: up + 2 } })
    }
    collector.add({ measure: 'connecting', way: 'mqtt', conditions: {}, values: { up: 1 } })
    const rows = collector.rows()
    expect(rows.map(({ measure, conditions }) => [measure, conditions.qos])).toEqual([
      ['connecting', undefined],
      ['message', 0],
      ['message', 1],
    ])
    expect(rows[1]).toMatchObject({ rounds: 3, figures: { up: { median: 150, min: 150, max: 150 } } })
    // What was not measured has no figure, which is not the same as 0.
    expect(rows[1]?.figures).not.toHaveProperty('cpu')
  })
})

describe('the certificate', () => {
  it('is for this machine, valid now, and signed by itself', () => {
    const { cert } = makeCertificate()
    const parsed = new X509Certificate(cert)
    expect(parsed.subject).toBe('CN=localhost')
    expect(parsed.subjectAltName).toBe('DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1')
    expect(parsed.verify(parsed.publicKey)).toBe(true)
    expect(Date.parse(parsed.validFrom)).toBeLessThan(Date.now())
    expect(Date.parse(parsed.validTo)).toBeGreaterThan(Date.now())
    expect(new X509Certificate(makeCertificate().cert).serialNumber).not.toBe(parsed.serialNumber)
  })

  it('is accepted by a TLS client that trusts it and checks names', async () => {
    const certificate = makeCertificate()
    const server = createServer({ ...certificate }, (socket) => socket.end('hello')).listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const socket = connect({ port, host: '127.0.0.1', ca: certificate.cert, servername: 'localhost' })
    await once(socket, 'secureConnect')
    expect(socket.authorized).toBe(true)
    expect(String((await once(socket, 'data'))[0])).toBe('hello')
  })
})

describe('the wire of MQTT', () => {
  it('has the bytes that are written by hand elsewhere', () => {
    const topic = Buffer.from('a/b')
    const payload = numbered(7, 200)
    expect(publishPacket(topic, payload, 0, 0)).toEqual(publish('a/b', payload))
    expect(publishPacket(topic, payload, 2, 513)).toEqual(publishWithId('a/b', payload, 2, 513))
  })

  it('is cut into the same packets wherever it comes in two pieces', () => {
    const packets = [
      publishPacket(Buffer.from('t'), numbered(1, 10), 0, 0),
      publishPacket(Buffer.from('topic'), numbered(2, 300), 1, 9),
      publishPacket(Buffer.from('t'), numbered(3, 10), 0, 0),
    ]
    const bytes = Buffer.concat(packets)
    for (let at = 0; at <= bytes.length; at++) {
      const found: number[][] = []
      const cutter = new PacketCutter((firstByte, body) => {
        const { packetId, payload } = readPublish(firstByte, body)
        found.push([packetId, indexIn(payload), payload.length])
      })
      cutter.take(bytes.subarray(0, at))
      cutter.take(bytes.subarray(at))
      expect(found).toEqual([
        [0, 1, 10],
        [9, 2, 300],
        [0, 3, 10],
      ])
    }
  })
})

describe('an address', () => {
  it('has its default port, and keeps a log-in out of what is reported', () => {
    expect(addressOf('--broker', 'mqtt://ada:x%40y@example.org')).toEqual({
      text: 'mqtt://example.org',
      place: {
        host: 'example.org',
        port: 1883,
        tls: false,
        path: '/mqtt',
        username: 'ada',
        password: 'x@y',
      },
    })
    expect(addressOf('--ws', 'wss://example.org/socket?a=1').place).toMatchObject({
      port: 443,
      tls: true,
      path: '/socket?a=1',
    })
    expect(addressOf('--broker', 'mqtt://[::1]:99').place).toMatchObject({ host: '::1', port: 99 })
  })

  it.each([
    ['--broker', 'localhost'],
    ['--broker', 'ws://localhost'],
    ['--ws', 'mqtt://localhost'],
    ['--ws', ''],
  ] as const)('%s %s is refused in a sentence', (flag, text) => {
    expect(() => addressOf(flag, text)).toThrow(/takes an address like/)
  })
})

const RESULTS: Results = {
  kind: 'topicwire compare',
  format: 1,
  version: '0.0.0',
  date: '2026-01-01T00:00:00.000Z',
  secs: 60,
  command: 'topicwire compare --quick',
  isQuick: true,
  rounds: 3,
  machine: machine(),
  ways: [
    { id: 'mqtt', name: 'MQTT' },
    { id: 'bare', name: 'bare <WebSocket> & more' },
  ],
  rows: [
    {
      measure: 'throughput',
      way: 'mqtt',
      conditions: { qos: 0, payloadBytes: 128 },
      rounds: 3,
      figures: { perSecond: { median: 500_000, min: 400_000, max: 600_000 } },
    },
    {
      measure: 'throughput',
      way: 'bare',
      conditions: { qos: 0, payloadBytes: 128 },
      rounds: 3,
      figures: { perSecond: { median: 20_000, min: 20_000, max: 20_000 } },
    },
  ],
  notMeasured: [{ what: '/live', why: 'another broker does not have it' }],
}

describe('the report', () => {
  it('is one page that loads nothing, with a chart for what there is and the reason for what there is not', () => {
    const page = reportPage(RESULTS)
    expect(page).not.toMatch(/(src|href)="(?!#)/)
    expect(page).not.toMatch(/url\(|@import|<script/)
    expect(page.match(/<svg /g)).toHaveLength(1)
    expect(page).toContain('bare &lt;WebSocket&gt; &amp; more')
    expect(page).not.toContain('<WebSocket>')
    expect(page).toContain('/live: another broker does not have it.')
    expect(page).toContain('prefers-color-scheme:dark')
    expect(page).not.toMatch(/NaN|undefined|Infinity/)
  })

  it('draws longer bars for more, with a line from the least to the most', () => {
    const value = (median: number) => ({ median, min: median / 2, max: median * 2 })
    const svg = (isLog: boolean) =>
      svgOf({
        title: 'a chart',
        note: '',
        unit: 'µs',
        isLog,
        format: digits,
        groups: [1, 10, 0].map((median) => ({
          label: `${median}`,
          bars: [{ series: 'x', value: value(median) }],
        })),
      })
    for (const isLog of [false, true]) {
      const widths = [...svg(isLog).matchAll(/<rect [^>]*width="([\d.]+)"/g)].map((found) => Number(found[1]))
      expect(widths).toHaveLength(3)
      expect(widths[1]).toBeGreaterThan(widths[0] ?? 0)
      expect(widths[2]).toBe(1)
      // Nothing to span for what was always 0.
      expect(svg(isLog).match(/class="spread"/g)).toHaveLength(2)
    }
  })

  it('is a table on a terminal, with a dash where there is no figure', () => {
    const table = tableOf(RESULTS)
    expect(table).toMatch(/^MQTT +500 k \[400 k–600 k\] +–$/m)
    expect(table).toContain('Not measured: /live (another broker does not have it).')
  })
})
