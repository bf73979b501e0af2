import { describe, expect, it } from 'vitest'

/** The scripts are plain JavaScript, so nothing of them has a type here. */
const { countCargo, countVitest, sum } = await import(
  new URL('../../scripts/lib/tests.mjs', import.meta.url).href
)

describe('what cargo says', () => {
  it('is summed over its suites, coloured or not', () => {
    const output = [
      'test codec::reads ... ok',
      'test codec::slow ... ignored',
      'test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s',
      'test result: \x1b[31mFAILED\x1b[0m. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out',
    ].join('\n')
    expect(countCargo(output, 101)).toEqual({ passed: 7, failed: 2, skipped: ['codec::slow'] })
  })

  it('is a failure when it did not compile', () => {
    expect(countCargo('error[E0432]: unresolved import', 101)).toEqual({ passed: 0, failed: 1, skipped: [] })
  })

  it('is no failure when there was nothing to test', () => {
    expect(countCargo('', 0)).toEqual({ passed: 0, failed: 0, skipped: [] })
  })
})

describe('what vitest says', () => {
  const file = (status: string, ...tests: [string, string][]) => ({
    status,
    assertionResults: tests.map(([fullName, status]) => ({ fullName, status })),
  })

  it('is counted test by test, and the skipped ones are named', () => {
    const report = {
      testResults: [file('failed', ['a', 'passed'], ['b', 'failed'], ['c', 'skipped'], ['d', 'todo'])],
    }
    expect(countVitest(report, 1)).toEqual({ passed: 1, failed: 1, skipped: ['c', 'd'] })
  })

  it('is a failure for each file that could not be loaded', () => {
    const report = { testResults: [file('failed'), file('failed'), file('passed', ['a', 'passed'])] }
    expect(countVitest(report, 1)).toEqual({ passed: 1, failed: 2, skipped: [] })
  })

  it('is a failure when it ended badly with every test passed, or left no report', () => {
    expect(countVitest({ testResults: [file('passed', ['a', 'passed'])] }, 1)).toMatchObject({ failed: 1 })
    expect(countVitest(undefined, 1)).toMatchObject({ failed: 1 })
  })
})

it('counts are added up', () => {
  const one = { passed: 1, failed: 2, skipped: ['a'] }
  expect(sum([one, one])).toEqual({ passed: 2, failed: 4, skipped: ['a', 'a'] })
})
