/** The command with its data in a directory: killed, started again, started twice, and ended in order. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { connect, type MqttClient } from '../../src/index.js'
import { RunningCommand, runCommand } from '../support/command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { until } from '../support/until.js'

/** A client with a session that stays; what it receives goes to `received`. */
async function client(port: number, clientId: string, received: string[] = []): Promise<MqttClient> {
  const connecting = connect({ port, clientId, clean: false, protocolVersion: 4, reconnectPeriod: 0 })
  onTestFinished(() => connecting.endAsync(true))
  connecting.on('message', (topic, payload) => received.push(`${topic} ${payload}`))
  connecting.on('error', () => {})
  await new Promise<void>((resolve) => connecting.once('connect', () => resolve()))
  return connecting
}

describe('a broker that is killed', () => {
  it.each(['process', 'power'])('keeps what it has acknowledged (%s)', async (durability) => {
    const data = join(temporaryDirectory(), 'data')
    const args = ['-p', '0', '--data', data, '--durability', durability]
    const first = new RunningCommand(args)
    const port = await first.port()
    await first.waitFor(/^data: .*\n/m)
    expect(first.out).toContain(`data: ${data}, which survives ${durability === 'power' ? 'power' : 'the'}`)
    const subscriber = await client(port, 'subscriber')
    await subscriber.subscribeAsync('queue/#', { qos: 1 })
    await subscriber.endAsync()
    const publisher = await client(port, 'publisher')
    const acknowledged: string[] = []
    await publisher.publishAsync('kept', 'retained', { qos: 1, retain: true })
    const publishing = Array.from({ length: 500 }, async (_, n) => {
      const topic = `queue/${n}`
      await publisher.publishAsync(topic, 'x', { qos: 1 })
      acknowledged.push(`${topic} x`)
      if (acknowledged.length === 200) first.child.kill('SIGKILL')
    })
    await Promise.allSettled(publishing)
    expect(acknowledged.length).toBeGreaterThanOrEqual(200)
    expect((await first.ended).exitCode).toBeNull()

    const second = new RunningCommand(args)
    const received: string[] = []
    const back = await client(await second.port(), 'subscriber', received)
    await until(() => acknowledged.every((message) => received.includes(message)), 'what was acknowledged')
    await back.subscribeAsync('kept', { qos: 1 })
    await until(() => received.includes('kept retained'), 'the retained message')
  })
})

it('ends in order with everything stored, what nobody waited for too', async () => {
  const data = join(temporaryDirectory(), 'data')
  const first = new RunningCommand(['-p', '0', '--data', data])
  const publisher = await client(await first.port(), 'publisher')
  for (let n = 0; n < 100; n += 1) await publisher.publishAsync(`kept/${n}`, 'x', { qos: 0, retain: true })
  // PINGREQ and its answer would do: what was sent before has been read.
  await publisher.publishAsync('kept/last', 'x', { qos: 1, retain: true })
  first.child.kill('SIGTERM')
  expect((await first.ended).exitCode).toBe(0)
  const second = new RunningCommand(['-p', '0', '--data', data])
  const received: string[] = []
  const subscriber = await client(await second.port(), 'subscriber', received)
  await subscriber.subscribeAsync('kept/#', { qos: 0 })
  await until(() => received.length === 101, 'all retained messages')
})

it('a second broker on the same directory is refused in a sentence, with 1', async () => {
  const data = join(temporaryDirectory(), 'data')
  const first = new RunningCommand(['-p', '0', '--data', data])
  await first.port()
  const { exitCode, out, error } = await runCommand(['-p', '0', '--data', data])
  expect({ exitCode, out }).toEqual({ exitCode: 1, out: '' })
  expect(error).toMatch(/^topicwire: The store in .* is in use by another process: [^\n]* --memory [^\n]*\n$/)
})

it('a directory of something else is refused in a sentence, with 1, and left alone', async () => {
  const data = temporaryDirectory({ 'notes.txt': 'mine' })
  const { exitCode, error } = await runCommand(['-p', '0', '--data', data])
  expect(exitCode).toBe(1)
  expect(error).toMatch(/^topicwire: [^\n]*holds other files and no store[^\n]*--data [^\n]*\n$/)
  expect(existsSync(join(data, 'notes.txt'))).toBe(true)
})

it('keeps its data in the working directory unless told otherwise', async () => {
  const directory = temporaryDirectory()
  const command = new RunningCommand(['-p', '0'], {}, ['env', '-C', directory])
  await command.port()
  expect(existsSync(join(directory, 'topicwire-data'))).toBe(true)
  const other = new RunningCommand(['-p', '0', '--memory'], {}, ['env', '-C', directory])
  await other.waitFor(/^data: in memory/m)
})
