/**
 * How much a store holds: queues that are longer than memory, and how long a start takes with them.
 *
 *   npm run bench -- --store-size [--messages N] [--retained N] [--durability MODE] [--json FILE]
 *
 * Messages of 200 bytes wait for a thousand clients that are away, then for one alone; then there are retained ones. After
 * each load the broker is killed and started again, and once more after a clean stop. Memory is what the system says is
 * resident: now, and at most since the start.
 */
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { inRoot, main, say } from '../scripts/lib/project.mjs'
import { brokers } from './brokers.mjs'
import { freePort, start, stop } from './lib/children.mjs'
import { prepare } from './lib/conduct.mjs'
import { requireDisk } from './lib/disk.mjs'
import { count as people } from './lib/format.mjs'
import { describeMachine } from './lib/machine.mjs'
import { parseOptions, positive } from './lib/options.mjs'
import { grid } from './lib/table.mjs'
import { RawClient } from './store/raw-client.mjs'

const usage =
  'usage: npm run bench -- --store-size [--messages N] [--retained N] [--durability MODE] [--json FILE]'
const SESSIONS = 1_000
const IN_FLIGHT = 2_000
const payload = Buffer.alloc(200, 'x')
const ours = brokers.find(({ isOurs }) => isOurs)

await main(async () => {
  const options = readOptions()
  const bench = await prepare({ brokers: [ours], repeats: 1, seconds: 1 })
  requireDisk(bench.scratch)
  const rows = []
  for (const messages of options.messages) {
    rows.push(
      ...(await measure(bench, options, `${people(messages)} for ${people(SESSIONS)} clients`, (port) =>
        spread(port, messages),
      )),
    )
  }
  rows.push(
    ...(await measure(bench, options, '1,000,000 for one client', (port) => pile(port, 1_000_000), drain)),
  )
  rows.push(
    ...(await measure(bench, options, `${people(options.retained)} retained`, (port) =>
      retain(port, options.retained),
    )),
  )
  for (const line of describeMachine(bench.machine)) console.log(`> ${line}\n>`)
  console.log(`> 200-byte payloads at QoS 1, durability ${options.durability}, ${IN_FLIGHT} in flight\n`)
  console.log(grid(['what', 'when', 'took', 'a second', 'resident', 'at most', 'on disk'], rows.map(cells)))
  const record = { machine: bench.machine, ...options, rows }
  mkdirSync(dirname(options.json), { recursive: true })
  writeFileSync(options.json, `${JSON.stringify(record, undefined, 2)}\n`)
  console.log(`wrote ${options.json}`)
})

function readOptions() {
  const words = {
    messages: { type: 'string', multiple: true },
    retained: { type: 'string' },
    durability: { type: 'string', default: 'process' },
    json: { type: 'string' },
  }
  const values = parseOptions(words, usage)
  return {
    messages: (values.messages ?? ['1000000', '10000000']).map((one) => positive('messages', one)),
    retained: positive('retained', values.retained ?? '1000000'),
    durability: values.durability,
    json: values.json ?? inRoot('bench', 'results', 'store-size.json'),
  }
}

function mib(bytes) {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`
}

function cells({ what, when, seconds, perSecond, memory, bytes }) {
  const rate = perSecond === undefined ? '' : people(Math.round(perSecond))
  const disk = bytes === undefined ? '' : mib(bytes)
  return [what, when, `${seconds.toFixed(2)} s`, rate, mib(memory.now), mib(memory.most), disk]
}

/** Loads a broker of its own, and starts it again after a kill and after a clean stop. */
async function measure(bench, options, what, load, after) {
  say(what)
  const data = join(bench.scratch, 'data')
  rmSync(data, { recursive: true, force: true })
  const rows = []
  let broker = await begin(data, options.durability)
  const note = (when, row) => rows.push({ what, when, memory: memoryOf(broker.child.pid), ...row })
  try {
    const { seconds, count } = await timed(() => load(broker.port))
    note('loaded', { seconds, perSecond: count / seconds, bytes: sizeOf(data) })
    broker.child.kill('SIGKILL')
    await broker.child.exited
    broker = await begin(data, options.durability)
    note('started after a kill', { seconds: broker.seconds })
    broker.child.kill('SIGTERM')
    await broker.child.exited
    broker = await begin(data, options.durability)
    note('started after a clean stop', { seconds: broker.seconds, bytes: sizeOf(data) })
    if (after !== undefined) await after(broker.port, note)
  } finally {
    await stop(broker.child)
    rmSync(data, { recursive: true, force: true })
  }
  return rows
}

async function timed(body) {
  const began = performance.now()
  const count = await body()
  return { seconds: (performance.now() - began) / 1000, count }
}

/** Starts the broker, and waits for it as long as it takes. */
async function begin(data, durability) {
  const port = await freePort()
  const command = ours.start({ port })
  const at = command.indexOf('--memory')
  command.splice(at, 1, '--data', data, '--durability', durability, '--quiet')
  process.env.TOPICWIRE_LIMITS__MAXIMUM_QUEUED_MESSAGES = '100000000'
  process.env.TOPICWIRE_LIMITS__MAXIMUM_QUEUED_BYTES = String(2 ** 40)
  process.env.TOPICWIRE_LIMITS__MAXIMUM_RETAINED_MESSAGES = '100000000'
  const began = performance.now()
  const child = start('broker', command, ['ignore', 'ignore', 'inherit'])
  for (;;) {
    const client = await RawClient.connect(port, 'probe').catch(() => undefined)
    if (client !== undefined) {
      const seconds = (performance.now() - began) / 1000
      await client.close()
      return { child, port, seconds }
    }
    await sleep(20)
  }
}

function memoryOf(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const kib = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)[1])
  return { now: kib('VmRSS') * 1024, most: kib('VmHWM') * 1024 }
}

function sizeOf(data) {
  return ['journal', 'tables.redb'].reduce(
    (sum, name) => sum + (statSync(join(data, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  )
}

/** So many messages, in turns for each of the clients that are away. */
async function spread(port, messages) {
  for (let n = 0; n < SESSIONS; n += 1) {
    const client = await RawClient.connect(port, `client-${n}`)
    await client.subscribe(`to/${n}`)
    await client.close()
  }
  return await publish(port, messages, (n) => `to/${n % SESSIONS}`)
}

async function pile(port, messages) {
  const client = await RawClient.connect(port, 'alone')
  await client.subscribe('alone')
  await client.close()
  return await publish(port, messages, () => 'alone')
}

async function retain(port, messages) {
  return await publish(port, messages, (n) => `state/${n}`, true)
}

async function publish(port, messages, topicOf, isRetained = false) {
  let acknowledged = 0
  let sent = 0
  let id = 0
  await new Promise((resolve, reject) => {
    const more = (publisher) => {
      const frames = []
      while (sent < messages && sent - acknowledged < IN_FLIGHT) {
        id = (id % 65_535) + 1
        frames.push(RawClient.publish(topicOf(sent), payload, id, isRetained))
        sent += 1
      }
      if (frames.length > 0) publisher.write(Buffer.concat(frames))
    }
    let publisher
    const on = () => {
      acknowledged += 1
      if (acknowledged === messages) resolve(publisher.close())
      else if (sent - acknowledged <= IN_FLIGHT / 2) more(publisher)
    }
    RawClient.connect(port, 'publisher', on).then((connected) => {
      publisher = connected
      more(publisher)
    }, reject)
  })
  return messages
}

/** The client with the long queue comes back: how long until its first message, and until its last. */
async function drain(port, note) {
  const began = performance.now()
  const since = () => (performance.now() - began) / 1000
  let received = 0
  let first
  await new Promise((resolve, reject) => {
    let client
    const on = (kind, many) => {
      if (kind !== 'publish') return
      first ??= since()
      received += many
      if (received >= 1_000_000) resolve(client?.close())
    }
    RawClient.connect(port, 'alone', on).then((connected) => {
      client = connected
    }, reject)
  })
  note('its client is back: first message', { seconds: first })
  note('its client is back: last message', { seconds: since(), perSecond: received / since() })
}
