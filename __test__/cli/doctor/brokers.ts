/** Brokers for the doctor: Mosquitto, Aedes and our own, as somebody has set them up. Each ends with its test. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { Aedes } from 'aedes'
import { expect, onTestFinished, type TestContext } from 'vitest'
import { Broker, type BrokerOptions } from '../../../src/index.js'
import { startMosquitto } from '../../support/mosquitto.js'
import { requirePeer } from '../../support/peers.js'
import { temporaryFile } from '../../support/temporary.js'
import { Tool } from '../../support/tool.js'

export type Skip = Pick<TestContext, 'skip'>
/** Sets something up and gives the arguments of the doctor. */
export type Cause = (context: Skip) => Promise<readonly string[]>

const PASSWORD = 'correct-horse-battery'

export async function start(options: BrokerOptions = {}): Promise<Broker> {
  const broker = await Broker.start({ host: '127.0.0.1', port: 0, ...options })
  onTestFinished(() => broker.close({ drainTimeoutMs: 0 }))
  return broker
}

export function urlOf(broker: Broker): string {
  return broker.addresses[0]?.url ?? ''
}

export async function startAedes(): Promise<string> {
  const aedes = await Aedes.createBroker()
  const server = createServer(aedes.handle).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.close()
    await new Promise<void>((resolve) => aedes.close(() => resolve()))
  })
  return `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`
}

export async function mosquitto(
  context: Skip,
  options?: Parameters<typeof startMosquitto>[1],
): Promise<string> {
  return `mqtt://127.0.0.1:${await startMosquitto(context, options)}`
}

/** A Mosquitto that knows alice, who may publish and read below `hers/`. */
export async function mosquittoWithUser(context: Skip): Promise<string> {
  requirePeer('mosquitto', context)
  const users = temporaryFile('users', '')
  expect((await new Tool('mosquitto_passwd', ['-b', users, 'alice', PASSWORD]).ended).exitCode).toBe(0)
  const rules = temporaryFile('acl', 'user alice\ntopic readwrite hers/#\n')
  // It gives its rights away when root starts it, and then reads what everybody may.
  const lines = [`password_file ${users}`, `acl_file ${rules}`, 'user root']
  return mosquitto(context, { open: false, lines })
}

/** Who she is. */
export const alice = ['-u', 'alice', '-P', PASSWORD]
