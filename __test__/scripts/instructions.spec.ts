import { describe, expect, it } from 'vitest'

/** The scripts are plain JavaScript, so nothing of them has a type here. */
const { compare, instructionsIn, perUnit, rustcVersion } = await import(
  new URL('../../scripts/lib/instructions.mjs', import.meta.url).href
)

const pinned = {
  marginPercent: 4,
  otherCompilerMarginPercent: 15,
  machines: { x64: { rustc: '1.95.0', counts: { decode_publish: 772, encode_publish: 100 } } },
}

/** With counts like the pinned ones but for these, on the machine and with the compiler that they were pinned with. */
function compared(counts: object, others: object = {}): { lines: string[]; isGood: boolean } {
  const like = { counts: { decode_publish: 772, encode_publish: 100, ...counts } }
  return compare({ rustc: '1.95.0', arch: 'x64', pinned, isCi: true, ...like, ...others })
}

describe('a count of instructions', () => {
  it('is what lies between two runs, for one unit', () => {
    expect(perUnit([1_000_000, 1_860_000], [20, 60], 100)).toBe(215)
    expect(instructionsIn('==7== Events    : Ir\n==7== Collected : 12858343\n==7== \n')).toBe(12_858_343)
    expect(instructionsIn('valgrind: no such program')).toBeUndefined()
    expect(rustcVersion('rustc 1.95.0 (59807616e 2026-04-14)\n')).toBe('1.95.0')
  })

  it('may be a little above the pinned one', () => {
    expect(compared({ decode_publish: 800 }).isGood).toBe(true)
  })

  it('fails past the margin, and says by how much and what to do', () => {
    const { lines, isGood } = compared({ decode_publish: 812 })
    expect(isGood).toBe(false)
    expect(lines).toContain(
      'decode_publish: 812 instructions, 5.2 % above the pinned 772; if that is meant: npm run instructions -- --pin',
    )
  })

  it('that fell is to be pinned, and fails nothing', () => {
    const { lines, isGood } = compared({ encode_publish: 50 })
    expect(isGood).toBe(true)
    expect(lines).toContain('encode_publish: 50 instructions, 50.0 % below the pinned 100: pin it.')
  })

  it('fails where none is pinned, and where its part is gone', () => {
    expect(compared({ match_topic: 5 }).isGood).toBe(false)
    expect(compared({}, { counts: { encode_publish: 100, match_topic: 5 } }).isGood).toBe(false)
    expect(compared({}, { counts: { encode_publish: 100 } }).isGood).toBe(true)
  })

  it('of another compiler has a wider margin, and past it fails in CI only', () => {
    const other = { rustc: '1.99.0' }
    expect(compared({ decode_publish: 850 }, other).isGood).toBe(true)
    expect(compared({ decode_publish: 900 }, other).isGood).toBe(false)
    expect(compared({ decode_publish: 900 }, { ...other, isCi: false }).isGood).toBe(true)
    expect(compared({ decode_publish: 900 }, { isCi: false }).isGood).toBe(false)
  })

  it('says so where nothing is pinned for the architecture', () => {
    const { lines, isGood } = compared({}, { arch: 'arm64' })
    expect(isGood).toBe(true)
    expect(lines).toEqual([
      'No counts are pinned for arm64: npm run instructions -- --pin, on such a machine.',
    ])
  })
})
