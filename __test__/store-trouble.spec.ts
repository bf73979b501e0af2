/** A disk that is full, or that lets no file grow: nobody is told of a success that is none. */
import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Broker, connect, type MqttClient } from '../src/index.js'
import { RunningCommand } from './support/command.js'
import { temporaryDirectory } from './support/temporary.js'
import { until } from './support/until.js'

const MOUNT_BYTES = 8 << 20

/** Whether this machine lets us mount a file system of a few megabytes: a container often does not, nor a user. */
const canMount = (() => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  const probe = '/tmp/topicwire-mount-probe'
  const script = `mkdir -p ${probe} && mount -t tmpfs -o size=1m none ${probe} && umount ${probe}; rmdir ${probe}`
  return spawnSync('sh', ['-c', script]).status === 0
})()

/** A small file system, unmounted when the test is over. */
function smallDisk(): string {
  const directory = temporaryDirectory()
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${MOUNT_BYTES}`, 'none', directory])
  onTestFinished(() => void spawnSync('umount', ['-l', directory]))
  return directory
}

/** Writes until the disk takes no more. */
function fill(path: string): void {
  for (const size of [1 << 20, 1 << 16, 1 << 12]) {
    try {
      for (let n = 0; ; n += 1) writeFileSync(`${path}-${size}-${n}`, Buffer.alloc(size, 1), { flag: 'wx' })
    } catch {
      // Full.
    }
  }
}

/** A client with a session that stays; the payloads that it receives go to `received`, from the first on. */
async function client(
  port: number,
  clientId: string,
  options: object = {},
  received: string[] = [],
): Promise<MqttClient> {
  const connecting = connect({
    ...{ port, clientId, clean: false, reconnectPeriod: 0, protocolVersion: 5 },
    properties: { sessionExpiryInterval: 3600 },
    ...options,
  })
  onTestFinished(() => connecting.endAsync(true))
  connecting.on('message', (_, payload) => received.push(payload.toString()))
  await new Promise<void>((resolve, reject) => {
    connecting.once('connect', () => resolve())
    connecting.once('error', reject)
  })
  return connecting
}

describe.skipIf(!canMount)('a full disk (needs the right to mount one)', () => {
  it('refuses what needs it, serves the rest, says so once, and goes on when there is room', async () => {
    const disk = smallDisk()
    const logged: string[] = []
    const log = (level: string) => (_: object, text: string) => logged.push(`${level}: ${text}`)
    const logger = { debug() {}, info: log('info'), warn: log('warn'), error: log('error') }
    const broker = await Broker.start({
      ...{ port: 0, host: '127.0.0.1', logger, sysIntervalSecs: 1 },
      store: { path: join(disk, 'data'), durability: 'power' },
    })
    onTestFinished(() => broker.close({ drainTimeoutMs: 100 }).catch(() => {}))
    const port = broker.addresses[0]?.port ?? 0
    const health = async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).status
    const subscriber = await client(port, 'subscriber')
    await subscriber.subscribeAsync('queue', { qos: 1 })
    await subscriber.endAsync()
    const publisher = await client(port, 'publisher', { clean: true, properties: {} })
    await publisher.publishAsync('queue', 'before', { qos: 1 })
    expect(await health()).toBe(200)

    fill(join(disk, 'filler'))
    const accepted = ['before']
    const refusals: unknown[] = []
    for (let n = 0; refusals.length < 3; n += 1) {
      const payload = `${n} ${'x'.repeat(60_000)}`
      await publisher.publishAsync('queue', payload, { qos: 1 }).then(
        () => accepted.push(payload),
        (error: unknown) => refusals.push(error),
      )
      expect(n).toBeLessThan(500)
    }
    expect(refusals[2]).toMatchObject({ code: 'ERR_MQTT_PUBLISH_REFUSED', reasonCode: 0x97 })
    expect(broker.storeStatus).toMatchObject({ state: 'failing' })
    expect(await health()).toBe(503)
    await expect(broker.publish('queue', 'x', { qos: 1 })).rejects.toMatchObject({
      code: 'ERR_MQTT_STORE_FAILED',
    })
    // What needs no store goes on.
    const heard: string[] = []
    const listener = await client(port, 'listener', { clean: true, properties: {} }, heard)
    await listener.subscribeAsync('live', { qos: 1 })
    await publisher.publishAsync('live', 'on', { qos: 1 })
    await until(() => heard.length > 0, 'the message that needs no store')
    await until(() => (broker.metrics().storeRetries ?? 0) >= 2, 'further attempts', 20_000)

    execFileSync('sh', ['-c', `rm ${join(disk, 'filler')}*`])
    // The next attempt is at most five seconds away.
    await until(() => broker.storeStatus?.state === 'working', 'the store', 20_000)
    expect(await health()).toBe(200)
    await publisher.publishAsync('queue', 'after', { qos: 1 })
    accepted.push('after')
    const said = logged.filter((line) => line.includes('The store'))
    expect(said).toHaveLength(2)
    expect(said[0]).toMatch(/^error: The store does not do its work/)
    expect(said[1]).toBe('warn: The store does its work again.')

    const received: string[] = []
    await client(port, 'subscriber', {}, received)
    await until(() => received.includes('after'), 'the queue')
    // One that was refused late may be there as well.
    expect(received).toEqual(expect.arrayContaining(accepted))
  })

  it('a client holds QoS 2 back, says so once, and goes on when there is room', async () => {
    const disk = smallDisk()
    const broker = await Broker.start({ port: 0, host: '127.0.0.1' })
    onTestFinished(() => broker.close())
    const port = broker.addresses[0]?.port ?? 0
    const store = { path: join(disk, 'data') }
    const received: string[] = []
    const keeper = await client(port, 'keeper', { store }, received)
    await keeper.subscribeAsync('a', { qos: 2 })
    const errors: unknown[] = []
    keeper.on('error', (error) => errors.push(error))
    fill(join(disk, 'filler'))
    // In one batch, larger than what is left of the disk.
    const sent = Array.from({ length: 20 }, (_, n) =>
      keeper.publishAsync('a', `${n} ${'x'.repeat(60_000)}`, { qos: 2 }),
    )
    await until(() => errors.length > 0, 'trouble')
    expect(errors).toMatchObject([{ code: 'ERR_MQTT_STORE_FAILED' }])
    expect(received).toEqual([])
    execFileSync('sh', ['-c', `rm ${join(disk, 'filler')}*`])
    await Promise.all(sent)
    await until(() => received.length === 20, 'all messages')
    expect(errors).toHaveLength(1)
    await keeper.endAsync()
  }, 30_000)

  it('close gives up after its time, and says that something is missing', async () => {
    const disk = smallDisk()
    const broker = await Broker.start({ store: { path: join(disk, 'data') } })
    await broker.publish('a', 'x', { qos: 1, retain: true })
    fill(join(disk, 'filler'))
    await until(() => {
      void broker.publish('a', Buffer.alloc(200_000, 1), { qos: 1, retain: true }).catch(() => {})
      return broker.storeStatus?.state === 'failing'
    }, 'trouble')
    await expect(broker.close({ drainTimeoutMs: 200 })).rejects.toMatchObject({
      code: 'ERR_MQTT_STORE_FAILED',
    })
  })
})

describe.skipIf(process.platform !== 'linux')(
  'a process that may not write more than a megabyte to a file',
  () => {
    it('refuses what needs the store, and does not end', async () => {
      const directory = temporaryDirectory()
      const command = new RunningCommand(['-p', '0', '--data', join(directory, 'data')], {}, [
        // The signal of that limit would end the process; ignored, it is an error of the call.
        ...['bash', '-c', `trap '' XFSZ; ulimit -f 2048; exec "$0" "$@"`],
      ])
      const port = await command.port()
      const subscriber = await client(port, 'subscriber')
      await subscriber.subscribeAsync('queue', { qos: 1 })
      await subscriber.endAsync()
      const publisher = await client(port, 'publisher', { clean: true, properties: {} })
      let refused: unknown
      for (let n = 0; refused === undefined && n < 500; n += 1) {
        await publisher.publishAsync('queue', 'x'.repeat(60_000), { qos: 1 }).catch((error: unknown) => {
          refused = error
        })
      }
      expect(refused).toMatchObject({ code: 'ERR_MQTT_PUBLISH_REFUSED' })
      await publisher.publishAsync('elsewhere', 'x', { qos: 1 })
      command.child.kill('SIGTERM')
      const { exitCode, error } = await command.ended
      expect(exitCode).toBe(1)
      expect(error).toContain('The store does not do its work')
    })
  },
)
