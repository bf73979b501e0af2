/** The load generator as the runner sees it: built, started with one scenario, read line by line. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { inRoot, Stop, searchPath } from '../../scripts/lib/project.mjs'
import { start, stop } from './children.mjs'

/** Garbage is collected, and memory given back, within this after the last connection. */
const settleMs = 2_000

/** Builds the generator in release mode when it is older than its sources, which cargo knows. Gives its path. */
export function buildGenerator() {
  const args = [
    'build',
    '--release',
    '--package',
    'topicwire-loadgen',
    '--message-format=json-render-diagnostics',
  ]
  const { status, stdout, error } = spawnSync('cargo', args, {
    cwd: inRoot(),
    encoding: 'utf8',
    env: { ...process.env, PATH: searchPath() },
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 64 << 20,
  })
  if (error !== undefined)
    throw new Stop(['The bench needs Rust for its load generator.', '  Fix    : https://rustup.rs'])
  if (status !== 0) throw new Stop(['The load generator could not be built: cargo says why above.'])
  const artifacts = stdout.split('\n').filter((line) => line.startsWith('{"reason":"compiler-artifact"'))
  const binary = artifacts
    .map((line) => JSON.parse(line))
    .findLast((artifact) => artifact.executable !== null)
  if (binary === undefined) throw new Stop(['cargo built no load generator.'])
  return binary.executable
}

/** What a message costs the generator itself. */
export async function selfCosts(loadgen) {
  return await finish(start('generator', [loadgen, 'self'], ['ignore', 'pipe', 'inherit']))
}

/**
 * Puts a scenario to a broker that runs; gives the generator's report, or `{ error }`.
 *
 * @param scenario a row of bench/scenarios.mjs
 * @param broker a row of bench/brokers.mjs
 * @param target where it is: `port`, `pid` and, for idle connections, `canCollect`
 * @param options `seconds` to measure, and `quick` for a small version of what is counted and not timed
 */
export async function measure(loadgen, scenario, broker, target, { seconds, quick }) {
  const times = { seconds, warmUpSeconds: Math.max(0.5, seconds / 3) }
  if (scenario.idle !== undefined) {
    const steps = quick ? [500, 2_000] : scenario.idle.steps
    return await runIdle(loadgen, { ...scenario.idle, steps }, target)
  }
  if (scenario.connects !== undefined)
    return await runConnects(loadgen, { ...times, ...scenario.connects }, target)
  if (scenario.retained !== undefined) {
    const { messages, subscriptions } = scenario.retained
    const small = { messages: messages / 10, subscriptions: Math.min(100, subscriptions) }
    return await runRetained(loadgen, { ...scenario.retained, ...(quick ? small : {}) }, target)
  }
  return await runLoad(loadgen, { ...times, ...scenario.load, ...broker.load }, target)
}

/** Runs a load against a broker; gives the generator's report, or `{ error }`. */
export async function runLoad(loadgen, load, target) {
  return await command(loadgen, 'run', load, target)
}

/** Lets clients connect and leave; gives the generator's report, or `{ error }`. */
export async function runConnects(loadgen, connects, target) {
  return await command(loadgen, 'connects', connects, target)
}

/** Stores retained messages and asks for them; gives the generator's report, or `{ error }`. */
export async function runRetained(loadgen, retained, target) {
  return await command(loadgen, 'retained', retained, target)
}

/**
 * A load under which clients come and go; `onSample` gets what the generator tells every few seconds. Gives the report,
 * or `{ error }`.
 */
export async function runChurn(loadgen, churn, target, onSample) {
  return await command(loadgen, 'churn', churn, target, onSample)
}

async function command(loadgen, name, asked, { port, pid }, onEvent) {
  const scenario = { ...asked, address: `127.0.0.1:${port}`, watchPids: [pid] }
  const child = start('generator', [loadgen, name, JSON.stringify(scenario)], ['ignore', 'pipe', 'inherit'])
  return await finish(child, onEvent)
}

/**
 * Holds idle connections and reads the broker's memory before the first and after each step; a Node broker is asked
 * to collect its garbage first. Gives the generator's report with `steps`, or `{ error }`.
 */
export async function runIdle(loadgen, idle, { port, pid, canCollect }) {
  const scenario = { ...idle, address: `127.0.0.1:${port}` }
  const steps = [{ connections: 0, residentBytes: await settledMemory(pid, canCollect) }]
  const child = start('generator', [loadgen, 'idle', JSON.stringify(scenario)], ['pipe', 'pipe', 'inherit'])
  const report = await finish(child, async ({ connections }) => {
    steps.push({ connections, residentBytes: await settledMemory(pid, canCollect) })
    child.stdin.write('\n')
  })
  return { ...report, steps }
}

async function finish(child, onEvent) {
  let report
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const message = JSON.parse(line)
      if (message.event !== undefined) await onEvent?.(message)
      else report = message
    }
    const exit = await child.exited
    return report ?? { clean: false, error: `the generator ended with ${exit}` }
  } finally {
    await stop(child)
  }
}

/** Resident memory of a broker that has nothing to do; one on Node is asked to collect its garbage first. */
export async function settledMemory(pid, canCollect) {
  await sleep(settleMs)
  if (canCollect) {
    // Twice: the first collection runs finalizers whose memory only the second can take.
    for (let turn = 0; turn < 2; turn++) {
      process.kill(pid, 'SIGUSR2')
      await sleep(settleMs / 4)
    }
  }
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024
}
