/** What came of an examination, as people read it: a line for each check, broken by words where there is a terminal. */
import stringWidth from 'string-width'
import type { Paint } from '../lib/paint.js'
import type { Finding } from './run.js'

/** Where less is left for the text beside the titles, it goes on below them. */
const NARROW = 30
/** The mark, and the space behind it. */
const MARK_COLUMNS = 6

/** `columns` is the width of the terminal; in a pipe there is none, and a check is one line. */
export function inWords(name: string, findings: readonly Finding[], paint: Paint, columns?: number): string {
  const width = Math.max(...findings.map(({ title }) => title.length))
  const marks = {
    ok: paint.dim('ok  '),
    skip: paint.dim('skip'),
    warn: paint.cyan('warn'),
    fail: paint.red('FAIL'),
  }
  const start = MARK_COLUMNS + width + 2
  const lines = findings.map(({ status, title, text, remedy }) => {
    const parts = [{ text: `${text}.`, paint: status === 'skip' ? paint.dim : plain }]
    if (remedy !== undefined) parts.push({ text: remedy, paint: paint.bold })
    return `${marks[status]}  ${title.padEnd(width)}  ${broken(parts, start, columns)}`
  })
  const count = (wanted: Finding['status']): number =>
    findings.filter(({ status }) => status === wanted).length
  const failures = count('fail') === 1 ? '1 failure' : `${count('fail')} failures`
  const warnings = count('warn') === 1 ? '1 warning' : `${count('warn')} warnings`
  const well = count('ok') === 1 ? '1 check is well' : `${count('ok')} checks are well`
  const skipped = count('skip') === 1 ? '1 was skipped' : `${count('skip')} were skipped`
  return `${name}\n\n${lines.join('\n')}\n\n${failures}, ${warnings}; ${well}, ${skipped}.\n`
}

interface Part {
  readonly text: string
  readonly paint: (text: string) => string
}

/** The parts one after the other, in as many lines as they take. The first begins at the column `start`. */
function broken(parts: readonly Part[], start: number, columns = Number.POSITIVE_INFINITY): string {
  const indent = columns - start >= NARROW ? start : MARK_COLUMNS
  const lines: Part[][] = [[]]
  let column = start
  for (const { text, paint } of parts) {
    for (const word of text.split(' ')) {
      const size = stringWidth(word)
      if (column + size > columns && lines.at(-1)?.length !== 0) {
        lines.push([])
        column = indent
      }
      column += size + 1
      const line = lines.at(-1)
      const last = line?.at(-1)
      // Words of one colour are painted in one piece.
      if (last?.paint === paint) line?.splice(-1, 1, { text: `${last.text} ${word}`, paint })
      else line?.push({ text: word, paint })
    }
  }
  return lines
    .map((line) => line.map(({ text, paint }) => paint(text)).join(' '))
    .join(`\n${' '.repeat(indent)}`)
}

function plain(text: string): string {
  return text
}
