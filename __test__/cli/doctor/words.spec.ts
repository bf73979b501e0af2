import { expect, it } from 'vitest'
import type { Finding } from '../../../src/cli/doctor/run.js'
import { inWords } from '../../../src/cli/doctor/words.js'
import { paintWith } from '../../../src/cli/lib/paint.js'

const findings: readonly Finding[] = [
  { number: 1, code: 'scheme', title: 'right protocol', status: 'ok', text: 'it speaks MQTT' },
  {
    ...{ number: 2, code: 'network', title: 'network', status: 'fail' },
    text: 'nothing listens at localhost:1883: the host is there and refuses',
    remedy: 'Start the broker, or give the port that its banner shows.',
  },
]
const summary = '1 failure, 0 warnings; 1 check is well, 0 were skipped.'

it('a check is one line where there is no terminal', () => {
  expect(inWords('mqtt://localhost', findings, paintWith(false)).split('\n')).toEqual([
    'mqtt://localhost',
    '',
    'ok    right protocol  it speaks MQTT.',
    'FAIL  network         nothing listens at localhost:1883: the host is there and refuses. Start the broker, or give the port that its banner shows.',
    '',
    summary,
    '',
  ])
})

it('a terminal has the text beside the titles, broken by words', () => {
  expect(inWords('mqtt://localhost', findings, paintWith(false), 60).split('\n').slice(3, -3)).toEqual([
    'FAIL  network         nothing listens at localhost:1883: the',
    '                      host is there and refuses. Start the',
    '                      broker, or give the port that its',
    '                      banner shows.',
  ])
})

it('a narrow terminal has it below them', () => {
  expect(inWords('mqtt://localhost', findings, paintWith(false), 40).split('\n').slice(3, -3)).toEqual([
    'FAIL  network         nothing listens at',
    '      localhost:1883: the host is there',
    '      and refuses. Start the broker, or',
    '      give the port that its banner',
    '      shows.',
  ])
})

it('what helps is bold in each of its lines, and nothing else is', () => {
  const shown = inWords('mqtt://localhost', findings, paintWith(true), 60).split('\n')
  expect(shown.slice(4, 6)).toEqual([
    '                      host is there and refuses. \x1b[1mStart the\x1b[0m',
    '                      \x1b[1mbroker, or give the port that its\x1b[0m',
  ])
})
