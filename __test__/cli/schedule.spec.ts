import { describe, expect, it } from 'vitest'
import { fillTopic } from '../../src/cli/bench/flags.js'
import { Latencies } from '../../src/cli/bench/latency.js'
import { Pump, type Time } from '../../src/cli/bench/schedule.js'
import { readStamp, stamp, stampedPayload } from '../../src/cli/bench/stamp.js'

/** Time that passes when it is told to. */
class VirtualTime implements Time {
  #nowMs = 0
  #timers: { readonly atMs: number; readonly action: () => void }[] = []

  now(): number {
    return this.#nowMs
  }

  after(ms: number, action: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, action }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer)
    }
  }

  advance(ms: number): void {
    const endMs = this.#nowMs + ms
    for (;;) {
      const [next] = this.#timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)
      if (next === undefined) break
      this.#timers = this.#timers.filter((one) => one !== next)
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.action()
    }
    this.#nowMs = endMs
  }

  /** As when the process gets no processor: timers come late. */
  stall(ms: number): void {
    this.#nowMs += ms
  }
}

describe('an open loop', () => {
  function pump(options: { limit?: number; isFull?: () => boolean } = {}) {
    const time = new VirtualTime()
    const begun: { readonly dueMs: number; readonly atMs: number }[] = []
    const made = new Pump(
      {
        intervalMs: 10,
        limit: options.limit ?? Number.POSITIVE_INFINITY,
        isFull: options.isFull ?? (() => false),
        run: (_, dueMs) => begun.push({ dueMs, atMs: time.now() }),
      },
      time,
    )
    return { time, begun, pump: made }
  }

  it('runs each when it is due, the first at once', () => {
    const { time, begun, pump: made } = pump()
    made.start()
    time.advance(35)
    expect(begun.map(({ dueMs }) => dueMs)).toEqual([0, 10, 20, 30])
    expect(begun.map(({ atMs }) => atMs)).toEqual([0, 10, 20, 30])
  })

  it('makes up for a stall, and measures from when each was due', () => {
    const { time, begun, pump: made } = pump()
    made.start()
    time.stall(100)
    expect(made.behind).toBe(10)
    time.advance(0)
    expect(begun).toHaveLength(11)
    expect(begun.map(({ dueMs, atMs }) => atMs - dueMs)).toEqual([0, 90, 80, 70, 60, 50, 40, 30, 20, 10, 0])
  })

  it('lets what is due wait while no more can be begun', () => {
    let isFull = false
    const { time, begun, pump: made } = pump({ isFull: () => isFull })
    made.start()
    isFull = true
    time.advance(50)
    expect(begun).toHaveLength(1)
    expect(made.behind).toBe(5)
    isFull = false
    time.advance(2)
    expect(begun.map(({ dueMs }) => dueMs)).toEqual([0, 10, 20, 30, 40, 50])
    expect(begun[1]?.atMs).toBeGreaterThanOrEqual(50)
  })

  it('ends at its limit', async () => {
    const { time, begun, pump: made } = pump({ limit: 3 })
    made.start()
    time.advance(1_000)
    await made.finished
    expect(begun).toHaveLength(3)
    expect(made.behind).toBe(0)
  })

  it('begins nothing after a stop', async () => {
    const { time, begun, pump: made } = pump()
    made.start()
    made.stop()
    await made.finished
    time.advance(100)
    expect(begun).toHaveLength(1)
  })
})

describe('latencies', () => {
  it('are percentiles with three figures, from the least to the greatest', () => {
    const latencies = new Latencies()
    expect(latencies.summary()).toBeUndefined()
    for (let ms = 1; ms <= 1_000; ms++) latencies.record(ms)
    const summary = latencies.summary()
    expect(summary).toMatchObject({ count: 1_000, min: 1 })
    for (const [name, value] of [
      ...([
        ['p50', 500],
        ['p90', 900],
        ['p99', 990],
        ['p999', 999],
        ['max', 1_000],
        ['mean', 500.5],
      ] as const),
    ])
      expect(Math.abs((summary?.[name] ?? 0) / value - 1), name).toBeLessThan(0.002)
  })

  it('take what no clock should say', () => {
    const latencies = new Latencies()
    for (const ms of [-5, 0, 1e12]) latencies.record(ms)
    expect(latencies.summary()).toMatchObject({ count: 3, min: 0.001 })
  })
})

describe('payloads of bench', () => {
  it('carry a time where there is room', () => {
    const payload = stamp(stampedPayload(100), 1_700_000_000_000.25)
    expect(payload).toHaveLength(100)
    expect(readStamp(payload)).toBe(1_700_000_000_000.25)
    expect(readStamp(stamp(stampedPayload(15), 1))).toBeUndefined()
    expect(readStamp(Buffer.from('something that others have sent'))).toBeUndefined()
  })

  it('have topics with numbers, client ids and user names', () => {
    expect(fillTopic('a/%i/%c/%u/%x', 7, 'id-7', 'bob')).toBe('a/7/id-7/bob/%x')
  })
})
