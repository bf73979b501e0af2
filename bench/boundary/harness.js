/**
 * What read.mjs and write.mjs share: the measured side in a process of its own, variants one after the other in every
 * round (so that a busy machine disturbs all of them alike), medians with their spread, and the machine's name.
 */
import { fork } from 'node:child_process'
import os from 'node:os'

/** Starts `file` again as the measured process; `ask` sends one request and waits for its answer. */
export function startMeasured(file, args = []) {
  const child = fork(file, ['--measured', ...args], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  let stopped = false
  child.once('exit', (code) => {
    if (!stopped) throw new Error(`the measured process ended with ${code}`)
  })
  return {
    ask(request) {
      return new Promise((resolve) => {
        child.once('message', resolve)
        child.send(request)
      })
    },
    stop() {
      stopped = true
      child.kill()
    },
  }
}

/** Answers the requests of `startMeasured` with what `handlers[request.kind]` returns. */
export function serveMeasured(handlers) {
  process.on('message', async (request) => process.send(await handlers[request.kind](request)))
}

export const isMeasured = process.argv.includes('--measured')

/** The value after `--name`, or the default. */
export function flag(name, fallback) {
  const at = process.argv.indexOf(`--${name}`)
  return at === -1 ? fallback : Number(process.argv[at + 1])
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** `median (lowest to highest)` of some figures. */
export function summary(values, digits = 2) {
  const low = Math.min(...values).toFixed(digits)
  const high = Math.max(...values).toFixed(digits)
  return `${median(values).toFixed(digits)} (${low} to ${high})`
}

export function printMachine() {
  const cpus = os.cpus()
  const load = os.loadavg()[0].toFixed(1)
  console.log(
    `${cpus[0]?.model ?? 'unknown CPU'}, ${cpus.length} cores, Node ${process.version}, load ${load}\n`,
  )
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
