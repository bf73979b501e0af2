/** What a figure is worth nothing without: the machine it was measured on, and what else it was doing. */
import { readFileSync } from 'node:fs'
import { arch, cpus, loadavg, release, totalmem, type } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { cores } from './children.mjs'

/** The machine now. */
export function machine() {
  const [first] = cpus()
  return {
    cpu: first?.model.trim() ?? 'unknown',
    coreCount: cpus().length,
    memoryBytes: totalmem(),
    system: `${type()} ${release()} ${arch()}`,
    node: process.version,
    pinned: cores ?? null,
    openFiles: openFiles(),
    loadAverage: loadavg()[0],
    stealShare: stealBetween({ steal: 0, all: 0 }, coreTicks()),
    date: new Date().toISOString(),
  }
}

/** The hard limit of open files, which is what the children get; null where there is no /proc. */
function openFiles() {
  try {
    return Number(/^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1])
  } catch {
    return null
  }
}

/** Of all cores together since boot: what the hypervisor has taken, and everything; null where there is no /proc. */
export function coreTicks() {
  try {
    const ticks = readFileSync('/proc/stat', 'utf8').split('\n')[0].split(/\s+/).slice(1, 9).map(Number)
    return { steal: ticks[7], all: ticks.reduce((sum, value) => sum + value, 0) }
  } catch {
    return null
  }
}

/** How much of the time between two readings the hypervisor has taken. */
export function stealBetween(before, after) {
  if (before === null || after === null || after.all === before.all) return null
  return (after.steal - before.steal) / (after.all - before.all)
}

/** Waits until the machine does next to nothing, at most for `patienceMs`. */
export async function calm(patienceMs) {
  const deadline = Date.now() + patienceMs
  while (Date.now() < deadline) {
    const before = times()
    await sleep(500)
    const after = times()
    if ((after.busy - before.busy) / (after.all - before.all) < 0.1) return
  }
}

function times() {
  const all = cpus().map(({ times: { user, nice, sys, idle, irq } }) => ({
    busy: user + nice + sys + irq,
    idle,
  }))
  const busy = all.reduce((sum, core) => sum + core.busy, 0)
  return { busy, all: all.reduce((sum, core) => sum + core.idle, busy) }
}

/** The machine in lines for people. */
export function describeMachine(machine) {
  const pinned =
    machine.pinned === null
      ? 'NOT pinned: broker and generator share cores, read the figures with care'
      : `broker pinned to core ${machine.pinned.broker}, generator to core ${machine.pinned.generator}`
  const steal = machine.stealShare === null ? 'unknown' : `${(machine.stealShare * 100).toFixed(1)} %`
  return [
    `${machine.cpu}, ${machine.coreCount} cores, ${(machine.memoryBytes / 2 ** 30).toFixed(0)} GiB, ${machine.system}`,
    `${pinned}; steal since boot ${steal}, load average ${machine.loadAverage.toFixed(2)}, open files ${machine.openFiles}`,
    `Node ${machine.node}, ${machine.date}`,
  ]
}
