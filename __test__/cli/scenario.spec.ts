import { describe, expect, it } from 'vitest'
import { randomOf } from '../../src/cli/simulate/random.js'
import { readScenario } from '../../src/cli/simulate/scenario.js'
import { payloadTemplate, textTemplate } from '../../src/cli/simulate/template.js'
import { generatorOf, type ValueDescription } from '../../src/cli/simulate/values.js'
import { ROOT } from '../interop/programs.js'
import { temporaryFile } from '../support/temporary.js'

const values = new Map<string, string | number | boolean>([
  ['t', 21.5],
  ['on', true],
  ['id', 'a'],
])
const lookUp = (name: string) => values.get(name) ?? null

describe('templates', () => {
  it.each([
    ['home/{id}/t', 'home/a/t'],
    ['{t}', '21.5'],
    ['{{t}', '{t}'],
    ['{"t":{t}}', '{"t":21.5}'],
    ['{} { t } {1}', '{} { t } {1}'],
    ['', ''],
  ])('%s becomes %s', (template, expected) => {
    expect(textTemplate(template).render(lookUp)).toBe(expected)
  })

  it('make JSON of mappings and lists, with the types of values', () => {
    const template = payloadTemplate({ t: '{t}', text: '{t} °C', all: ['{on}', 'x', 1, null] })
    expect(template.render(lookUp)).toBe('{"t":21.5,"text":"21.5 °C","all":[true,"x",1,null]}')
    expect([...template.names]).toEqual(['t', 'on'])
  })
})

describe('values', () => {
  function drawn(value: ValueDescription, count: number, seed = 1): unknown[] {
    const generator = generatorOf(value, randomOf(seed, 'a'))
    return Array.from({ length: count }, (_, index) => generator(1_700_000_000_123.4, index))
  }

  it('a random walk begins at its start, takes small steps and stays within its ends', () => {
    const walk = { randomWalk: { start: 20, step: 0.5, minimum: 19, maximum: 21, decimals: 2 } }
    const steps = drawn(walk, 1_000) as number[]
    expect(steps[0]).toBe(20)
    for (const [index, value] of steps.entries()) {
      expect(Math.abs(value - (steps[index - 1] ?? value))).toBeLessThanOrEqual(0.51)
      expect(value).toBeGreaterThanOrEqual(19)
      expect(value).toBeLessThanOrEqual(21)
      expect(String(value)).toMatch(/^\d+(\.\d{1,2})?$/)
    }
    expect(new Set(steps).size).toBeGreaterThan(50)
    expect(drawn(walk, 50)).toEqual(steps.slice(0, 50))
    expect(drawn(walk, 50, 2)).not.toEqual(steps.slice(0, 50))
  })

  it('a counter counts, a sine waves, a clock tells the time, a choice chooses', () => {
    expect(drawn({ counter: {} }, 3)).toEqual([0, 1, 2])
    expect(drawn({ counter: { start: 10, step: -5 } }, 3)).toEqual([10, 5, 0])
    expect(drawn({ sine: { mean: 1, amplitude: 2, periodSecs: 4, decimals: 1 } }, 4)).toEqual([1, 3, 1, -1])
    expect(drawn({ timestamp: 'iso' }, 1)).toEqual(['2023-11-14T22:13:20.123Z'])
    expect(drawn({ timestamp: 'ms' }, 1)).toEqual([1_700_000_000_123])
    expect(drawn({ timestamp: 'secs' }, 1)).toEqual([1_700_000_000])
    expect(new Set(drawn({ choice: ['a', 2, true, null] }, 200))).toEqual(new Set(['a', 2, true, null]))
  })

  it('uniform values fill their range evenly', () => {
    const drawnValues = drawn({ uniform: { minimum: 0, maximum: 1 } }, 10_000) as number[]
    for (let tenth = 0; tenth < 10; tenth++) {
      const within = drawnValues.filter((value) => Math.floor(value * 10) === tenth).length
      expect(within).toBeGreaterThan(850)
      expect(within).toBeLessThan(1_150)
    }
  })
})

describe('a scenario file', () => {
  const GOOD = `devices:
  - name: a
    count: 2
    values: { temperature: { counter: {} } }
    publish: [{ topic: "x/{id}", payload: "{temperature}", periodSecs: 1 }]
`

  it('of the examples is valid', () => {
    expect(readScenario(`${ROOT}/examples/thermostats.yaml`).devices).toHaveLength(2)
  })

  it.each([
    [
      'count: 2',
      'count: two',
      /:3:5: devices\[0\]\.count must be a whole number from 1 to 100000, not "two"\.$/,
    ],
    [
      'count: 2',
      'cuont: 2',
      /devices\[0\]\.cuont is not a known option\. Did you mean devices\[0\]\.count\?/,
    ],
    [
      '{temperature}"',
      '{temprature}"',
      /:5:\d+: devices\[0\]\.publish\[0\]\.payload has \{temprature\}, which is no value: perhaps \{temperature\} is meant\.$/,
    ],
    ['x/{id}', 'x/#', /topic must be a topic name: no \+ and no #\.$/],
    ['periodSecs: 1', 'periodSecs: 0', /periodSecs must be a number of seconds from 0\.01 on\.$/],
    ['periodSecs: 1', 'periodSecs: 1, jitterSecs: 2', /jitterSecs must not be more than periodSecs\.$/],
    [
      'counter: {}',
      'counter: {}, timestamp: ms',
      /values\.temperature must have exactly one of randomWalk, /,
    ],
    ['count: 2', 'count: 2\n    clientId: same', /clientId must have \{n\} in it, or all devices/],
    ['payload: "{temperature}", ', '', /publish\[0\]\.payload is missing\.$/],
    ['- name: a', '- name: [', /scenario\.yaml:\d+:\d+: /],
  ])('with %s as %s is answered with the place and a sentence', (good, bad, expected) => {
    const path = temporaryFile('scenario.yaml', GOOD.replace(good, bad))
    expect(() => readScenario(path)).toThrow(expected)
  })

  it('that is not there is one sentence', () => {
    expect(() => readScenario('/nowhere.yaml')).toThrow(
      'The scenario /nowhere.yaml cannot be read: there is no such file.',
    )
  })

  it('may be JSON', () => {
    const path = temporaryFile('s.json', JSON.stringify({ devices: [{ name: 'a', count: 1 }] }))
    expect(readScenario(path).devices[0]?.name).toBe('a')
  })
})
