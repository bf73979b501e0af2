import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { describe, expect, it, onTestFinished, type TestContext } from 'vitest'
import { startBroker } from '../interop/broker-under-test.js'
import { makeCertificate } from '../support/certificates.js'
import { freePort } from '../support/free-port.js'
import { startMosquitto } from '../support/mosquitto.js'
import { findPeer, requirePeer } from '../support/peers.js'
import { temporaryDirectory, temporaryFile } from '../support/temporary.js'
import { shell, Tool, topicwire } from '../support/tool.js'
import { usage } from './usage.js'

/** A broker of either kind, at a port of this machine. */
const BROKERS = ['topicwire', 'mosquitto'] as const
type BrokerName = (typeof BROKERS)[number]

async function start(name: BrokerName, context: TestContext): Promise<string[]> {
  if (name === 'mosquitto') return ['-p', `${await startMosquitto(context)}`]
  const broker = await startBroker()
  onTestFinished(() => broker.close())
  return ['-p', `${broker.port}`]
}

/** Listens with `count` messages in mind; resolves when the subscription is there. */
async function listen(server: readonly string[], count: number, ...more: string[]): Promise<Tool> {
  const tool = topicwire([
    'sub',
    ...server,
    '-t',
    '#',
    '-C',
    `${count}`,
    '-W',
    '80',
    '-q',
    '2',
    '-d',
    ...more,
  ])
  await tool.shows(/SUBACK/)
  return tool
}

describe('what is published', { timeout: 100_000 }, () => {
  it.for(BROKERS)('lines, files, standard input and nothing, with %s', async (name, context) => {
    const server = await start(name, context)
    const listener = await listen(server, 7, '-F', '%t %q %x')
    const file = temporaryFile('payload', Buffer.from([0xff, 0, 0x0a]))
    const publish = async (input: string | Buffer, ...args: string[]) => {
      const ended = await topicwire(['pub', ...server, ...args]).input(input).ended
      expect(ended).toMatchObject({ exitCode: 0, out: '', error: '' })
    }
    await publish('', '-t', 'm', '-m', 'hi', '-q', '1')
    await publish('', '-t', 'f', '-f', file, '-q', '2')
    await publish(Buffer.from('one\n\n\xff\0', 'latin1'), '-t', 'l', '-l')
    await publish('a\nb\n', '-t', 's', '-s')
    await publish('', '-t', 'n', '-n')
    expect((await listener.ended).out.split('\n').slice(0, -1)).toEqual([
      'm 1 6869',
      'f 2 ff000a',
      'l 0 6f6e65',
      'l 0 ',
      'l 0 ff00',
      's 0 610a620a',
      'n 0 ',
    ])
  })

  it('the topic of a URL, retained, with properties, three times', async (context) => {
    const server = await start('topicwire', context)
    const listener = await listen(server, 3, '--json', '--retain-as-published')
    const { exitCode } = await topicwire([
      ...[
        'pub',
        '-L',
        `mqtt://localhost:${server[1]}/from/url`,
        '-m',
        '-1',
        '-r',
        '--repeat',
        '3',
        '--repeat-delay',
        '0.1',
      ],
      ...['-D', 'PUBLISH', 'content-type', 'text/plain', '-D', 'PUBLISH', 'user-property', 'k', '-D'],
    ]).ended
    expect(exitCode).toBe(0)
    const lines = (await listener.ended).out.trim().split('\n')
    expect(lines).toHaveLength(3)
    expect(JSON.parse(lines[2] ?? '')).toMatchObject({
      topic: 'from/url',
      payload: '-1',
      retain: true,
      properties: { contentType: 'text/plain', userProperties: { k: '-D' } },
    })
  })

  it.for(['mqttv31', 'mqttv311', 'mqttv5'])('with %s, to mosquitto_sub', async (version, context) => {
    const theirs = requirePeer('mosquitto-clients', context).replace(/_pub$/, '_sub')
    const { broker, port, close } = await startBroker()
    onTestFinished(() => close())
    // In a pipe it shows nothing before it ends, so the broker is asked.
    const subscribed = once(broker, 'subscribe')
    const listener = new Tool(theirs, ['-p', `${port}`, '-t', 'a', '-C', '1', '-W', '80'])
    await subscribed
    expect(
      await topicwire(['pub', '-p', `${port}`, '-t', 'a', '-m', 'hi', '-V', version]).ended,
    ).toMatchObject({ exitCode: 0 })
    expect(await listener.ended).toMatchObject({ exitCode: 0, out: 'hi\n' })
  })

  it('more lines than fit anywhere arrive in order, no faster than they are confirmed', async (context) => {
    const server = await start('topicwire', context)
    const count = 2_000
    const listener = await listen(server, count)
    const lines = Array.from({ length: count }, (_, index) => `line ${index}`)
    const publisher = topicwire(['pub', ...server, '-t', 'l', '-l', '-q', '1']).input(`${lines.join('\n')}\n`)
    expect(await publisher.ended).toMatchObject({ exitCode: 0, error: '' })
    const { exitCode, out } = await listener.ended
    expect(exitCode).toBe(0)
    expect(out.trimEnd().split('\n')).toEqual(lines)
  })
})

describe('over other transports', { timeout: 100_000 }, () => {
  it('WebSocket, TLS with a CA or none, WebSocket over TLS', async () => {
    const broker = await startBroker()
    onTestFinished(() => broker.close())
    const directory = temporaryDirectory({ 'ca.crt': broker.certificate })
    const ca = ['--cafile', join(directory, 'ca.crt')]
    const port = ['-p', `${broker.port}`]
    const message = ['-t', 'a', '-m', 'x', '-q', '1']
    const codes = async (...args: string[]) =>
      (await topicwire(['pub', ...port, ...message, ...args]).ended).exitCode
    expect(
      await Promise.all([codes('--ws'), codes(...ca), codes('--capath', directory), codes('--ws', ...ca)]),
    ).toEqual([0, 0, 0, 0])
    const unknown = await topicwire(['pub', '-L', `mqtts://localhost:${broker.port}/a`, '-m', 'x']).ended
    expect(unknown).toMatchObject({ exitCode: 1, out: '' })
    expect(unknown.error).toMatch(/^topicwire: .*certificate.*\n$/)
    expect(await codes('-h', '127.0.0.1', ...ca, '--insecure')).toBe(0)
    expect(
      (await topicwire(['pub', '-L', `wss://localhost:${broker.port}/a`, '-m', 'x', '--insecure']).ended)
        .exitCode,
    ).toBe(0)
  })
})

describe('whom a client trusts, and where it comes from', { timeout: 100_000 }, () => {
  it('a certificate for another name is refused in one sentence; --insecure does not look at the name', async () => {
    const { cert, key } = await makeCertificate({ names: ['other.example.com'] })
    const tls = createTlsServer({ cert, key }, (socket) => {
      // CONNACK, and whatever comes after is taken.
      socket.on('error', () => {}).once('data', () => socket.write(Uint8Array.of(0x20, 3, 0, 0, 0)))
    }).listen(0, '127.0.0.1')
    onTestFinished(() => void tls.close())
    await once(tls, 'listening')
    const { port } = tls.address() as AddressInfo
    const ca = join(temporaryDirectory({ 'ca.crt': cert }), 'ca.crt')
    const args = ['pub', '-h', 'localhost', '-p', `${port}`, '--cafile', ca, '-t', 'a', '-m', 'x']
    const refused = await topicwire(args).ended
    expect(refused).toMatchObject({ exitCode: 1, out: '' })
    expect(refused.error).toBe(
      `topicwire: The certificate of localhost:${port} is for another host; --insecure does not look at its name.\n`,
    )
    expect(await topicwire([...args, '--insecure']).ended).toMatchObject({ exitCode: 0, error: '' })
  })

  it.skipIf(process.platform !== 'linux')('-A is the address that the server sees', async () => {
    const broker = await startBroker()
    onTestFinished(() => broker.close())
    const seen = once(broker.broker, 'connect')
    const args = ['pub', '-p', `${broker.port}`, '-t', 'a', '-m', 'x']
    expect(await topicwire([...args, '-A', '127.0.0.9']).ended).toMatchObject({ exitCode: 0, error: '' })
    expect(await seen).toMatchObject([{ remoteAddress: expect.stringMatching(/^127\.0\.0\.9:/) }])
    const elsewhere = await topicwire([...args, '-A', '192.0.2.1']).ended
    expect(elsewhere).toMatchObject({ exitCode: 1, out: '' })
    expect(elsewhere.error).toMatch(/^topicwire: [^\n]*-A takes an address of this machine\.\n$/)
  })

  it('-A of a family that the server has no address of does not blame its name', async () => {
    const args = ['pub', '-h', '127.0.0.1', '-p', `${await freePort()}`, '-t', 'a', '-m', 'x', '-A', '::1']
    const { exitCode, error } = await topicwire(args).ended
    expect(exitCode).toBe(1)
    expect(error).not.toContain('no host named')
  })

  it('-d shows the packets of both directions on standard error', async () => {
    const broker = await startBroker()
    onTestFinished(() => broker.close())
    const args = ['pub', '-p', `${broker.port}`, '-i', 'me', '-t', 'a', '-m', 'xyz', '-q', '2', '-d']
    const { exitCode, out, error } = await topicwire(args).ended
    expect({ exitCode, out }).toEqual({ exitCode: 0, out: '' })
    expect(error.trimEnd().split('\n')).toEqual([
      '-> CONNECT clientId=me',
      '<- CONNACK reasonCode=0',
      '-> PUBLISH packetId=1 topic=a qos=2 bytes=3',
      '-> PUBREL packetId=1 reasonCode=0',
      expect.stringMatching(/^<- PUBCOMP packetId=1 reasonCode=0$/),
      '-> DISCONNECT reasonCode=0',
    ])
  })
})

describe('what goes wrong while running', { timeout: 100_000 }, () => {
  it.for([
    ['5', [135, 134]],
    ['311', [5, 4]],
  ] as const)(
    'a refusal of %s ends with the code of CONNACK, as mosquitto_pub ends',
    async ([version, codes], context) => {
      const closed = `${await startMosquitto(context, { open: false })}`
      const broker = await startBroker({ authenticate: () => false })
      onTestFinished(() => broker.close())
      const theirs = findPeer('mosquitto-clients')
      for (const [index, port] of [closed, `${broker.port}`].entries()) {
        const code = codes[index]
        const args = ['-p', port, '-V', version, '-t', 'a', '-m', 'x']
        const { exitCode, out, error } = await topicwire(['pub', ...args]).ended
        expect({ exitCode, out }).toEqual({ exitCode: code, out: '' })
        expect(error).toMatch(/^topicwire: [^\n]*(Not authorized|Bad user name or password)[^\n]*\n$/i)
        if (theirs !== undefined) expect((await new Tool(theirs, args).ended).exitCode).toBe(code)
      }
    },
  )

  it.each([
    ['nobody listens', ['-p', '1'], /localhost:1\b/],
    ['no such host', ['-h', 'nowhere.invalid'], /nowhere\.invalid/],
    ['no such socket', ['--unix', '/nowhere.sock'], /\/nowhere\.sock/],
    ['no such file', ['-f', '/nowhere.txt'], /^topicwire: \/nowhere\.txt cannot be read/],
    ['an empty file', ['-f', '/dev/null'], /^topicwire: \/dev\/null is empty; -n sends an empty message/],
    ['empty standard input', ['-s'], /^topicwire: standard input is empty/],
  ])('%s: 1, and one sentence', async (_, args, expected) => {
    const message = args.some((word) => word === '-f' || word === '-s') ? [] : ['-m', 'x']
    const { exitCode, out, error } = await topicwire(['pub', '-t', 'a', ...message, ...args]).input('').ended
    expect({ exitCode, out }).toEqual({ exitCode: 1, out: '' })
    expect(error).toMatch(expected)
    expect(error.trimEnd().split('\n')).toHaveLength(1)
  })

  it('--quiet says nothing', async () => {
    expect(await topicwire(['pub', '-p', '1', '-t', 'a', '-m', 'x', '--quiet']).ended).toMatchObject({
      exitCode: 1,
      out: '',
      error: '',
    })
  })

  it('a publication that is refused ends with its Reason Code, though more input could come', async () => {
    const broker = await startBroker({ authorizePublish: () => false })
    onTestFinished(() => broker.close())
    const tool = topicwire(['pub', '-p', `${broker.port}`, '-t', 'a', '-l', '-q', '1'])
    tool.child.stdin?.write('one\n')
    const { exitCode, error } = await tool.ended
    expect(exitCode).toBe(135)
    expect(error).toMatch(/Not authorized/)
  })

  it('-W ends with 27 when the server does not answer', async () => {
    const silent = shell(`$topicwire pub -p $PORT -t a -m x -W 1; echo "exit $?"`, {
      PORT: `${await silentServer()}`,
    })
    const { out, error } = await silent.ended
    expect(out).toBe('exit 27\n')
    expect(error).toBe('topicwire: Timed out.\n')
  })

  it('Ctrl+C says goodbye and ends by the signal, which a shell calls 130', async () => {
    const broker = await startBroker()
    onTestFinished(() => broker.close())
    const reasons: string[] = []
    broker.broker.on('disconnect', ({ reason }) => reasons.push(reason))
    const connected = new Promise((resolve) => broker.broker.on('connect', resolve))
    const tool = topicwire(['pub', '-p', `${broker.port}`, '-t', 'a', '-l'])
    await connected
    tool.child.kill('SIGINT')
    expect(await tool.ended).toMatchObject({ exitCode: null, signal: 'SIGINT', error: '' })
    expect(reasons).toEqual(['Normal disconnection'])
    expect((await shell('bash -c "kill -INT \\$\\$"; echo $?').ended).out).toBe('130\n')
  })
})

describe('wrong usage ends with 2 and a sentence', () => {
  it.each<[string[], string]>([
    [['-m', 'x'], 'Which topic? -t names it.'],
    [['-t', 'a'], 'What is the message? One of -m, -f, -l, -n, -s says it.'],
    [['-t', 'a/#', '-m', 'x'], '-t: a/# has a wildcard in it'],
    [['-t', '', '-m', 'x'], '-t: a topic has at least one character.'],
    [
      ['-t', 'a', '-m', 'x', '-n'],
      "option '-m, --message <text>' cannot be used with option '-n, --null-message'",
    ],
    [['-t', 'a', '-s', '-l'], 'cannot be used with'],
    [['-t', 'a', '-l', '--repeat', '2'], 'cannot be used with'],
    [['-t', 'a', '-L', 'mqtt://h/b', '-m', 'x'], 'both name a topic'],
    [['-t', 'a', '-m', 'x', '-q', '3'], 'QoS is 0, 1 or 2.'],
    [['-t', 'a', '-m', 'x', '--retian'], 'Did you mean --retain?'],
    [['-t', 'a', '-m', 'x', 'y'], 'too many arguments'],
  ])('%j', async (args, expected) => {
    const { exitCode, out, error } = await usage('pub', args)
    expect(error).toContain(expected)
    expect({ exitCode, out }).toEqual({ exitCode: 2, out: '' })
  })

  it('--help has every flag and examples, and succeeds', async () => {
    const { exitCode, out, error } = await usage('pub', ['--help'])
    expect({ exitCode, error }).toEqual({ exitCode: 0, error: '' })
    for (const word of ['Usage: topicwire pub', '--stdin-line', '--will-topic', 'Examples:'])
      expect(out).toContain(word)
  })

  it('topicwire help pub is the same, and a slip of the finger gets the right word', async () => {
    const [help, slip] = await Promise.all([topicwire(['help', 'pub']).ended, topicwire(['pbu']).ended])
    expect(help.out).toContain('Usage: topicwire pub')
    expect(slip).toMatchObject({ exitCode: 2, out: '' })
    expect(slip.error).toContain("there is no command 'pbu'. Did you mean pub?")
  })
})

/** Takes connections and says nothing. */
async function silentServer(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
