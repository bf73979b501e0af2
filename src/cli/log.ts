/**
 * The command's logger. On a terminal one short line per event; elsewhere (a pipe, a container, a service) one JSON
 * object per line, by pino, which is what log collectors read. Both go to standard error: standard output is left
 * to the banner, and to whatever a later command prints as its result.
 */
import { pino } from 'pino'
import type { Logger } from '../logger.js'
import type { LogFormat, LogLevel } from './config-schema.js'

/** Where lines go: `process.stderr`, or a stand-in. */
export interface LogStream {
  readonly isTTY?: boolean | undefined
  write(line: string): unknown
}

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']
const COLORS: Readonly<Record<LogLevel, number>> = { debug: 2, info: 0, warn: 33, error: 31 }

/** A logger for `stream` that leaves out what is below `level`. */
export function createLogger(stream: LogStream, level: LogLevel, format: LogFormat, color: boolean): Logger {
  const isPretty = format === 'pretty' || (format === 'auto' && stream.isTTY === true)
  if (isPretty) return prettyLogger(stream, level, color)
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: levelName } },
    stream,
  )
}

/** A word instead of pino's number. */
function levelName(label: string): { level: string } {
  return { level: label }
}

function prettyLogger(stream: LogStream, threshold: LogLevel, color: boolean): Logger {
  const writer = (level: LogLevel) => {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(threshold)) return () => {}
    return (fields: object, message: string) => {
      const mark = level === 'info' ? '' : `${level}: `
      const text = `${mark}${oneLine(message)}`
      const painted = color && COLORS[level] !== 0 ? `\x1b[${COLORS[level]}m${text}\x1b[0m` : text
      stream.write(`${clock(new Date())} ${painted}${formatFields(fields)}\n`)
    }
  }
  return { debug: writer('debug'), info: writer('info'), warn: writer('warn'), error: writer('error') }
}

function clock(now: Date): string {
  return now.toTimeString().slice(0, 8)
}

/** ` clientId=sensor-1 protocol=ws`; an error is its message. */
function formatFields(fields: object): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${formatValue(value)}`)
    .join('')
}

function formatValue(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(value.message)
  if (typeof value === 'string') return /^[\w.:@/+#$[\]-]+$/.test(value) ? value : JSON.stringify(value)
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** Control characters would let a client id move the cursor or forge a line. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1))
}
