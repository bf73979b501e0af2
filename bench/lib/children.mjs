/**
 * The processes of the bench: pinned to a core, allowed as many files as the machine permits, and gone when the
 * runner goes, however it goes.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createConnection, createServer } from 'node:net'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { Stop } from '../../scripts/lib/project.mjs'

/** Raises the soft limit of open files to the hard one. */
const withFiles = ['sh', '-c', 'ulimit -n "$(ulimit -H -n)" 2>/dev/null; exec "$0" "$@"']

const canPin =
  availableParallelism() > 1 && spawnSync('taskset', ['-c', '0,1', 'true'], { stdio: 'ignore' }).status === 0

/** Where the processes run: the broker's core and the generator's, or undefined when they cannot be pinned. */
export const cores = canPin ? { broker: 0, generator: 1 } : undefined

const running = new Set()

/** Ends all children when the runner ends. A signal ends the runner with the exit code that shells expect. */
export function tieChildren() {
  process.on('exit', () => {
    for (const child of running) child.kill('SIGKILL')
  })
  process.once('SIGINT', () => process.exit(130))
  process.once('SIGTERM', () => process.exit(143))
}

/** Starts a program on the core of its role, `broker` or `generator`. */
export function start(role, [program, ...args], stdio) {
  const pin = cores === undefined ? [] : ['taskset', '-c', String(cores[role])]
  const [command, ...rest] = [...withFiles, ...pin, program, ...args]
  const child = spawn(command, rest, { stdio })
  running.add(child)
  child.once('exit', () => running.delete(child))
  child.exited = new Promise((resolve) => {
    child.once('close', (code, signal) => resolve(code ?? signal))
    child.once('error', resolve)
  })
  return child
}

/** A port that was free a moment ago. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Starts a broker and waits until it accepts connections. @throws Stop with what it said, when it ends instead. */
export async function startBroker(broker, setting) {
  const child = start('broker', broker.start(setting), ['ignore', 'pipe', 'pipe'])
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      said = (said + chunk).slice(-2_000)
    })
  }
  const deadline = Date.now() + 15_000
  while (Date.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null) break
    if (await accepts(setting.port)) return child
    await sleep(50)
  }
  await stop(child)
  throw new Stop([`${broker.name} did not start:`, said.trim() || '(it said nothing)'])
}

/** Ends a child: it is asked, and after a second killed. */
export async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  const ended = await Promise.race([child.exited.then(() => true), sleep(1_000, false, { ref: false })])
  if (!ended) {
    child.kill('SIGKILL')
    await child.exited
  }
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
