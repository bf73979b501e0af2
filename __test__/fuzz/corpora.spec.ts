/** What the fuzzers have found interesting, run again. A corpus has an input in hexadecimal digits on each line. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { targets } from './targets.js'

function corpus(name: string): Buffer[] {
  const text = readFileSync(new URL(`corpus/${name}.hex`, import.meta.url), 'utf8')
  return text
    .trimEnd()
    .split('\n')
    .map((line) => Buffer.from(line, 'hex'))
}

describe.each([...targets])('the corpus of %s', (name, target) => {
  it('passes its target, every input of it', { timeout: 120_000 }, async () => {
    const inputs = corpus(name)
    expect(inputs.length).toBeGreaterThan(10)
    for (const input of inputs) {
      try {
        await target(input)
      } catch (error) {
        throw new Error(`${name} of ${input.toString('hex')}`, { cause: error })
      }
    }
  })

  it('is passed by an input of any one byte, and by none', async () => {
    await target(Buffer.alloc(0))
    for (let byte = 0; byte < 256; byte += 1) await target(Buffer.of(byte))
  })
})
