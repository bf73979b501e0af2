import { describe, expect, it } from 'vitest'

/** The scripts are plain JavaScript, so nothing of them has a type here. */
const { whatFailed } = await import(new URL('../../scripts/lib/digest.mjs', import.meta.url).href)

const passedCargo = ['test codec::reads ... ok', 'test result: ok. 1 passed; 0 failed']
const failedCargo = [
  'test codec::reads ... FAILED',
  'failures:',
  '',
  '---- codec::reads stdout ----',
  "thread 'codec::reads' panicked at crates/codec/src/lib.rs:1:1:",
  '',
  'failures:',
  '    codec::reads',
  '',
  'test result: FAILED. 0 passed; 1 failed',
]
const failedVitest = [
  ' \x1b[31m❯\x1b[39m __test__/a.spec.ts (2 tests | 1 failed)',
  '⎯⎯⎯⎯⎯⎯⎯ Failed Tests 1 ⎯⎯⎯⎯⎯⎯⎯',
  ' FAIL  __test__/a.spec.ts > is right',
  'AssertionError: expected 1 to be 2',
  ' Test Files  1 failed (1)',
  '1 passed, 1 failed',
]
const log = (...lines: string[]) => lines.join('\n')

describe('the digest of a log', () => {
  it('says nothing where nothing failed', () => {
    const lines = [...passedCargo, 'error: printed by what is tested', ' Test Files  1 passed (1)']
    expect(whatFailed(log(...lines, '2 passed, 0 failed'), 0)).toEqual([])
  })

  it('names the failed tests of both suites, and what they said', () => {
    expect(whatFailed(log(...failedCargo, ...passedCargo, ...failedVitest), 1)).toEqual([
      'tests:',
      '  failures:',
      '  ---- codec::reads stdout ----',
      "  thread 'codec::reads' panicked at crates/codec/src/lib.rs:1:1:",
      '  failures:',
      '      codec::reads',
      '  test result: FAILED. 0 passed; 1 failed',
      '  ⎯⎯⎯⎯⎯⎯⎯ Failed Tests 1 ⎯⎯⎯⎯⎯⎯⎯',
      '   FAIL  __test__/a.spec.ts > is right',
      '  AssertionError: expected 1 to be 2',
    ])
  })

  it('takes of a check the steps that failed, a test by its tests and another by its last lines', () => {
    const lines = whatFailed(
      log(
        '[topicwire] check: fmt',
        '[topicwire] check: biome',
        'src/a.ts format ━━━',
        '[topicwire] check: vitest',
        ...failedVitest,
        '[topicwire] check: generated',
        'ok     fmt              0.1 s',
        'FAILED biome            0.2 s',
        'FAILED vitest           9.9 s',
        'ok     generated        0.1 s',
      ),
      1,
    )
    expect(lines.filter((line: string) => !line.startsWith(' '))).toEqual(['biome:', 'vitest:'])
    expect(lines).toContain('  src/a.ts format ━━━')
    expect(lines).toContain('  AssertionError: expected 1 to be 2')
  })

  it('of a command that was ended has its last words', () => {
    const many = Array.from({ length: 100 }, (_, i) => `line ${i}`)
    const lines = whatFailed(log('[topicwire] check: clippy', ...many), 124)
    expect(lines[0]).toBe('clippy:')
    expect(lines.at(-1)).toBe('  line 99')
    expect(lines).toHaveLength(46)
  })

  it('is short however much a test had to say', () => {
    const many = Array.from({ length: 100 }, (_, i) => `line ${i}`)
    const lines = whatFailed(log('failures:', ...many, 'test result: FAILED. 0 passed; 1 failed'), 101)
    expect(lines.at(-1)).toBe('  (57 lines more, above)')
    expect(lines).toHaveLength(47)
  })
})
