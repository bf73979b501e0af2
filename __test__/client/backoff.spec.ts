import { describe, expect, it } from 'vitest'
import { Backoff } from '../../src/client/backoff.js'

const HIGHEST = 0.999_999

function delays(backoff: Backoff, count: number): (number | undefined)[] {
  return Array.from({ length: count }, () => backoff.nextDelay())
}

describe('the wait before the next attempt', () => {
  it('has a ceiling that doubles up to the highest', () => {
    const backoff = new Backoff({ reconnectPeriod: 100, reconnectPeriodMax: 1_000 }, () => HIGHEST)
    expect(delays(backoff, 6)).toEqual([100, 200, 400, 800, 1_000, 1_000])
  })

  it('is one second at first and thirty at most, when nothing else is said', () => {
    const backoff = new Backoff({}, () => HIGHEST)
    expect(delays(backoff, 7)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
  })

  it('is anything from nothing to the ceiling', () => {
    expect(delays(new Backoff({}, () => 0), 2)).toEqual([0, 0])
    expect(delays(new Backoff({}, () => 0.5), 2)).toEqual([500, 1_000])
  })

  it('stays finite after any number of attempts', () => {
    const backoff = new Backoff({}, () => HIGHEST)
    expect(delays(backoff, 5_000).at(-1)).toBe(30_000)
  })

  it('is never when reconnectPeriod is 0', () => {
    expect(new Backoff({ reconnectPeriod: 0 }).nextDelay()).toBeUndefined()
  })

  it('has no highest ceiling below the first one', () => {
    const backoff = new Backoff({ reconnectPeriod: 60_000 }, () => HIGHEST)
    expect(delays(backoff, 2)).toEqual([60_000, 60_000])
  })

  it('is short again after a connection that lasted', () => {
    const backoff = new Backoff({ reconnectPeriod: 100 }, () => HIGHEST)
    delays(backoff, 3)
    backoff.opened(0)
    backoff.closed(801)
    expect(backoff.nextDelay()).toBe(100)
  })

  it('goes on growing when connections are taken and dropped', () => {
    const backoff = new Backoff({ reconnectPeriod: 100 }, () => HIGHEST)
    for (const expected of [100, 200, 400]) {
      backoff.opened(0)
      backoff.closed(50)
      expect(backoff.nextDelay()).toBe(expected)
    }
  })

  it.each([
    [{ reconnectPeriod: -1 }, 'reconnectPeriod'],
    [{ reconnectPeriod: 1.5 }, 'reconnectPeriod'],
    [{ reconnectPeriodMax: Number.POSITIVE_INFINITY }, 'reconnectPeriodMax'],
  ])('refuses %o', (options, name) => {
    expect(() => new Backoff(options)).toThrow(`${name} must be a whole number of milliseconds`)
  })
})
