/** The self-test that decides whether sockets share a buffer: it must cost nobody anything, whatever becomes of it. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { selfTest } from '../../src/transports/shared-read.js'

const unhandled: unknown[] = []
const note = (reason: unknown): void => {
  unhandled.push(reason)
}
beforeEach(() => {
  unhandled.length = 0
  process.on('unhandledRejection', note)
})
afterEach(() => {
  process.off('unhandledRejection', note)
})

/** A deadline that passes right after somebody has begun to listen for it for the `count`th time. */
function deadlineAt(count: number): { signal: AbortSignal; seen: () => number } {
  const controller = new AbortController()
  const { signal } = controller
  const listen = signal.addEventListener.bind(signal)
  let seen = 0
  signal.addEventListener = ((...given: Parameters<typeof listen>) => {
    listen(...given)
    seen += 1
    if (seen === count) queueMicrotask(() => controller.abort(new Error('too late')))
  }) as typeof signal.addEventListener
  return { signal, seen: () => seen }
}

/** Node tells of unhandled rejections when the microtasks of a turn are done. */
async function someTurns(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate)
}

const isWindows = process.platform === 'win32'

test.skipIf(isWindows)('it passes on this Node, and leaves no socket behind', async () => {
  const before = process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length
  expect(await selfTest(AbortSignal.timeout(15_000))).toBe(true)
  await expect
    .poll(() => process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length)
    .toBe(before)
})

test.skipIf(isWindows)(
  'a deadline that passes at any of its steps ends the test and nothing else',
  async () => {
    const whole = deadlineAt(Number.POSITIVE_INFINITY)
    expect(await selfTest(whole.signal)).toBe(true)
    expect(whole.seen()).toBeGreaterThan(6)
    for (let step = 1; step <= whole.seen(); step += 1) {
      const { signal } = deadlineAt(step)
      // The last steps may be over before anybody looks.
      const outcome = await selfTest(signal).catch((error: Error) => error)
      expect(outcome === true || outcome instanceof Error, `step ${step}`).toBe(true)
      await someTurns()
      expect(unhandled, `step ${step}`).toEqual([])
    }
    await expect(selfTest(AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late')
    await expect
      .poll(() => process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length)
      .toBe(0)
  },
)

test('the test that counts sockets would see one', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  expect(process.getActiveResourcesInfo().some((name) => name.startsWith('TCP'))).toBe(true)
  server.close()
  await once(server, 'close')
})
