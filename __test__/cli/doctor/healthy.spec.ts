/** The doctor has nothing against brokers that are well, and leaves them as they were. */
import { once } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import { connect, connectAsync } from '../../../src/index.js'
import { makeCertificate } from '../../support/certificates.js'
import { temporaryFile } from '../../support/temporary.js'
import { alice, type Cause, mosquitto, mosquittoWithUser, start, startAedes, urlOf } from './brokers.js'
import { examined } from './examined.js'

const LIMIT = { timeout: 60_000 }

describe('the doctor finds nothing against', () => {
  const healthy: readonly [string, Cause][] = [
    ['Mosquitto', async (context) => [await mosquitto(context)]],
    [
      'Mosquitto with a user',
      async (context) => [await mosquittoWithUser(context), ...alice, '--topic', 'hers/#'],
    ],
    ['Mosquitto in 3.1.1', async (context) => [await mosquitto(context), '-V', '311']],
    ['Aedes', async () => [await startAedes()]],
    ['topicwire', async () => [urlOf(await start())]],
    ['topicwire in 3.1.1', async () => [urlOf(await start()), '-V', '311']],
    ['topicwire in 3.1', async () => [urlOf(await start()), '-V', '31']],
    [
      'topicwire over WebSocket',
      async () => [urlOf(await start({ listeners: [{ protocol: 'ws', port: 0 }] }))],
    ],
    [
      'topicwire for a page of its own host',
      async () => {
        const port = (await start()).addresses[0]?.port
        return [`ws://127.0.0.1:${port}/mqtt`, '--page', `http://127.0.0.1:${port}/`, '-k', '120']
      },
    ],
    ...(['mqtts', 'wss'] as const).map((scheme): [string, Cause] => [
      `topicwire over ${scheme}`,
      async () => {
        const tls = await makeCertificate()
        const port = (await start({ tls })).addresses[0]?.port
        const path = scheme === 'wss' ? '/mqtt' : ''
        return [`${scheme}://localhost:${port}${path}`, '--cafile', temporaryFile('ca.pem', tls.cert)]
      },
    ]),
  ]

  it.for(healthy)('%s', LIMIT, async ([_name, place], context) => {
    const { checks } = await examined(...(await place(context)))
    expect(checks.filter(({ status }) => status === 'fail')).toEqual([])
    const well = checks.filter(({ status }) => status === 'ok').map(({ code }) => code)
    expect(well).toEqual(
      expect.arrayContaining(['network', 'scheme', 'version', 'log-in', 'permissions', 'qos']),
    )
    const { status: session } = checks.find(({ code }) => code === 'session') ?? {}
    expect(session).toMatch(/^(ok|skip)$/)
  })
})

it('leaves nothing behind, and gives a healthy broker nothing to warn of', LIMIT, async () => {
  const lines: string[] = []
  const log = (_fields: object, message: string): void => void lines.push(message)
  const quiet = (): void => {}
  const logger = { debug: quiet, info: quiet, warn: log, error: log }
  const broker = await start({ logger, sysIntervalSecs: 0 })
  const runs = [[], ['-V', '311'], ['--topic', 'a/#', '--client-id', 'device-7']]
  await Promise.all(runs.map((more) => examined(urlOf(broker), ...more)))
  const left = (): boolean => broker.metrics().sessions !== 0
  while (left()) await new Promise((resolve) => setTimeout(resolve, 10))
  expect(broker.metrics()).toMatchObject({ sessions: 0, clientsConnected: 0, retainedMessages: 0 })
  expect(lines).toEqual([])
})

it('does not end the session of the client whose id it is given', LIMIT, async () => {
  const broker = await start()
  const options = { clientId: 'device-7', clean: false, properties: { sessionExpiryInterval: 600 } }
  const device = await connectAsync(urlOf(broker), options)
  await device.subscribeAsync('orders/#', { qos: 1 })
  await device.endAsync()
  broker.publish('orders/1', 'one', { qos: 1 })
  expect((await examined(urlOf(broker), '--client-id', 'device-7')).of('client-id').status).toBe('ok')
  const again = connect(urlOf(broker), options)
  onTestFinished(() => void again.end(true))
  const message = once(again, 'message')
  expect(String((await message)[1])).toBe('one')
})
