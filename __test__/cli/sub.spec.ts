import { once } from 'node:events'
import { describe, expect, it, onTestFinished, type TestContext } from 'vitest'
import { type BrokerUnderTest, startBroker } from '../interop/broker-under-test.js'
import { startMosquitto } from '../support/mosquitto.js'
import { requirePeer } from '../support/peers.js'
import { shell, Tool, topicwire } from '../support/tool.js'
import { usage } from './usage.js'

async function ourBroker(...options: Parameters<typeof startBroker>): Promise<BrokerUnderTest> {
  const broker = await startBroker(...options)
  onTestFinished(() => broker.close())
  return broker
}

/** Subscribes and resolves when the subscription is there. */
async function listen(port: number, ...args: string[]): Promise<Tool> {
  const tool = topicwire(['sub', '-p', `${port}`, '-W', '100', '-d', ...args])
  await tool.shows(/SUBACK/)
  return tool
}

/** What does not depend on the time of arrival. Not `%12R`: theirs forgets the width where there is no response topic. */
const FORMATS = [
  '%t|%20t|%-20t|%5.3t|%-8.3t|%p|%l|%5l|%05l|%-05l|%q|%r|%x|%X|%m|%%|@@|\\t\\e\\\\',
  '%A|%5A|%C|%12C|%-12C|%D|%E|%05E|%F|%R|%S|%5S|%P|@%',
]

describe('what is printed', { timeout: 120_000 }, () => {
  it('is what mosquitto_sub prints for the same formats, -v, -N and nothing', async (context: TestContext) => {
    const theirs = requirePeer('mosquitto-clients', context).replace(/_pub$/, '_sub')
    const port = await startMosquitto(context)
    const ways = [...FORMATS.map((format) => ['-F', `${format}\\n`, '-N']), ['-v'], ['-v', '-N'], []]
    const pairs = ways.map((way) => {
      const args = ['-p', `${port}`, '-V', '5', '-t', 'f/#', '-C', '3', '-W', '100', '-q', '1', '-d', ...way]
      // Without a terminal theirs shows nothing before it ends, unless somebody sees to that.
      return [new Tool('stdbuf', ['-oL', theirs, ...args]), topicwire(['sub', ...args])] as const
    })
    for (const tool of pairs.flat()) await tool.shows(/SUBACK/)
    const publish = async (input: string | Buffer, ...args: string[]) => {
      expect(await topicwire(['pub', '-p', `${port}`, ...args]).input(input).ended).toMatchObject({
        exitCode: 0,
      })
    }
    await publish(
      ...([
        '',
        '-t',
        'f/long/topic',
        '-m',
        '{"a": 1.5}',
        '-q',
        '1',
        '-D',
        'publish',
        'content-type',
        'te"xt',
      ] as const),
      ...['-D', 'publish', 'correlation-data', 'data', '-D', 'publish', 'payload-format-indicator', '1'],
      ...['-D', 'publish', 'response-topic', 'r/t', '-D', 'publish', 'user-property', 'k', 'v'],
      ...['-D', 'publish', 'user-property', 'l', 'w x'],
    )
    await publish('', '-t', 'f/n', '-n')
    await publish(Buffer.from([0xff, 0x0a, 0x41]), '-t', 'f/b', '-s')
    for (const [index, [their, our]] of pairs.entries()) {
      const [expected] = await Promise.all([their.ended, our.ended])
      expect(expected.exitCode).toBe(0)
      // Theirs shows its packets on standard output, with -N in the middle of a line.
      const shown = their.bytes
        .toString('latin1')
        .replace(/(Client (auto-|\(null\))|Subscribed \(mid).*\n/g, '')
      expect(our.bytes.toString('latin1'), ways[index]?.join(' ')).toBe(shown)
    }
  })

  it('--json is a line for each message, %J leaves out what is not JSON and says so', async () => {
    const { broker, port } = await ourBroker()
    const tools = [
      await listen(port, '-t', 'a', '--json', '-C', '2'),
      await listen(port, '-t', 'a', '-F', '%J', '-C', '2'),
    ]
    broker.publish('a', Buffer.from([0xff]))
    broker.publish('a', '{"n":1}')
    const [json, quoted] = await Promise.all(tools.map((tool) => tool.ended))
    expect(
      json?.out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as object),
    ).toMatchObject([
      { topic: 'a', payloadBase64: '/w==' },
      { topic: 'a', payload: '{"n":1}' },
    ])
    expect(JSON.parse(quoted?.out ?? '')).toMatchObject({ topic: 'a', payload: { n: 1 } })
    expect(quoted?.error).toContain('topicwire: The payload on a is not JSON.\n')
  })
})

describe('which messages', { timeout: 120_000 }, () => {
  it('-T leaves out topics, -R what is retained, --random-filter some; -C counts what is left', async () => {
    const { broker, port } = await ourBroker()
    broker.publish('a/old', 'old', { retain: true })
    const tool = await listen(port, '-t', 'a/#', '-T', 'a/no/+', '-R', '-C', '2', '-v')
    const rare = await listen(port, '-t', 'b', '-C', '100', '--random-filter', '0.001')
    for (const topic of ['a/1', 'a/no/2', 'a/3', 'a/4']) broker.publish(topic, 'x')
    for (let index = 0; index < 100; index++) broker.publish('b', 'x')
    expect(await tool.ended).toMatchObject({ exitCode: 0, out: 'a/1 x\na/3 x\n' })
    const { exitCode, out } = await rare.ended
    expect(exitCode).toBe(0)
    expect(out.length).toBeLessThan(20)
  })

  it('--retained-only ends at the first other one, --remove-retained removes them', async () => {
    const { broker, port } = await ourBroker()
    for (const topic of ['a/1', 'a/2', 'b']) broker.publish(topic, 'x', { retain: true })
    const tool = await listen(port, '-t', 'a/#', '--retained-only', '--remove-retained', '-F', '%t %r')
    await tool.shows(/a\/1[\s\S]*a\/2/)
    broker.publish('a/1', 'fresh')
    const { exitCode, out } = await tool.ended
    expect({ exitCode, lines: out.trimEnd().split('\n').sort() }).toEqual({
      exitCode: 0,
      lines: ['a/1 1', 'a/2 1'],
    })
    const left = await topicwire(['sub', '-p', `${port}`, '-t', '#', '-W', '5', '-v']).ended
    expect(left).toMatchObject({ exitCode: 27, out: 'b x\n', error: 'topicwire: Timed out.\n' })
  })

  it('-E makes a session; -c gets what has come since, and -C leaves the rest to the next time', async () => {
    const { broker, port } = await ourBroker()
    const args = ['sub', '-p', `${port}`, '-i', 'me', '-c', '-q', '1', '-t', 'a']
    expect(await topicwire([...args, '-E']).ended).toMatchObject({ exitCode: 0, out: '', error: '' })
    for (const text of ['one', 'two', 'three']) broker.publish('a', text, { qos: 1 })
    expect(await topicwire([...args, '-C', '1']).ended).toMatchObject({ exitCode: 0, out: 'one\n' })
    expect(await topicwire([...args, '-C', '2', '-W', '60']).ended).toMatchObject({
      exitCode: 0,
      out: 'two\nthree\n',
    })
  })
})

describe('how it ends', { timeout: 120_000 }, () => {
  it.for(['5', '311'])('27 after -W, with %s, as mosquitto_sub', async (version, context) => {
    const port = await startMosquitto(context)
    const { exitCode, out } = await topicwire(['sub', '-p', `${port}`, '-t', 'a', '-W', '2', '-V', version])
      .ended
    expect({ exitCode, out }).toEqual({ exitCode: 27, out: '' })
  })

  it('with the Reason Code of a refused subscription; one that is granted goes on', async () => {
    const { broker, port } = await ourBroker({
      authorizeSubscribe: ({ topicFilter }) => topicFilter !== 'secret',
    })
    const refused = await topicwire(['sub', '-p', `${port}`, '-t', 'secret']).ended
    expect(refused).toMatchObject({ exitCode: 135, out: '' })
    expect(refused.error).toMatch(/^topicwire: [^\n]*Not authorized[^\n]*\n$/)
    const half = await listen(port, '-t', 'secret', '-t', 'open', '-C', '1')
    await half.shows(/refused secret/)
    broker.publish('open', 'x')
    expect(await half.ended).toMatchObject({ exitCode: 0, out: 'x\n' })
  })

  it('142 when another takes its place: two of them do not fight', async () => {
    const { port } = await ourBroker()
    const first = await listen(port, '-t', 'a', '-i', 'same')
    const second = await listen(port, '-t', 'a', '-i', 'same')
    const { exitCode, error } = await first.ended
    expect(exitCode).toBe(142)
    expect(error).toMatch(/Session taken over/)
    second.child.kill('SIGTERM')
    expect(await second.ended).toMatchObject({ exitCode: null, signal: 'SIGTERM' })
  })

  it('comes back after a broker that was away, and subscribes again', async () => {
    const { broker, port } = await ourBroker()
    const tool = await listen(port, '-t', 'a', '-C', '1')
    await broker.close()
    await tool.shows(/The connection is lost; trying again/)
    const next = await ourBroker({ host: '127.0.0.1', port })
    await once(next.broker, 'subscribe')
    next.broker.publish('a', 'again')
    expect(await tool.ended).toMatchObject({ exitCode: 0, out: 'again\n' })
  })

  it('quietly with 0 when its reader has seen enough', async () => {
    const { broker, port } = await ourBroker()
    const reasons: string[] = []
    broker.on('disconnect', ({ reason }) => reasons.push(reason))
    const tool = shell(`$topicwire sub -p ${port} -t a | head -1; echo "\${PIPESTATUS[0]}"`)
    await once(broker, 'subscribe')
    // Nothing comes after it: that the reader is gone is not found out by writing to it.
    broker.publish('a', 'x')
    expect(await tool.ended).toMatchObject({ out: 'x\n0\n', error: '' })
    expect(reasons).toEqual(['Normal disconnection'])
  })

  it.skipIf(process.platform !== 'linux')(
    'on a terminal Ctrl+C says goodbye; the shell has 130',
    async () => {
      const { broker, port } = await ourBroker()
      const reasons: string[] = []
      broker.on('disconnect', ({ reason }) => reasons.push(reason))
      // `script` is the terminal: what is typed there, 3 for Ctrl+C, comes from standard input.
      const tool = shell(
        `script --quiet --return --command "$topicwire sub -p ${port} -t a -v" /dev/null; echo "exit $?"`,
      )
      await once(broker, 'subscribe')
      broker.publish('a', 'x\x1b[2J')
      await tool.shows(/^a x\\x1b\[2J\r?$/m)
      tool.child.stdin?.write('\x03')
      await tool.shows(/exit 130/)
      expect(reasons).toEqual(['Normal disconnection'])
      expect(tool.out).not.toContain('\x1b[')
    },
  )

  it('a slow reader gets everything', async () => {
    const { broker, port } = await ourBroker({ limits: { maximumQueuedMessages: 10_000 } })
    const count = 3_000
    const tool = shell(`$topicwire sub -p ${port} -t a -q 1 -C ${count} | { sleep 2; wc -l; }`)
    await once(broker, 'subscribe')
    for (let index = 0; index < count; index++) broker.publish('a', 'x'.repeat(1_000), { qos: 1 })
    expect((await tool.ended).out.trim()).toBe(`${count}`)
  })
})

describe('wrong usage ends with 2 and a sentence', () => {
  it.each<[string[], string]>([
    [[], 'Which topics? -t names them.'],
    [['-t', 'a/#/b'], '-t: in a/#/b the # is not alone in the last level.'],
    [['-t', 'a+'], '-t: in a+ a + is not alone in its level.'],
    [['-t', '$share/x'], '-t: a shared subscription is $share/name/filter'],
    [['-t', 'a', '-T', 'b#'], '-T: in b# the #'],
    [['-t', 'a', '-U', ''], '-U: a topic has at least one character.'],
    [['-t', 'a', '-C', '0'], 'It is a whole number from 1 to 4294967295.'],
    [['-t', 'a', '-W', 'x'], 'It is a number of seconds.'],
    [['-t', 'a', '-F', '%z'], '-F: %z is not one of'],
    [['-t', 'a', '-F', '%t', '--json'], 'cannot be used with'],
    [['-t', 'a', '-R', '--retained-only'], 'cannot be used with'],
    [['-t', 'a', '--retain-as-published', '-V', '311'], 'only MQTT 5.0 has it'],
    [['-t', 'a', '--random-filter', '0'], 'It is more than 0 and at most 100.'],
    [['-t', 'a', '--verbos'], 'Did you mean --verbose?'],
  ])('%j', async (args, expected) => {
    const { exitCode, out, error } = await usage('sub', args)
    expect(error).toContain(expected)
    expect({ exitCode, out }).toEqual({ exitCode: 2, out: '' })
  })
})
