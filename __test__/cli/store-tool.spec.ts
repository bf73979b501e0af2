/** `topicwire store`: checks, measures and copies what a broker has kept. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { Broker } from '../../src/index.js'
import { clientOver, nextEvent } from '../support/mqtt-js.js'
import { temporaryDirectory } from '../support/temporary.js'
import { shell, topicwire } from '../support/tool.js'

const session = { clientId: 'subscriber', clean: false, properties: { sessionExpiryInterval: 3600 } }

/** A directory with a session, two messages in its queue, and two retained messages. */
async function filled(): Promise<string> {
  const data = join(temporaryDirectory(), 'data')
  const broker = await Broker.start({ store: { path: data } })
  const subscriber = clientOver(broker.connect(), session)
  await subscriber.subscribeAsync('queue/#', { qos: 1 })
  await subscriber.endAsync()
  for (const topic of ['queue/a', 'queue/b']) await broker.publish(topic, 'waits', { qos: 1 })
  for (const topic of ['kept/a', 'kept/b']) await broker.publish(topic, 'stays', { qos: 1, retain: true })
  await broker.close()
  return data
}

it('check counts what there is, in words and in JSON', async () => {
  const data = await filled()
  const words = await topicwire(['store', 'check', '--data', data]).ended
  expect(words).toMatchObject({ exitCode: 0, error: '' })
  expect(words.out).toMatch(/^ +1 {2}sessions$/m)
  expect(words.out).toMatch(/^ +2 {2}retained messages$/m)
  expect(words.out).toMatch(/\nEverything is what was written\.\n$/)
  const json = await topicwire(['store', 'check', '--data', data, '--json']).ended
  expect(JSON.parse(json.out)).toMatchObject({ sessions: 1, subscriptions: 1, deliveries: 2, retained: 2 })
})

it('check of what is damaged ends with 1 and says so', async () => {
  const data = await filled()
  const file = join(data, 'tables.redb')
  const bytes = readFileSync(file)
  writeFileSync(file, bytes.fill(7, 4096))
  const { exitCode, error } = await topicwire(['store', 'check', '--data', data]).ended
  expect(exitCode).toBe(1)
  expect(error).toMatch(/damaged/)
})

it('stats has every table', async () => {
  const data = await filled()
  const words = await topicwire(['store', 'stats', '--data', data]).ended
  expect(words.out).toMatch(/^table +rows +bytes +overhead$/m)
  const { tables } = JSON.parse((await topicwire(['store', 'stats', '--data', data, '--json']).ended).out)
  expect(tables).toEqual(
    expect.arrayContaining([expect.objectContaining({ name: expect.stringContaining('retained'), rows: 2 })]),
  )
})

it('what is exported and imported again is the same, and a broker serves it', async () => {
  const data = await filled()
  const directory = temporaryDirectory()
  const [file, copy] = [join(directory, 'backup.jsonl'), join(directory, 'copy')]
  const exported = await topicwire(['store', 'export', file, '--data', data]).ended
  expect(exported).toMatchObject({ exitCode: 0, error: '' })
  expect(exported.out).toMatch(/was exported: \d+ lines\.\n$/)
  const line = `$topicwire store export - --data ${data} | $topicwire store import - --data ${copy} --json`
  const piped = await shell(line).ended
  expect(piped.exitCode).toBe(0)
  const { lines } = JSON.parse(piped.out) as { lines: number }
  expect(readFileSync(file, 'utf8').trimEnd().split('\n')).toHaveLength(lines)

  const broker = await Broker.start({ store: { path: copy } })
  onTestFinished(() => broker.close())
  const received: string[] = []
  const subscriber = clientOver(broker.connect(), session)
  subscriber.on('message', (topic, payload) => received.push(`${topic} ${payload}`))
  await nextEvent(subscriber, 'connect')
  await subscriber.subscribeAsync('kept/#', { qos: 1 })
  await expect
    .poll(() => received.toSorted())
    .toEqual(['kept/a stays', 'kept/b stays', 'queue/a waits', 'queue/b waits'])
  await subscriber.endAsync()
})

it.each([
  [
    'a directory that is not there',
    ['check', '--data', '/nowhere/data'],
    2,
    /There is no data in \/nowhere\/data/,
  ],
  ['no file', ['export'], 2, /missing required argument/],
  ['no such word', ['repair'], 2, /unknown command/],
])('%s is answered in a sentence', async (_, args, code, expected) => {
  const { exitCode, error } = await topicwire(['store', ...args]).ended
  expect(exitCode).toBe(code)
  expect(error).toMatch(expected)
})

it('a directory that a broker has is left alone', async () => {
  const data = join(temporaryDirectory(), 'data')
  const broker = await Broker.start({ store: { path: data } })
  onTestFinished(() => broker.close())
  const { exitCode, error } = await topicwire(['store', 'check', '--data', data]).ended
  expect(exitCode).toBe(1)
  expect(error).toMatch(/^topicwire: The store in .* is in use by another process/)
})

it('a file that is there is not written over, and a store that is not empty takes nothing', async () => {
  const data = await filled()
  const file = join(temporaryDirectory(), 'backup.jsonl')
  writeFileSync(file, 'mine')
  const { exitCode, error } = await topicwire(['store', 'export', file, '--data', data]).ended
  expect({ exitCode, error }).toMatchObject({
    exitCode: 1,
    error: expect.stringContaining('cannot be opened'),
  })
  expect(readFileSync(file, 'utf8')).toBe('mine')
  const imported = await topicwire(['store', 'import', file, '--data', data]).ended
  expect(imported).toMatchObject({ exitCode: 1, error: expect.stringContaining('not empty') })
})
