import { describe, expect, it } from 'vitest'
import { createLogger, type LogStream } from '../../src/cli/log.js'

/** A stream that keeps its lines. */
function collect(isTTY = false): { stream: LogStream; lines: string[] } {
  const lines: string[] = []
  return { lines, stream: { isTTY, write: (line: string) => lines.push(line) } }
}

describe('in a pipe', () => {
  it('a line is one JSON object with a level in words, an ISO time and the fields', () => {
    const { stream, lines } = collect()
    createLogger(stream, 'info', 'auto', false).info({ clientId: 'a\nb' }, 'Client connected.')
    expect(lines).toHaveLength(1)
    const line = JSON.parse(lines[0] ?? '')
    expect(line).toEqual({
      level: 'info',
      time: expect.any(String),
      clientId: 'a\nb',
      msg: 'Client connected.',
    })
    expect(new Date(line.time).toISOString()).toBe(line.time)
  })
})

describe('on a terminal', () => {
  it('a line is the time, the sentence and the fields', () => {
    const { stream, lines } = collect(true)
    createLogger(stream, 'info', 'auto', false).info(
      { clientId: 'c1', peer: '[::1]:5', user: undefined, n: 0 },
      'Hello.',
    )
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d Hello\. clientId=c1 peer=\[::1\]:5 n=0\n$/)
  })

  it('a peer cannot forge a line or move the cursor', () => {
    const { stream, lines } = collect(true)
    const logger = createLogger(stream, 'info', 'auto', true)
    logger.info({ clientId: 'a\n12:00:00 Forged.\x1b[2J', list: ['\x1b'] }, 'Hello.\r\n\x1b[2J')
    expect(lines[0]?.trimEnd()).not.toMatch(/[\n\r\x1b]/)
  })

  it('warnings and errors are marked, and coloured where colours are wanted', () => {
    const { stream, lines } = collect(true)
    createLogger(stream, 'info', 'auto', false).warn({ err: new Error('why not') }, 'Careful.')
    createLogger(stream, 'info', 'auto', true).error({}, 'Broken.')
    expect(lines[0]).toContain('warn: Careful. err="why not"')
    expect(lines[1]).toContain('\x1b[31merror: Broken.\x1b[0m')
  })
})

describe('either way', () => {
  it.each(['pretty', 'json'] as const)('%s leaves out what is below the level', (format) => {
    const { stream, lines } = collect()
    const logger = createLogger(stream, 'warn', format, false)
    for (const level of ['debug', 'info', 'warn', 'error'] as const) logger[level]({}, level)
    expect(lines).toHaveLength(2)
  })

  it('a format that was asked for wins over what the stream is', () => {
    const { stream, lines } = collect(true)
    createLogger(stream, 'info', 'json', false).info({}, 'x')
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ msg: 'x' })
  })
})
