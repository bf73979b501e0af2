import { pino } from 'pino'
import { expect, it } from 'vitest'
import { type Logger, silentLogger } from '../src/logger.js'
import { resolveOptions } from '../src/options.js'

it('pino is a Logger as it is', () => {
  const lines: string[] = []
  const logger: Logger = pino({ base: null }, { write: (line: string) => lines.push(line) })
  resolveOptions({ logger }).logger.warn({ clientId: 'c' }, 'Something.')
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ clientId: 'c', msg: 'Something.' })
})

it('a broker that is given no logger is silent', () => {
  expect(resolveOptions({}).logger).toBe(silentLogger)
  expect(() => silentLogger.error({}, 'Nobody hears this.')).not.toThrow()
})
