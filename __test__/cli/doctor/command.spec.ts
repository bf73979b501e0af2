/** The doctor as people run it: lines, JSON, exit codes, secrets, and what is wrong with this machine itself. */

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { connect as connectSocket, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Finding } from '../../../src/cli/doctor/run.js'
import { Broker, type BrokerOptions } from '../../../src/index.js'
import { knowledge } from '../../../src/knowledge/table.js'
import { ROOT } from '../../interop/programs.js'
import { freePort } from '../../support/free-port.js'
import { startMosquitto } from '../../support/mosquitto.js'
import { temporaryFile } from '../../support/temporary.js'
import { shell, topicwire } from '../../support/tool.js'
import { usage } from '../usage.js'
import { examined, line } from './examined.js'

const LIMIT = { timeout: 60_000 }
const PASSWORD = 'correct-horse-battery'

async function start(options: BrokerOptions = {}): Promise<number> {
  const broker = await Broker.start({ host: '127.0.0.1', port: 0, ...options })
  onTestFinished(() => broker.close({ drainTimeoutMs: 0 }))
  return broker.addresses[0]?.port ?? 0
}

describe('the doctor', () => {
  it('has a line for each check, and ends with 0 when nothing failed', LIMIT, async () => {
    const port = await start()
    const { exitCode, out, error } = await topicwire(['doctor', '-h', '127.0.0.1', '-p', `${port}`]).ended
    expect(error).toBe('')
    expect(exitCode).toBe(0)
    const [first, ...lines] = out.trim().split('\n')
    expect(first).toBe(`mqtt://127.0.0.1:${port}`)
    for (const [index, { title }] of knowledge.entries()) {
      expect(lines[index + 1]).toMatch(new RegExp(`^(ok {2}|warn|skip) {2}${title} +\\S.*\\.$`))
    }
    expect(lines.at(-1)).toMatch(/^0 failures, \d+ warnings?; \d+ checks are well, \d+ were skipped\.$/)
  })

  it('ends with 1 when something failed, and says what helps', LIMIT, async () => {
    const url = `mqtt://127.0.0.1:${await freePort()}`
    const { exitCode, out, error } = await topicwire(['doctor', url]).ended
    expect({ exitCode, error }).toEqual({ exitCode: 1, error: '' })
    expect(out).toMatch(/^FAIL {2}name and network +nothing listens at .* Start the broker/m)
    expect(out).toMatch(/^1 failure, /m)
  })

  it('is JSON for programs', LIMIT, async () => {
    const port = await start()
    const { out } = await topicwire(['doctor', `127.0.0.1:${port}`, '--json']).ended
    const { server, failed, checks } = JSON.parse(out) as {
      server: string
      failed: number
      checks: Finding[]
    }
    expect({ server, failed }).toEqual({ server: `mqtt://127.0.0.1:${port}`, failed: 0 })
    expect(checks.map(({ number, code, title }) => ({ number, code, title }))).toEqual(
      knowledge.map(({ code, title }, index) => ({ number: index + 1, code, title })),
    )
  })

  it('shows progress while it holds a silent connection', LIMIT, async () => {
    const port = await start()
    const { error, exitCode } = await topicwire(['doctor', `127.0.0.1:${port}`, '--idle', '1.5']).ended
    expect(error).toMatch(/^idle for \d+ of 1\.5 s\n$/)
    expect(exitCode).toBe(0)
  })

  it('never shows a password', LIMIT, async () => {
    const refusing = await start({
      // A server that sends back what it got.
      authenticate: ({ password }) =>
        ({ reasonCode: 0x86, reasonString: `not ${String(password)}` }) as never,
    })
    const secrets = [
      [`mqtt://alice:${PASSWORD}@127.0.0.1:${refusing}`],
      ['-h', '127.0.0.1', '-p', `${refusing}`, '-u', 'alice', '-P', PASSWORD],
      [`mqtt://alice:${PASSWORD}@127.0.0.1:${await freePort()}`],
      [`mqtt://alice:x/${PASSWORD}@127.0.0.1:1883`],
      [`mqtt://alice:x@${PASSWORD}@127.0.0.1:1883`],
      [`nothing://alice:${PASSWORD}@127.0.0.1`],
      [`ws://127.0.0.1:${refusing}/mqtt`, '--page', `http://alice:${PASSWORD}@127.0.0.1/app`],
    ]
    for (const args of secrets) {
      for (const more of [[], ['--json']]) {
        const { out, error } = await usage('doctor', [...args, ...more, '--timeout', '5'])
        expect(out + error).not.toContain(PASSWORD)
        expect((out + error).length).toBeGreaterThan(0)
      }
    }
  })

  it('does not obey what a server sends', LIMIT, async () => {
    const port = await start({
      authenticate: () => ({ reasonCode: 0x86, reasonString: 'no\x1b[2J\r\nok' }) as never,
    })
    const { out } = await usage('doctor', [`mqtt://127.0.0.1:${port}`])
    expect(out).not.toMatch(/\x1b|\r/)
    expect(out.split('\n')).toHaveLength(knowledge.length + 5)
  })

  it.each([
    ['', '/mqtt'],
    ['/', '/'],
    ['/broker', '/broker'],
  ])('takes the path of ws://…%s for %s', LIMIT, async (given, path) => {
    const url = `ws://127.0.0.1:${await freePort()}`
    const { out } = await usage('doctor', [`${url}${given}`, '--json'])
    expect(JSON.parse(out)).toMatchObject({ server: `${url}${path}` })
  })

  it.each<[string[], string]>([
    [['ftp://127.0.0.1'], 'The server is a URL like mqtt://'],
    [['127.0.0.1', '--url', 'mqtt://127.0.0.1'], 'The URL is given twice.'],
    [['127.0.0.1', '-p', '1883'], '-h, -p and --ws are parts of the URL'],
    [['--page', 'example.org'], '--page is the URL of a page'],
    [['--idle', '0'], '--idle is a number of seconds from 1'],
    [['--timeout', '0'], '--timeout is a number of seconds from 0.1'],
    [['--client-id', ''], '--client-id is empty'],
    [['--cafile', '/nowhere/ca.pem'], '--cafile: /nowhere/ca.pem cannot be read'],
    [['one', 'two'], 'too many arguments'],
    [['--unknown'], "unknown option '--unknown'"],
  ])('%j is wrong usage', LIMIT, async (args, expected) => {
    const { exitCode, error, out } = await usage('doctor', args)
    expect(error).toContain(expected)
    expect({ exitCode, out }).toEqual({ exitCode: 2, out: '' })
  })
})

describe('the doctor finds', () => {
  it('a native addon that cannot be loaded', LIMIT, async () => {
    const port = await start()
    const junk = temporaryFile('topicwire.node', 'this is no shared library')
    const doctor = topicwire(['doctor', `127.0.0.1:${port}`, '--json'], { NAPI_RS_NATIVE_LIBRARY_PATH: junk })
    const { exitCode, out } = await doctor.ended
    const { checks } = JSON.parse(out) as { checks: Finding[] }
    const of = (code: string) => line(checks.find((one) => one.code === code) as Finding)
    expect(of('native-addon')).toMatch(
      /^fail: .*NAPI_RS_NATIVE_LIBRARY_PATH.*It is here, and the system says: /,
    )
    // What does not need it is examined all the same.
    expect(of('scheme')).toMatch(/^ok: /)
    expect(of('permissions')).toMatch(/^skip: .*see “native addon”/)
    expect(exitCode).toBe(1)
  })

  it('a low limit of open files', LIMIT, async () => {
    const url = `mqtt://127.0.0.1:${await freePort()}`
    const { out } = await shell(`ulimit -n 256; $topicwire doctor ${url}`).ended
    expect(out).toMatch(
      /^warn {2}limit of open files +what is started here may open 256 files, which is few.* ulimit -n 65536/m,
    )
  })

  it.runIf(process.platform === 'linux')('a server that has nearly used its limit up', LIMIT, async () => {
    const server = shell('ulimit -n 200; exec $topicwire -p 0 --host 127.0.0.1 --memory')
    await server.shows(/mqtt:\/\/127\.0\.0\.1:\d+/)
    const port = Number(/mqtt:\/\/127\.0\.0\.1:(\d+)/.exec(server.out)?.[1])
    const sockets: Socket[] = []
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy()
    })
    for (let count = 0; count < 200; count += 1) {
      sockets.push(connectSocket({ port, host: '127.0.0.1' }).on('error', () => {}))
    }
    const isFull = async (): Promise<Finding> =>
      (await examined(`mqtt://127.0.0.1:${port}`, '--timeout', '1')).of('open-files')
    await expect
      .poll(async () => line(await isFull()), { timeout: 30_000 })
      .toMatch(
        /^fail: \S+ \(process \d+\) has \d+ of 200 files open: it is about to refuse connections\. .*ulimit -n 65536/,
      )
  })

  it.runIf(process.platform === 'linux')('a port that two programs share', LIMIT, async (context) => {
    const port = await startMosquitto(context)
    // Nobody hinders that: it listens at another address.
    await start({ host: '127.0.0.2', port })
    const found = await examined(`mqtt://127.0.0.1:${port}`)
    expect(line(found.of('port'))).toMatch(
      /^warn: port \d+ is shared by .+: which of them answers depends on the address\. Stop one of them/,
    )
    expect(line(found.of('port'))).toMatch(/mosquitto \(process \d+\)/)
    expect(line(found.of('port'))).toContain(`(process ${process.pid})`)
  })

  it('a port that another program has', LIMIT, async () => {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => sockets.add(socket.on('error', () => {}))).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    const { port } = server.address() as AddressInfo
    const found = await examined(`mqtt://127.0.0.1:${port}`, '--timeout', '1')
    expect(line(found.of('port'))).toMatch(
      process.platform === 'linux'
        ? new RegExp(`^fail: port ${port} is taken by .+ \\(process ${process.pid}\\), which does not answer`)
        : /^fail: port \d+ is taken by another process/,
    )
    expect(line(found.of('scheme'))).toMatch(/^fail: .* takes connections and says nothing/)
  })
})

it('the documentation has the checks of the code, in the same words', () => {
  const text = readFileSync(join(ROOT, 'docs/doctor.md'), 'utf8')
  const rows = text.split('\n').filter((row) => /^\| \d+ \|/.test(row))
  expect(rows).toEqual(
    knowledge.map(
      ({ code, title, symptom, detection, remedy }, index) =>
        `| ${index + 1} | **${title}** \`${code}\` | ${symptom} | ${detection} | ${remedy.replaceAll('|', '\\|')} |`,
    ),
  )
})

it('the documentation names every flag that there is, and no other', async () => {
  const { out } = await usage('doctor', ['--help'])
  const flags = new Set(out.match(/^ +(-\w, )?--[a-z-]+/gm)?.map((flag) => flag.replace(/^ +(-\w, )?/, '')))
  const text = readFileSync(join(ROOT, 'docs/doctor.md'), 'utf8')
  const shared = [
    ['-h', '--host'],
    ['-p', '--port'],
    ['-u', '--username'],
    ['-P', '--pw'],
    ['-V', '--protocol-version'],
    ['-k', '--keepalive'],
  ] as const
  const named = new Set(text.match(/`(-\w|--[a-z-]+)(?=[` ])/g)?.map((flag) => flag.slice(1)))
  for (const [letter, flag] of shared) {
    expect(named).toContain(letter)
    named.delete(letter)
    flags.delete(flag)
  }
  // The URL has a place of its own, -v is the broker's.
  for (const flag of ['--url', '--help']) flags.delete(flag)
  named.delete('-v')
  expect([...named].sort()).toEqual([...flags].sort())
})
