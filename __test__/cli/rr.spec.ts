import { describe, expect, it, onTestFinished } from 'vitest'
import type { BrokerOptions } from '../../src/index.js'
import { type BrokerUnderTest, startBroker } from '../interop/broker-under-test.js'
import { startMosquitto } from '../support/mosquitto.js'
import { topicwire } from '../support/tool.js'
import { usage } from './usage.js'

/** A broker whose topic `upper` answers in capitals; `before` is published to each requester first. */
async function brokerWithResponder(before?: string, options: BrokerOptions = {}): Promise<BrokerUnderTest> {
  const place = await startBroker(options)
  onTestFinished(() => place.close())
  const { broker } = place
  broker.subscribe('upper', (message) => {
    const { responseTopic = 'answers', correlationData } = message.properties
    if (before !== undefined) {
      broker.publish(responseTopic, before, { correlationData: Buffer.from('of another') })
    }
    broker.publish(responseTopic, message.text().toUpperCase(), {
      ...(correlationData !== undefined && { correlationData }),
    })
  })
  return place
}

describe('a request', { timeout: 100_000 }, () => {
  it('gets its response, and not that of another', async () => {
    const { port } = await brokerWithResponder('not for us')
    const server = ['rr', '-p', `${port}`, '-t', 'upper', '-W', '60']
    expect(await topicwire([...server, '-m', 'hello']).ended).toEqual({
      exitCode: 0,
      signal: null,
      out: 'HELLO\n',
      error: '',
    })
    const named = await topicwire([
      ...server,
      '-s',
      '-e',
      'my/answers',
      '-F',
      '%t %D %p',
      '-D',
      'PUBLISH',
      'correlation-data',
      'c1',
    ]).input('text').ended
    expect(named).toMatchObject({ exitCode: 0, out: 'my/answers c1 TEXT\n' })
  })

  it('has its response where the server gives a place for it, unless -e or -D says otherwise', async () => {
    const { port } = await brokerWithResponder(undefined, { responseInformation: 'replies/%c/' })
    const args = ['rr', '-p', `${port}`, '-i', 'me', '-t', 'upper', '-m', 'x', '-W', '60', '-F', '%t']
    expect((await topicwire(args).ended).out).toMatch(/^replies\/me\/[0-9a-f]{16}\n$/)
    expect((await topicwire([...args, '-e', 'my/own']).ended).out).toBe('my/own\n')
    const unasked = ['-D', 'CONNECT', 'request-response-information', '0']
    expect((await topicwire([...args, ...unasked]).ended).out).toMatch(
      /^topicwire\/responses\/[0-9a-f]{16}\n$/,
    )
  })

  it('of 3.1.1 names its response topic', async () => {
    const { port } = await brokerWithResponder()
    const args = ['rr', '-p', `${port}`, '-t', 'upper', '-m', 'x', '-V', '311', '-e', 'answers', '-W', '60']
    expect(await topicwire(args).ended).toMatchObject({ exitCode: 0, out: 'X\n' })
  })

  it('that nobody answers ends with 27, as mosquitto_rr', async (context) => {
    const port = await startMosquitto(context)
    const { exitCode, out } = await topicwire(['rr', '-p', `${port}`, '-t', 'a', '-m', 'x', '-W', '2']).ended
    expect({ exitCode, out }).toEqual({ exitCode: 27, out: '' })
  })
})

describe('wrong usage ends with 2 and a sentence', () => {
  it.each<[string[], string]>([
    [['-m', 'x'], 'Which topic? -t names it.'],
    [['-t', 'a'], 'What is the message?'],
    [['-t', 'a', '-m', 'x', '-e', 'b/#'], '-e: b/# has a wildcard in it'],
    [['-t', 'a', '-m', 'x', '-V', '311'], '-e: before MQTT 5.0'],
  ])('%j', async (args, expected) => {
    const { exitCode, out, error } = await usage('rr', args)
    expect(error).toContain(expected)
    expect({ exitCode, out }).toEqual({ exitCode: 2, out: '' })
  })
})
