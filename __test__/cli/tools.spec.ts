/** `passwd`, `ls`, `simulate` and `bench` as people run them: in a pipe and on a terminal, against both brokers. */
import { appendFileSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, type TestContext } from 'vitest'
import { startBroker } from '../interop/broker-under-test.js'
import { ROOT } from '../interop/programs.js'
import { startMosquitto } from '../support/mosquitto.js'
import { requirePeer } from '../support/peers.js'
import { temporaryDirectory, temporaryFile } from '../support/temporary.js'
import { shell, TOPICWIRE, Tool, topicwire } from '../support/tool.js'

const BROKERS = ['topicwire', 'mosquitto'] as const
const EXAMPLE = join(ROOT, 'examples/thermostats.yaml')
const PATIENCE_MS = 60_000
const LIMIT = { timeout: 120_000 }
/** What leaves a terminal as it was: wrap, cursor, main screen. */
const RESTORED = '\x1b[?7h\x1b[?25h\x1b[?1049l'

async function start(name: (typeof BROKERS)[number], context: TestContext): Promise<string[]> {
  if (name === 'mosquitto') return ['-p', `${await startMosquitto(context)}`]
  const broker = await startBroker()
  onTestFinished(() => broker.close())
  return ['-p', `${broker.port}`]
}

/** A command on a pseudo terminal of 90 columns and 14 rows; what is typed goes to `child.stdin`. */
function onTerminal(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Tool {
  const words = [process.execPath, TOPICWIRE, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`)
  // Ctrl+C goes to the shell too, which is to tell how the command ended.
  const line = `trap : INT; stty cols 90 rows 14; ${words.join(' ')}; echo "ended with $?"; stty -a`
  return new Tool('script', ['--quiet', '--flush', '--command', line, '/dev/null'], {
    TERM: 'xterm-256color',
    ...environment,
  })
}

/** Waits for output longer than `shows` does: seven programs at once may want this machine. */
async function shows(tool: Tool, pattern: RegExp): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while (!pattern.test(tool.out) && !pattern.test(tool.error)) {
    if (performance.now() > deadline) throw new Error(`no ${pattern} in:\n${tool.out}${tool.error}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

describe('passwd', () => {
  it('makes a file that only its owner reads, and changes it line by line', LIMIT, async () => {
    const path = join(temporaryDirectory(), 'users.txt')
    const created = await topicwire(['passwd', '-c', path, 'alice']).input('secret\n').ended
    expect(created).toMatchObject({ exitCode: 0, out: `alice was added to ${path}.\n`, error: '' })
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const before = readFileSync(path, 'utf8')
    expect(before).toMatch(/^alice:\$argon2id\$/)
    expect((await topicwire(['passwd', '-b', path, 'bob', 'x y']).ended).exitCode).toBe(0)
    expect(readFileSync(path, 'utf8').startsWith(before)).toBe(true)
    expect((await topicwire(['passwd', '-D', path, 'alice']).ended).exitCode).toBe(0)
    expect((await topicwire(['passwd', '-l', path]).ended).out).toBe('bob\targon2id\n')
  })

  it("reads Mosquitto's file, and hashes what stands there in the clear", LIMIT, async (context) => {
    requirePeer('mosquitto', context)
    const path = join(temporaryDirectory(), 'users')
    const made = new Tool('mosquitto_passwd', ['-c', '-b', path, 'dave', 'secret'])
    expect((await made.ended).exitCode).toBe(0)
    appendFileSync(path, '# people\ncarol:plain\n')
    const updated = await topicwire(['passwd', '-U', path]).ended
    expect(updated.out).toBe(`1 password was hashed in ${path}.\n`)
    expect((await topicwire(['passwd', '-l', path]).ended).out).toBe('dave\t$7$\ncarol\targon2id\n')
  })

  it.each([
    ['no such user', ['-D', 'FILE', 'nobody'], 'There is no user nobody in FILE.'],
    ['a file that is there already', ['-c', 'FILE', 'x'], 'FILE is there already.'],
    ['a file that is not there', ['FILE.not', 'x'], 'There is no file FILE.not. -c creates it.'],
    ['two things at once', ['-c', '-D', 'FILE', 'x'], '-c and -D cannot be used together.'],
    ['a name with a colon', ['FILE', 'a:b'], 'A user name in a file cannot have a colon'],
    ['a password without -b', ['FILE', 'a', 'b'], 'A password on the command line needs -b'],
    ['no password', ['FILE', 'a'], 'The password is empty. Nothing was changed.'],
  ])('%s is one sentence and 2', LIMIT, async (_, args, expected) => {
    const path = temporaryFile('users', 'alice:x\n')
    const filled = args.map((arg) => arg.replace('FILE', path))
    const { exitCode, error } = await topicwire(['passwd', ...filled]).input('').ended
    expect(error).toContain(`topicwire: ${expected.replaceAll('FILE', path)}`)
    expect(exitCode).toBe(2)
    expect(readFileSync(path, 'utf8')).toBe('alice:x\n')
  })

  it('asks twice on a terminal, and shows nothing of what is typed', LIMIT, async () => {
    const path = temporaryFile('users', '')
    const tool = onTerminal(['passwd', path, 'erin'])
    await shows(tool, /Password of erin: /)
    tool.child.stdin?.write('hidden-1\r')
    await shows(tool, /The same again: /)
    tool.child.stdin?.write('hidden-1\r')
    await shows(tool, /ended with 0/)
    expect(tool.out).not.toContain('hidden')
    expect(readFileSync(path, 'utf8')).toMatch(/^erin:\$argon2id\$/)
  })
})

describe.each(BROKERS)('against %s', (name) => {
  it('simulate plays a scenario, and ls lists its topics', LIMIT, async (context) => {
    const server = await start(name, context)
    const fleet = topicwire(['simulate', EXAMPLE, ...server, '--seed', '1', '--json', '--report-every', '1'])
    await shows(fleet, /"connected":21/)
    const { exitCode, out } = await topicwire(['ls', ...server, '--for', '2.5', '--json']).ended
    expect(exitCode).toBe(0)
    const { topics } = JSON.parse(out) as { topics: { topic: string; value: string }[] }
    const named = new Map(topics.map(({ topic, value }) => [topic, value]))
    for (let number = 1; number <= 20; number++) {
      expect(named.get(`home/thermostat-${number}/status`)).toBe('online')
      expect(Number(named.get(`home/thermostat-${number}/temperature`))).toBeGreaterThan(15)
    }
    fleet.child.kill('SIGINT')
    const ended = await fleet.ended
    expect(ended.exitCode).toBe(0)
    const last = JSON.parse(ended.out.trim().split('\n').at(-1) ?? '') as Record<string, unknown>
    expect(last).toMatchObject({ end: true, devices: 21, failed: 0, lost: 0 })
  })

  it('bench conn, pub and sub count every connection and message', LIMIT, async (context) => {
    const server = await start(name, context)
    const conn = await topicwire(['bench', 'conn', ...server, '-c', '20', '-i', '1', '--json']).ended
    expect(lastOf(conn.out)).toMatchObject({ connected: 20, failed: 0, connectMs: { count: 20 } })
    const sub = topicwire([
      ...['bench', 'sub', ...server, '-c', '2', '-i', '1', '-t', 'b/#', '-q', '1', '-L', '400'],
      ...['--json', '--report-every', '0.3'],
    ])
    await shows(sub, /"subscribed":2/)
    const pub = await topicwire([
      ...['bench', 'pub', ...server, '-c', '4', '-i', '1', '-im', '10', '-t', 'b/%i', '-q', '1', '-L', '200'],
      '--json',
    ]).ended
    expect(pub.exitCode).toBe(0)
    expect(lastOf(pub.out)).toMatchObject({
      ...{ sent: 200, answered: 200, failed: 0, unanswered: 0, askedRatePerSec: 400 },
      latencyMs: { count: 200 },
    })
    expect(lastOf((await sub.ended).out)).toMatchObject({ received: 400, latencyMs: { count: 400 } })
  })

  it('ls is a live tree on a terminal, and leaves it as it was', LIMIT, async (context) => {
    requirePeer('mosquitto-clients', context)
    const server = await start(name, context)
    const tool = onTerminal(['ls', ...server])
    await shows(tool, /nothing yet/)
    const hostile = 'a\x1b[2J\x1b]0;x\x07\x9b'
    await new Tool('mosquitto_pub', [...server, '-t', 'x/y', '-r', '-m', hostile]).ended
    await shows(tool, /a\\x1b\[2J\\x1b\]0;x\\x07/)
    expect(tool.out).not.toContain('\x1b[2J')
    expect(tool.out).not.toContain('\x07')
    tool.child.stdin?.write('q')
    await shows(tool, /ended with 0/)
    expect(tool.out).toContain(RESTORED)
    await shows(tool, / echo /)
  })
})

describe('ends', () => {
  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'])('ls puts the terminal back on %s', LIMIT, async (signal) => {
    const broker = await startBroker()
    onTestFinished(() => broker.close())
    const tool = onTerminal(['ls', '-p', `${broker.port}`])
    await shows(tool, /nothing yet/)
    const pattern = `cli/main.js ls -p ${broker.port}`
    // By its own arguments, which no other process has; not the shell around it.
    await shell(`kill -${signal.slice(3)} $(pgrep -f "^${process.execPath}.*${pattern}")`).ended
    await shows(tool, /ended with 0/)
    expect(tool.out).toContain(RESTORED)
  })

  it('simulate shows one line on a terminal that is written over, without colours', LIMIT, async () => {
    const broker = await startBroker()
    onTestFinished(() => broker.close())
    const tool = onTerminal(['simulate', EXAMPLE, '-p', `${broker.port}`])
    await shows(tool, /\r21 of 21 connected/)
    tool.child.stdin?.write('\x03')
    await shows(tool, /Ended: 21 of 21 connected/)
    await shows(tool, /ended with 0/)
  })

  it.each([
    ['ls', []],
    ['simulate', [EXAMPLE]],
    ['bench conn', ['-c', '1']],
    ['bench pub', ['-c', '1', '-t', 'a']],
    ['bench sub', ['-c', '1', '-t', 'a']],
  ])('%s says that nothing listens, with 1', LIMIT, async (name, args) => {
    const { exitCode, error } = await topicwire([...name.split(' '), ...args, '-p', '1']).ended
    expect(error).toMatch(/^topicwire: Nothing listens at mqtt:\/\/localhost:1: [^\n]*\n$/)
    expect(exitCode).toBe(1)
  })

  it('a reader that has seen enough ends them quietly', LIMIT, async () => {
    const broker = await startBroker()
    onTestFinished(() => broker.close())
    const line = `$topicwire simulate ${EXAMPLE} -p ${broker.port} --report-every 0.3 | head -1; echo "$\{PIPESTATUS[0]}"`
    const { out, error } = await shell(line).ended
    expect(out).toMatch(/connected .*\n0\n$/)
    // What the shell says of its own start-up files is not ours.
    expect(error).not.toMatch(/topicwire|EPIPE|Error/)
  })

  it.each(['passwd', 'store', 'ls', 'simulate', 'bench', 'bench pub', 'doctor'])(
    '%s --help has examples',
    LIMIT,
    async (name) => {
      const { exitCode, out } = await topicwire([...name.split(' '), '--help']).ended
      expect(out).toMatch(/Examples?:\n {2}topicwire/)
      expect(exitCode).toBe(0)
    },
  )
})

function lastOf(lines: string): unknown {
  return JSON.parse(lines.trim().split('\n').at(-1) ?? '')
}
