/** Rounds on a data directory, a fresh one now and then, and what came of all of them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BrokerProcess, quietPort } from './broker-process.mjs'
import { brokers } from './brokers.mjs'
import { KINDS } from './ledger.mjs'
import { planOf } from './plan.mjs'
import { Random } from './random.mjs'
import { World } from './world.mjs'

/** Faults that are told in full. */
const TOLD = 20

/**
 * @param {{ broker: string, durability: string, rounds: number, seed: number, settleEvery: number, freshEvery: number,
 *   isPatient: boolean, onProgress?: (line: string) => void }} options
 *   `isPatient`: goes on after a fault.
 */
export async function runKills(options) {
  const root = mkdtempSync(join(tmpdir(), 'topicwire-kill-'))
  const total = newTotal(options, root)
  const began = performance.now()
  for (let round = 1; round <= options.rounds; ) {
    const last = Math.min(round + options.freshEvery - 1, options.rounds)
    const directory = join(root, `from-${round}`)
    const world = await newWorld(options, directory)
    const at = await playRounds(world, round, last, options)
    add(total, world, at - round + 1)
    options.onProgress?.(`${at} rounds: ${JSON.stringify(total.faults)}`)
    if (total.first.length > 0 && !options.isPatient) break
    rmSync(directory, { recursive: true, force: true })
    round = at + 1
  }
  total.seconds = (performance.now() - began) / 1_000
  finishTotal(total)
  if (total.first.length > 0 && !options.isPatient) {
    writeFileSync(join(root, 'faults.json'), JSON.stringify(total, null, 2))
  } else {
    rmSync(root, { recursive: true, force: true })
    total.directory = undefined
  }
  return total
}

async function newWorld({ broker: name, durability, seed }, directory) {
  mkdirSync(directory)
  const port = await quietPort(new Random(`${seed} ${process.pid} ${directory}`))
  const { start, versions } = brokers[name]
  const { command, env } = start({ port, directory, durability })
  const broker = new BrokerProcess({ command, env, port, logPath: join(directory, 'broker.log') })
  return new World({ versions, broker, port })
}

/** Answers the last round that was played. */
async function playRounds(world, first, last, { seed, settleEvery, isPatient, onProgress }) {
  let round = first
  for (; round <= last; round += 1) {
    const settles = round > first && (round - first) % settleEvery === 0
    await world.round(planOf(seed, round), { settles })
    if (round % 50 === 0) onProgress?.(`${round} rounds`)
    if (world.ledger.faults.length > 0 && !isPatient) return round
  }
  await world.finish(last)
  return last
}

function newTotal({ broker, durability, seed }, directory) {
  const faults = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, 0]))
  return {
    broker,
    ...(broker === 'topicwire' && { durability }),
    seed,
    rounds: 0,
    kills: 0,
    stops: 0,
    counts: {},
    faults,
    acknowledgedPerSecond: 0,
    startMs: 0,
    seconds: 0,
    loadMs: 0,
    startsMs: [],
    first: [],
    directory,
  }
}

function add(total, { ledger, loadMs, startsMs, ends }, rounds) {
  total.rounds += rounds
  total.kills += ends.SIGKILL
  total.stops += ends.SIGTERM
  total.loadMs += loadMs
  total.startsMs.push(...startsMs)
  for (const [name, count] of Object.entries(ledger.counts))
    total.counts[name] = (total.counts[name] ?? 0) + count
  for (const { kind } of ledger.faults) total.faults[kind] += 1
  total.first.push(...ledger.faults.slice(0, Math.max(0, TOLD - total.first.length)))
}

function finishTotal(total) {
  total.acknowledgedPerSecond = Math.round(total.counts.acknowledged / (total.loadMs / 1_000))
  const starts = total.startsMs.sort((one, other) => one - other)
  total.startMs = Math.round(starts[starts.length >> 1])
  delete total.startsMs
  total.loadMs = Math.round(total.loadMs)
}
