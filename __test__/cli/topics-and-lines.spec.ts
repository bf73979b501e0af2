import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { linesOf } from '../../src/cli/lib/lines.js'
import { matches } from '../../src/cli/lib/topics.js'

async function lines(chunks: readonly string[]): Promise<string[]> {
  const stream = (async function* () {
    yield* chunks.map((chunk) => Buffer.from(chunk, 'latin1'))
  })()
  const found: string[] = []
  for await (const line of linesOf(stream)) found.push(line.toString('latin1'))
  return found
}

describe('lines', () => {
  it('are bytes without line feeds; an end without one ends a line too', async () => {
    expect(await lines(['one\n\ntwo\r\n\xff\0last'])).toEqual(['one', '', 'two\r', '\xff\0last'])
    expect(await lines(['a\n'])).toEqual(['a'])
    expect(await lines(['\n'])).toEqual([''])
    expect(await lines([])).toEqual([])
  })

  it('are the same wherever the stream is cut', async () => {
    const text = fc.array(fc.constantFrom('a', 'b', '\n'), { maxLength: 20 })
    await fc.assert(
      fc.asyncProperty(text, fc.array(fc.nat(20)), async (characters, cuts) => {
        const whole = characters.join('')
        const places = [0, ...cuts.sort((a, b) => a - b), whole.length]
        const chunks = places.slice(1).map((to, index) => whole.slice(places[index], to))
        const expected = whole.split('\n')
        if (expected.at(-1) === '') expected.pop()
        expect(await lines(chunks)).toEqual(expected)
      }),
    )
  })
})

describe('-T leaves out', () => {
  it.each([
    ['a/b', 'a/b', true],
    ['a/b', 'a/b/c', false],
    ['a/b/c', 'a/b', false],
    ['a/+', 'a/b', true],
    ['a/+', 'a', false],
    ['a/+', 'a/', true],
    ['+/+', '/b', true],
    ['a/#', 'a', true],
    ['a/#', 'a/b/c', true],
    ['a/#', 'ab', false],
    ['#', 'a/b', true],
    ['#', '$SYS/a', false],
    ['+/a', '$SYS/a', false],
    ['$SYS/#', '$SYS/a', true],
  ])('%s: %s is %s', (topicFilter, topicName, expected) => {
    expect(matches(topicFilter, topicName)).toBe(expected)
  })
})
