/**
 * A server in a process of its own, so that what it costs can be told from what the generator costs. It says its ports,
 * answers what it has used so far, and ends when the process that started it does, however that ends.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Broker } from '../../index.js'
import { startBareServer } from './bare-server.js'
import type { Certificate } from './certificate.js'

/** What the child is told, and what it says. */
export interface ChildStart {
  readonly kind: 'broker' | 'bare'
  readonly certificate: Certificate
}
export interface ChildAsk {
  readonly id: number
  /** Collects garbage first, for a reading of memory. */
  readonly isTidy: boolean
}
export type ChildSaid =
  | { readonly ports: { readonly plain: number; readonly tls: number } }
  | { readonly failure: string }
  | { readonly id: number; readonly cpuMicros: number; readonly residentBytes: number }

const SETTLE_MS = 50

function say(said: ChildSaid): void {
  process.send?.(said)
}

async function start({ kind, certificate }: ChildStart): Promise<void> {
  if (kind === 'bare') {
    say({ ports: await startBareServer(certificate) })
    return
  }
  const broker = await Broker.start({ host: '127.0.0.1', port: 0, tls: certificate, sysIntervalSecs: 0 })
  // One port serves both.
  const port = broker.addresses[0]?.port ?? 0
  say({ ports: { plain: port, tls: port } })
}

async function answer({ id, isTidy }: ChildAsk): Promise<void> {
  if (isTidy) {
    for (let round = 0; round < 3; round++) {
      ;(globalThis as { gc?: () => void }).gc?.()
      await sleep(SETTLE_MS)
    }
  }
  const { user, system } = process.cpuUsage()
  say({ id, cpuMicros: user + system, residentBytes: process.memoryUsage.rss() })
}

// Ctrl+C on a terminal goes to every process on it; this one ends with its parent, which may still have a question.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
process.on('disconnect', () => process.exit(0))
process.once('message', (first: ChildStart) => {
  process.on('message', (ask: ChildAsk) => void answer(ask))
  start(first).catch((error: unknown) =>
    say({ failure: error instanceof Error ? error.message : String(error) }),
  )
})
