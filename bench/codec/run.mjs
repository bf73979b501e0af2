/**
 * `npm run bench:codec`: this codec beside mqtt-packet, in one process, in rounds that alternate between the two.
 *
 *   --rounds=9         of each load
 *   --round-ms=100     how long one side runs before the other has its turn, about
 *   --only=v5          loads with this in their name
 *   --json=FILE        the figures for programs; `-` prints them last
 *
 * Time is the CPU time of the process, with that of its garbage collector's threads: a busy neighbour does not count.
 * Every packet is counted and its fields are summed up; a side that saw other packets than were sent voids the run.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { ensure } from '../../scripts/ensure.mjs'
import { machine } from '../lib/machine.mjs'
import { ratioSpread, spread } from '../lib/stats.mjs'
import { chunksOf, loads, packetsOf, readers, versions, writers } from './loads.mjs'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    'round-ms': { type: 'string', default: '100' },
    only: { type: 'string', default: '' },
    json: { type: 'string' },
  },
})
const rounds = Number(values.rounds)
const roundMs = Number(values['round-ms'])
const sides = ['mqtt-packet', 'topicwire']
const chunkSizes = [1, 10, 64]

await ensure()
const topicwire = await import('../../dist/index.js')

const before = machine()
const wanted = loads.filter(({ name }) => name.includes(values.only))
const jobs = [
  ...wanted.flatMap((load) => chunkSizes.map((size) => decoding(load, size))),
  ...wanted.filter(({ readsProperties, topics }) => !readsProperties && topics === undefined).map(encoding),
]
// Warmed up together, so that each meets the other's compiled code and nobody the first rounds.
for (const job of jobs) for (const side of sides) run(job, side, roundMs / 4)
for (let round = 0; round < rounds; round += 1) {
  for (const job of jobs) {
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      job.samples[side].set(round, run(job, side, roundMs))
    }
  }
}
const rows = jobs.map(summary)
report(rows)

function decoding(load, packetsPerChunk) {
  const chunks = chunksOf(load, packetsPerChunk)
  const both = readers(topicwire, load)
  const packets = packetsOf(load).length
  const check = () => {
    const [theirs, ours] = sides.map((side) => {
      const one = readers(topicwire, load)[side]
      for (const chunk of chunks) one.read(chunk)
      return one.seen()
    })
    if (theirs.packets !== packets || ours.packets !== packets || theirs.sum !== ours.sum) {
      throw new Error(`${load.name}: mqtt-packet saw ${theirs.packets} packets, topicwire ${ours.packets}`)
    }
  }
  check()
  const pass = (side) => {
    const { read } = both[side]
    for (const chunk of chunks) read(chunk)
    return packets
  }
  return { ...job('decode', load), packetsPerChunk, pass, count: (side) => both[side].seen().packets }
}

function encoding(load) {
  const packets = packetsOf(load)
  const both = writers(topicwire, load)
  const written = Object.fromEntries(sides.map((side) => [side, 0]))
  for (const packet of packets) {
    const [theirs, ours] = sides.map((side) => both[side](packet))
    if (theirs.length !== ours.length) throw new Error(`${load.name}: the two encode to different lengths`)
  }
  const pass = (side) => {
    const write = both[side]
    for (const packet of packets) if (write(packet).length > 0) written[side] += 1
    return packets.length
  }
  return { ...job('encode', load), packetsPerChunk: null, pass, count: (side) => written[side] }
}

function job(kind, load) {
  return { kind, load, samples: { 'mqtt-packet': new Map(), topicwire: new Map() } }
}

/** Nanoseconds of CPU a packet, over about so many milliseconds. */
function run(job, side, milliseconds) {
  const countedBefore = job.count(side)
  const deadline = performance.now() + milliseconds
  const start = process.cpuUsage()
  let packets = 0
  do packets += job.pass(side)
  while (performance.now() < deadline)
  const { user, system } = process.cpuUsage(start)
  const counted = job.count(side) - countedBefore
  if (counted !== packets) throw new Error(`${job.load.name}: ${side} saw ${counted} of ${packets} packets`)
  return ((user + system) * 1000) / packets
}

function summary({ kind, load, packetsPerChunk, samples }) {
  const { 'mqtt-packet': theirs, topicwire: ours } = samples
  return {
    kind,
    load: load.name,
    title: load.title,
    packetsPerChunk,
    row13: kind === 'decode' && load.row13 === true,
    nanoseconds: { 'mqtt-packet': spread([...theirs.values()]), topicwire: spread([...ours.values()]) },
    // Theirs over ours: how many times as fast this codec is.
    ratio: ratioSpread(theirs, ours),
  }
}

function report(rows) {
  const names = `topicwire ${versions.topicwire}, mqtt-packet ${versions['mqtt-packet']}`
  const { cpu, coreCount, system, node, loadAverage, stealShare, date } = before
  const steal = stealShare === null ? 'unknown' : `${(stealShare * 100).toFixed(1)} %`
  const lines = [
    `${names}; ${rounds} rounds of about ${roundMs} ms a side`,
    `${cpu}, ${coreCount} cores, ${system}, Node ${node}`,
    `load average ${loadAverage.toFixed(2)}, steal since boot ${steal}, ${date}`,
    '',
    '| what | load | packets a chunk | mqtt-packet ns | topicwire ns | times as fast |',
    '| --- | --- | ---: | ---: | ---: | ---: |',
    ...rows.map(
      ({ kind, title, packetsPerChunk, nanoseconds, ratio }) =>
        `| ${kind} | ${title} | ${packetsPerChunk ?? '–'} | ${figures(nanoseconds['mqtt-packet'], 0)} | ` +
        `${figures(nanoseconds.topicwire, 0)} | ${figures(ratio, 1)} |`,
    ),
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
  if (values.json === undefined) return
  const text = `${JSON.stringify({ machine: before, versions, rounds, roundMs, rows })}\n`
  if (values.json === '-') process.stdout.write(`\n${text}`)
  else writeFileSync(values.json, text)
}

function figures({ median, min, max }, digits) {
  return `${median.toFixed(digits)} [${min.toFixed(digits)}–${max.toFixed(digits)}]`
}
