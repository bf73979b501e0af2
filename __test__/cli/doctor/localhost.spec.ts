/** `localhost` is ::1 on one machine, 127.0.0.1 on another and both on a third, and brokers listen at one of them. */
import { networkInterfaces } from 'node:os'
import { expect, it, onTestFinished } from 'vitest'
import { Broker } from '../../../src/index.js'
import { freePort } from '../../support/free-port.js'
import { withHosts } from '../../support/resolver.js'
import { Tool } from '../../support/tool.js'
import { examinedBehind, line } from './examined.js'

const LIMIT = { timeout: 60_000 }

/** A broker at each of the addresses, at the same port. */
async function startAt(addresses: readonly string[]): Promise<number> {
  const port = await freePort()
  for (const host of addresses) {
    const broker = await Broker.start({ host, port })
    onTestFinished(() => broker.close({ drainTimeoutMs: 0 }))
  }
  return port
}

/** What becomes of a client that tries the first address of a name and no other. */
async function firstAddressOnly(prefix: readonly string[], port: number): Promise<string> {
  const client = `import { connect } from 'node:net'
    connect({ host: 'localhost', port: ${port}, autoSelectFamily: false })
      .on('connect', () => process.stdout.write('connected', () => process.exit()))
      .on('error', ({ code }) => process.stdout.write(code))`
  const command = [...prefix, process.execPath, '--input-type=module', '--eval', client]
  const [program = '', ...args] = command
  return (await new Tool(program, args).ended).out
}

const both = ['::1', '127.0.0.1']
const cases: readonly [localhost: string[], listening: string[], expected: string, client: RegExp][] = [
  [
    ['::1'],
    ['127.0.0.1'],
    'fail: nothing listens at localhost:PORT, but the same port answers at 127.0.0.1. Connect to 127.0.0.1, or',
    /^(ECONNREFUSED|EADDRNOTAVAIL)$/,
  ],
  [
    ['127.0.0.1'],
    ['::1'],
    'fail: nothing listens at localhost:PORT, but the same port answers at ::1. Connect to ::1, or',
    /^ECONNREFUSED$/,
  ],
  [
    both,
    ['127.0.0.1'],
    'warn: localhost is also ::1, where nothing answers, and that is what comes first; 127.0.0.1 does. Clients that try one address only fail: give them 127.0.0.1, or',
    /^(ECONNREFUSED|EADDRNOTAVAIL)$/,
  ],
  [
    both,
    ['::1'],
    'warn: localhost is also 127.0.0.1, where nothing answers; ::1 does. Clients that try one address only fail: give them ::1, or',
    /^connected$/,
  ],
  [both, both, 'ok: localhost is ::1, 127.0.0.1, and all of them answer', /^connected$/],
]

it.for(cases)(
  'the doctor sees that localhost is %j, and that a broker listens at %j',
  LIMIT,
  async ([localhost, listening, expected, client], context) => {
    const hasIPv6 = Object.values(networkInterfaces()).some((all) =>
      all?.some(({ family }) => family === 'IPv6'),
    )
    if (listening.includes('::1') && !hasIPv6)
      return context.skip('this machine has no IPv6 to listen at ::1')
    const prefix = withHosts(
      localhost.map((address) => `${address} localhost`),
      context,
    )
    const port = await startAt(listening)
    expect(await firstAddressOnly(prefix, port)).toMatch(client)
    const found = await examinedBehind(prefix, `mqtt://localhost:${port}`)
    expect(line(found.of('address-family')).replaceAll(String(port), 'PORT')).toContain(expected)
  },
)
