/** mosquitto_pub and mosquitto_sub: one process per message and one per subscription. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { BrokerUnderTest } from '../broker-under-test.js'
import { Inbox, type Peer, type Qos, type Subscription } from './peer.js'

/** The words of their `-V`. */
export type MosquittoVersion = '31' | '311' | '5'

const NAMES: Record<MosquittoVersion, string> = { 31: '3.1', 311: '3.1.1', 5: '5.0' }

/** QoS, retain flag, payload in hexadecimal, topic name: the last because it may contain spaces. */
const FORMAT = '%q %r %x %t'
const MESSAGE = /^([012]) ([01]) ([0-9a-f]*) (.*)$/

/** Runs mosquitto_pub with the payload on its standard input, and resolves when it has ended with 0. */
export async function mosquittoPub(
  broker: BrokerUnderTest,
  args: readonly string[],
  payload: Buffer,
): Promise<void> {
  const body = payload.length === 0 ? '-n' : '-s'
  const child = spawn('mosquitto_pub', ['-h', broker.host, '-p', String(broker.port), ...args, body])
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  child.stdin.end(payload)
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`mosquitto_pub ended with ${code}: ${stderr}`)
}

/** A running mosquitto_sub whose subscription has been granted. */
export async function mosquittoSub(
  broker: BrokerUnderTest,
  args: readonly string[],
): Promise<Subscription & { child: ChildProcess }> {
  // -d is how it says that the SUBACK has come; those lines do not look like FORMAT. Without stdbuf they would wait in
  // its buffer for the first message.
  const command = ['mosquitto_sub', '-h', broker.host, '-p', String(broker.port), '-d', '-F', FORMAT, ...args]
  const child = spawn('stdbuf', ['-oL', ...command])
  const inbox = new Inbox()
  const log: string[] = []
  const closed = once(child, 'close')
  child.stderr.on('data', (chunk: Buffer) => log.push(chunk.toString()))
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [, qos, retain, payload = '', topicName = ''] = MESSAGE.exec(line) ?? []
      if (qos !== undefined) {
        const message = { payload: Buffer.from(payload, 'hex'), topicName, retain: retain === '1' }
        inbox.push({ ...message, qos: Number(qos) as Qos })
        return
      }
      log.push(line)
      if (line.startsWith('Subscribed (')) resolve()
    })
    child.once('error', reject)
    child.once('close', () => reject(new Error(`mosquitto_sub ended before its SUBACK:\n${log.join('\n')}`)))
  })
  return {
    child,
    inbox,
    async close() {
      child.kill('SIGTERM')
      await closed
    },
  }
}

export function mosquittoPeer(version: MosquittoVersion): Peer {
  let broker: BrokerUnderTest | undefined
  const subscriptions = new Set<Subscription>()
  return {
    name: `mosquitto_pub/sub -V ${version} (${NAMES[version]})`,
    slug: `mosquitto-${version}`,
    program: 'mosquitto-clients',
    async open(underTest) {
      broker = underTest
    },
    async subscribe(topicFilter, qos) {
      if (broker === undefined) throw new Error('the peer is not open')
      const subscription = await mosquittoSub(broker, ['-V', version, '-t', topicFilter, '-q', String(qos)])
      subscriptions.add(subscription)
      return subscription
    },
    async publish(topicName, payload, { qos = 0, retain = false } = {}) {
      if (broker === undefined) throw new Error('the peer is not open')
      const args = ['-V', version, '-t', topicName, '-q', String(qos), ...(retain ? ['-r'] : [])]
      await mosquittoPub(broker, args, payload)
    },
    async close() {
      // left alone they would try for ever to find a broker that is gone
      await Promise.all([...subscriptions].map((subscription) => subscription.close()))
    },
  }
}
