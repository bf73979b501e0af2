/**
 * Our client against MQTT.js: publishing at QoS 0, at QoS 1 with a hundred under way, receiving, and memory.
 *
 *   npm run bench -- --clients [--quick] [--rounds N] [--json FILE]
 *
 * Each client is a process on one core, and our broker, which both talk to, is on the other. They take turns, load by load
 * and round by round, and a round's ratio is that of two figures a moment apart. What is compared is messages for each
 * second of the client's own CPU time (user and system), so that neither the broker nor what else the machine does counts.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { inRoot, main } from '../scripts/lib/project.mjs'
import { start, stop, tieChildren } from './lib/children.mjs'
import { kibibytes, count as people, times, withSpread } from './lib/format.mjs'
import { machine } from './lib/machine.mjs'
import { parseOptions, positive } from './lib/options.mjs'
import { ratioSpread, spread } from './lib/stats.mjs'

const names = ['topicwire', 'mqttjs']
const loads = [
  { load: 'publish0', title: 'publish, QoS 0', messages: 100_000, must: 4, aim: 8 },
  { load: 'publish1', title: 'publish, QoS 1, 100 under way', messages: 30_000, must: 4, aim: 8 },
  { load: 'receive', title: 'receive, QoS 0', messages: 100_000, must: 4, aim: 8 },
]
const memory = { load: 'memory', title: 'memory of a client', clients: 500 }

const options = parseOptions(
  { quick: { type: 'boolean' }, rounds: { type: 'string' }, json: { type: 'string' } },
  'npm run bench -- --clients [--quick] [--rounds N] [--json FILE]',
)
const rounds = positive('rounds', options.rounds ?? (options.quick ? 3 : 15))
const share = options.quick ? 0.1 : 1

/** A child that answers. */
function talk(role, args) {
  const child = start(
    role,
    [process.execPath, '--expose-gc', ...args],
    ['ignore', 'inherit', 'inherit', 'ipc'],
  )
  const waiting = []
  child.on('message', (message) => {
    if (message.receive !== undefined) child.forward(message)
    else waiting.shift()?.resolve(message)
  })
  child.exited.then((code) => {
    for (const { reject } of waiting) reject(new Error(`${args[0]} ended with ${code}`))
  })
  child.answer = () => new Promise((resolve, reject) => waiting.push({ resolve, reject }))
  return child
}

async function measure() {
  const peer = talk('generator', [inRoot('bench/clients/peer.mjs')])
  const { port } = await peer.answer()
  const children = {}
  for (const name of names) {
    const child = talk('broker', [inRoot('bench/clients/measured.mjs'), name, String(port)])
    child.forward = (message) => peer.send(message)
    await child.answer()
    children[name] = child
  }
  const ask = async (name, load, count) => {
    children[name].send({ load, count })
    return (await children[name].answer()).done
  }
  const rows = []
  for (const { load, messages, ...rest } of loads) {
    const number = Math.round(messages * share)
    const rates = Object.fromEntries(names.map((name) => [name, new Map()]))
    const wall = Object.fromEntries(names.map((name) => [name, []]))
    // The first two warm up: they are the compiler's.
    for (let round = -2; round < rounds; round += 1) {
      for (const name of round % 2 === 0 ? names : names.toReversed()) {
        const { seconds, cpuSeconds } = await ask(name, load, number)
        if (round < 0) continue
        rates[name].set(round, number / cpuSeconds)
        wall[name].push(number / seconds)
      }
    }
    rows.push({
      load,
      ...rest,
      perCpuSecond: Object.fromEntries(names.map((name) => [name, spread([...rates[name].values()])])),
      perSecond: Object.fromEntries(names.map((name) => [name, spread(wall[name])])),
      ratio: ratioSpread(rates.topicwire, rates.mqttjs),
    })
  }
  const bytes = {}
  for (const name of names) {
    // What the loads have left behind would be used again, and not seen.
    await stop(children[name])
    const child = talk('broker', [inRoot('bench/clients/measured.mjs'), name, String(port)])
    await child.answer()
    children[name] = child
    bytes[name] = (await ask(name, memory.load, memory.clients)).bytes
  }
  for (const child of [...Object.values(children), peer]) await stop(child)
  return { rows, bytes }
}

function versionOf(name) {
  const path = createRequire(import.meta.url).resolve(`${name}/package.json`)
  return JSON.parse(readFileSync(path, 'utf8')).version
}

function print({ rows, bytes }) {
  console.log('| | topicwire, messages per CPU second | MQTT.js | we do so many more | must | aim |')
  console.log('|---|--:|--:|--:|--:|--:|')
  for (const { title, perCpuSecond, ratio, must, aim } of rows) {
    const cells = [
      title,
      withSpread(perCpuSecond.topicwire, people),
      withSpread(perCpuSecond.mqttjs, people),
      withSpread(ratio, times),
      `${must}x`,
      `${aim}x`,
    ]
    console.log(`| ${cells.join(' | ')} |`)
  }
  console.log(
    `\nMemory of a connected client: ${kibibytes(bytes.topicwire)} KiB, MQTT.js ${kibibytes(bytes.mqttjs)} KiB: ` +
      `${times(bytes.topicwire / bytes.mqttjs)} (must: 0.50x).`,
  )
}

await main(async () => {
  tieChildren()
  const result = await measure()
  const versions = { topicwire: versionOf('topicwire'), mqtt: versionOf('mqtt') }
  print(result)
  if (options.json !== undefined) {
    const json = { machine: machine(), versions, rounds, ...result }
    writeFileSync(options.json, `${JSON.stringify(json, undefined, 2)}\n`)
  }
})
