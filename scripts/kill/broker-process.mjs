/** The broker under test as a process that is started, killed, and started again on the same directory and port. */
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Stop } from '../lib/project.mjs'

/** A process that starts on a busy machine takes its time. */
const PATIENCE_MS = 60_000
/** Below the ports that systems give to clients: one that dials a port of those may be connected with itself. */
const PORTS = { least: 20_000, most: 32_000 }

const running = new Set()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export class BrokerProcess {
  #child
  #exited
  #settings

  /** @param {{ command: string[], env: object, port: number, logPath: string }} settings */
  constructor(settings) {
    this.#settings = settings
  }

  /** Killed or told to stop, it is not up although it may run. */
  isUp = false
  /** It has ended without being told to. */
  hasFailed = false

  spawn() {
    const { command, env, logPath } = this.#settings
    const log = openSync(logPath, 'a')
    const [program, ...args] = command
    const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', log, log] })
    closeSync(log)
    running.add(child)
    this.#child = child
    this.isUp = true
    this.#exited = new Promise((resolve) => {
      child.once('error', resolve)
      child.once('exit', () => {
        running.delete(child)
        if (this.#child === child && this.isUp) this.hasFailed = true
        resolve()
      })
    })
  }

  /** Resolves when it listens, with how long that took. @throws Stop when it does not. */
  async start() {
    const from = performance.now()
    this.spawn()
    while (performance.now() < from + PATIENCE_MS) {
      if (this.hasFailed) break
      if (await accepts(this.#settings.port)) return performance.now() - from
      await sleep(3)
    }
    throw new Stop([`The broker did not start; its log: ${this.#settings.logPath}`])
  }

  /** The signal is sent at once. Resolves when the process is gone, with what is wrong with the way it went, if anything. */
  async end(signal) {
    this.isUp = false
    this.#child.kill(signal)
    const impatience = new AbortController()
    const isGone = await Promise.race([
      this.#exited.then(() => true),
      sleep(PATIENCE_MS, false, { signal: impatience.signal }).catch(() => false),
    ])
    impatience.abort()
    if (!isGone) this.#child.kill('SIGKILL')
    await this.#exited
    if (!isGone) return `it had to be killed after ${PATIENCE_MS} ms`
    const { exitCode, signalCode } = this.#child
    // Told to stop as soon as it listens, it may not have learnt to listen for that yet: then it was killed.
    const isInOrder = signalCode !== null || exitCode === 0
    return isInOrder ? undefined : `it ended with ${exitCode}`
  }
}

/** A port that nobody listens at, of those that no client is given. */
export async function quietPort(random) {
  for (;;) {
    const port = random.between(PORTS.least, PORTS.most)
    const server = createServer()
    const isFree = await new Promise((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!isFree) continue
    await new Promise((resolve) => server.close(resolve))
    return port
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
