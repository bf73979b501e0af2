/** `topicwire compare` as people run it: against our own broker, against Mosquitto, with mistakes, and interrupted. */
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Results, Row } from '../../../src/cli/compare/results.js'
import { freePort } from '../../support/free-port.js'
import { startMosquitto } from '../../support/mosquitto.js'
import { temporaryDirectory } from '../../support/temporary.js'
import { topicwire } from '../../support/tool.js'
import { until } from '../../support/until.js'
import { usage } from '../usage.js'

const LIMIT = { timeout: 180_000 }

/** PUBLISH of MQTT 5.0 at QoS 0: topic of 16 bytes, payload of 128. */
const PUBLISH_BYTES = 1 + 2 + (2 + 16 + 1 + 128)

function find(
  results: Results,
  measure: Row['measure'],
  way: string,
  conditions: Row['conditions'] = {},
): Row {
  const row = results.rows.find(
    (one) =>
      one.measure === measure &&
      one.way === way &&
      Object.entries(conditions).every(([key, value]) => one.conditions[key] === value),
  )
  if (row === undefined) throw new Error(`no ${measure} of ${way} with ${JSON.stringify(conditions)}`)
  return row
}

describe('compare', () => {
  it('measures everything of our own, writes a report, and leaves nothing behind', LIMIT, async () => {
    const directory = temporaryDirectory()
    const [json, html] = [join(directory, 'run.json'), join(directory, 'run.html')]
    const tool = topicwire(['compare', '--quick', '--rounds', '1', '--json', json, '--html', html])
    const { exitCode, out, error } = await tool.ended
    expect({ exitCode, error: error.replace(/^ *\d+ % {2}round 1 of 1: .*\n/gm, '') }).toEqual({
      exitCode: 0,
      error: '',
    })
    expect(error).toMatch(/^ *0 % {2}round 1 of 1: warming up, MQTT$/m)
    expect(out).toContain(`Written: ${html}, ${json}`)
    expect(out).toMatch(/^MQTT +50 +150 +150/m)

    const results = JSON.parse(readFileSync(json, 'utf8')) as Results
    expect(results).toMatchObject({ kind: 'topicwire compare', format: 1, isQuick: true, notMeasured: [] })
    const ids = ['mqtt', 'mqtt-ws', 'live', 'topic', 'bare']
    expect(results.ways.map(({ id }) => id)).toEqual([...ids, ...ids.map((id) => `${id}-tls`)])
    const message = { qos: 0, payloadBytes: 128, topicBytes: 16 }
    const bytes = (way: string) => find(results, 'message', way, message).figures
    expect(bytes('mqtt').publisherUp?.median).toBe(PUBLISH_BYTES)
    expect(bytes('mqtt').subscriberDown?.median).toBe(PUBLISH_BYTES)
    expect(bytes('mqtt-ws').publisherUp?.median).toBe(PUBLISH_BYTES + 8)
    expect(bytes('bare').publisherUp?.median).toBe(128 + 8)
    expect(bytes('mqtt-tls').publisherUp?.median).toBe(PUBLISH_BYTES + 22)
    for (const way of ids) {
      const latency = find(results, 'latency', way).figures
      expect(latency.missing?.max).toBe(0)
      expect(latency.p50?.median).toBeGreaterThan(0)
      expect(latency.p999?.median).toBeGreaterThanOrEqual(latency.p50?.median ?? 0)
      const echo = find(results, 'echo', way).figures
      expect(echo.p50?.median).toBeGreaterThan(0)
      // One at a time: no more of them than their time allows.
      expect((echo.perSecond?.median ?? 0) * (echo.p50?.median ?? 0)).toBeLessThan(2_000)
      for (const measure of ['echo', 'throughput', 'fanOut'] as const) {
        const { perSecond, cpuMicros } = find(results, measure, way).figures
        expect(perSecond?.median).toBeGreaterThan(0)
        expect(cpuMicros?.median).toBeGreaterThan(0)
      }
      expect(find(results, 'memory', way).figures.residentBytes?.median).toBeGreaterThan(10_000_000)
      // Lost segments delay and lose nothing.
      expect(find(results, 'network', way, { network: 'lossy Wi-Fi', qos: 0 }).figures.lost?.max).toBe(0)
      // Coming back takes a round trip for TCP and one to ask, at least.
      const { resumedMs, caughtUp } = find(results, 'reconnect', way).figures
      expect(resumedMs?.median).toBeGreaterThan(95)
      expect(caughtUp?.median).toBe(way === 'topic' || way === 'bare' ? 0 : 5)
    }
    // Cuts lose what is promised to nobody, and nothing else; QoS 2 doubles nothing.
    const cut = (way: string, qos: number) =>
      find(results, 'network', way, { network: 'mobile, with cuts', qos }).figures
    for (const [way, qos] of [
      ['mqtt', 1],
      ['mqtt', 2],
      ['mqtt-ws', 1],
      ['mqtt-ws', 2],
      ['live', 1],
    ] as const) {
      expect({ way, qos, lost: cut(way, qos).lost?.max }).toEqual({ way, qos, lost: 0 })
    }
    expect(cut('mqtt', 2).doubled?.max).toBe(0)
    expect(cut('mqtt', 2).cuts?.max).toBeGreaterThan(0)
    expect(readFileSync(html, 'utf8')).toMatch(/^<!doctype html>[\s\S]*<svg [\s\S]*<\/html>\n$/)
  })

  it('measures of another broker what that has, and says what it has not', LIMIT, async (context) => {
    const ws = await freePort()
    const lines = [`listener ${ws} 127.0.0.1`, 'protocol websockets']
    const port = await startMosquitto(context, { lines })
    const tool = topicwire([
      'compare',
      '--quick',
      '--only',
      'bytes,latency',
      '--rounds',
      '1',
      ...['--broker', `mqtt://127.0.0.1:${port}`],
      ...['--ws', `ws://127.0.0.1:${ws}/mqtt`],
      '--json',
    ])
    const { exitCode, out, error } = await tool.ended
    // JSON on standard output, and nothing else anywhere.
    expect({ exitCode, error }).toEqual({ exitCode: 0, error: '' })
    const results = JSON.parse(out) as Results
    expect(results.broker).toEqual({ mqtt: `mqtt://127.0.0.1:${port}`, ws: `ws://127.0.0.1:${ws}/mqtt` })
    expect(results.ways.map(({ id }) => id)).toEqual(['mqtt', 'mqtt-ws', 'bare', 'bare-tls'])
    const what = results.notMeasured.map((one) => one.what)
    expect(what).toEqual(expect.arrayContaining(['/live', 'topic URL', "the broker's CPU time and memory"]))
    const { figures } = find(results, 'message', 'mqtt', { qos: 0, payloadBytes: 128 })
    expect(figures.publisherUp?.median).toBe(PUBLISH_BYTES)
    expect(find(results, 'latency', 'mqtt').figures).not.toHaveProperty('cpuMicros')
    expect(find(results, 'latency', 'bare').figures).toHaveProperty('cpuMicros')
  })

  it('says in a sentence that a broker cannot be reached', LIMIT, async () => {
    const port = await freePort()
    const ended = await topicwire(['compare', '--quick', '--json', '--broker', `mqtt://127.0.0.1:${port}`])
      .ended
    expect(ended).toMatchObject({ exitCode: 1, out: '' })
    expect(ended.error).toMatch(
      new RegExp(
        `^topicwire: mqtt://127\\.0\\.0\\.1:${port} cannot be used: connect ECONNREFUSED [^\\n]+\\.\\n$`,
      ),
    )
    // One that speaks something else.
    const server = createServer((socket) => socket.on('error', () => undefined).end('220 smtp\r\n'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port: other } = server.address() as { port: number }
    const wrong = await topicwire(['compare', '--quick', '--json', '--broker', `mqtt://127.0.0.1:${other}`])
      .ended
    server.close()
    expect(wrong.exitCode).toBe(1)
    expect(wrong.error).toMatch(/^topicwire: [^\n]+\.\n$/)
  })

  it.each([
    [
      ['--broker', 'localhost'],
      /--broker takes an address like mqtt:\/\/localhost:1883, not 'localhost'\.$/m,
    ],
    [['--ws', 'mqtt://localhost'], /--ws takes an address like ws:\/\//],
    [['--only', 'bytes,color'], /There are bytes, echo, latency, /],
    [['--rounds', '0'], /It is a whole number from 1 to 100\./],
    [
      ['--json', '/nonexistent/run.json'],
      /^topicwire: \/nonexistent\/run\.json cannot be written \(ENOENT\)\.$/m,
    ],
    [['extra'], /too many arguments/],
  ])('refuses %j', async (args, sentence) => {
    const { exitCode, out, error } = await usage('compare', ['--quick', ...args])
    expect({ exitCode, out }).toEqual({ exitCode: 2, out: '' })
    expect(error).toMatch(sentence)
  })

  it.skipIf(process.platform !== 'linux').each(['SIGINT', 'SIGKILL'] as const)(
    'ends at once with %s, and its servers with it',
    LIMIT,
    async (signal) => {
      const tool = topicwire(['compare', '--quick'])
      await tool.shows(/round 1 of 3/)
      const children = childrenOf(tool.child.pid ?? 0)
      expect(children.length).toBe(2)
      tool.child.kill(signal)
      expect(await tool.ended).toMatchObject({ exitCode: null, signal })
      await until(() => children.every((pid) => !isRunning(pid)), 'the servers are gone', 10_000)
    },
  )
})

function childrenOf(pid: number): number[] {
  return processes().filter((one) => statusOf(one).PPid === String(pid))
}

function isRunning(pid: number): boolean {
  const { State } = statusOf(pid)
  return State !== undefined && !State.startsWith('Z')
}

function processes(): number[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []))
}

/** Of a process that may just have ended. */
function statusOf(pid: number): Partial<Record<string, string>> {
  try {
    const lines = readFileSync(`/proc/${pid}/status`, 'utf8').split('\n')
    return Object.fromEntries(lines.map((line) => line.split(':\t') as [string, string]))
  } catch {
    return {}
  }
}
