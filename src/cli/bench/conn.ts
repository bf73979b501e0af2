/** `bench conn`: how fast a server takes connections. */
import type { Io } from '../lib/io.js'
import { Clients } from './clients.js'
import type { BenchSettings } from './flags.js'
import { latencyText } from './latency.js'
import { type Figures, Report } from './report.js'
import { counted, timeOut, untilEnded } from './run.js'

/** @throws Exit where nobody could connect. */
export async function benchConn(settings: BenchSettings, io: Io): Promise<void> {
  const clients = new Clients(settings)
  const report = new Report(io, settings)
  const ending = untilEnded()
  const startedMs = performance.now()
  let readyMs = 0
  const figures = (): Figures => ({
    bench: 'conn',
    clients: settings.count,
    connected: clients.connected,
    failed: clients.failed,
    lost: clients.lost,
    elapsedSecs: ((readyMs || performance.now()) - startedMs) / 1_000,
    connectMs: clients.latencies.summary(),
  })
  report.follow(figures)
  clients.start()
  let last: Figures
  try {
    await Promise.race([clients.ready, ending.promise])
    readyMs = performance.now()
    if (settings.forSecs !== undefined && clients.connected > 0)
      await Promise.race([timeOut(settings.forSecs), ending.promise])
    last = figures()
  } finally {
    report.pause()
    await clients.stop()
    ending.dispose()
  }
  if (clients.failed === settings.count) clients.checkAny()
  const latency = clients.latencies.summary()
  report.finish(
    [
      `${counted(clients.latencies.count, 'client')} of ${settings.count} connected in ${((readyMs - startedMs) / 1_000).toFixed(2)} s, ${clients.failed} failed, ${clients.lost} lost later.`,
      ...(latency === undefined ? [] : [`From when due to CONNACK, ms: ${latencyText(latency)}`]),
      ...(clients.trouble === undefined ? [] : [clients.trouble]),
    ],
    last,
  )
}
