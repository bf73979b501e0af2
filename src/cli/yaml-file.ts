/** Reads a YAML or JSON file (which is YAML) with a schema, and says where in it something is wrong. */
import { readFileSync } from 'node:fs'
import { type Document, isMap, isNode, isScalar, LineCounter, type Node, parseDocument } from 'yaml'
import type { z } from 'zod'
import { MqttError } from '../errors.js'
import { type Problem, validate } from '../validate.js'

/** More than any configuration needs, and little enough to read at once. */
const MAXIMUM_FILE_BYTES = 16 * 1024 * 1024

/**
 * Reads and checks the file; `what` it is, for a sentence.
 *
 * @throws MqttError ERR_MQTT_INVALID_CONFIG, one line `file:line:column: what` for each thing that is wrong.
 */
export function readYamlFile<T>(path: string, what: string, schema: z.ZodType<T>): T {
  const lines = new LineCounter()
  const document = parseDocument(read(path, what), { lineCounter: lines, prettyErrors: false })
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return `${path}:${line}:${col}`
  }
  const mistakes = document.errors.map((error) => `${place(error.pos[0])}: ${error.message}`)
  if (mistakes.length > 0) throw invalid(mistakes)

  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: 100 }) ?? {}
  } catch (error) {
    throw invalid([`${path}: ${(error as Error).message}`])
  }
  const result = validate(schema, value)
  if ('problems' in result) {
    throw invalid(
      result.problems.map((problem) => `${place(offsetOf(document, problem))}: ${problem.message}`),
    )
  }
  return result.data
}

/** A file system error in words; Node's own begins with a code and repeats the path. */
export function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOENT') return 'there is no such file'
  if (code === 'EACCES') return 'permission is denied'
  if (code === 'EISDIR') return 'it is a directory'
  return error instanceof Error ? error.message : String(error)
}

function read(path: string, what: string): string {
  try {
    const bytes = readFileSync(path)
    if (bytes.length > MAXIMUM_FILE_BYTES) throw new Error('it is larger than 16 MiB')
    return bytes.toString('utf8')
  } catch (error) {
    throw invalid([`The ${what} ${path} cannot be read: ${reasonOf(error)}.`], error)
  }
}

/** Where a problem stands: its key if it has one, else the nearest thing around it. */
function offsetOf(document: Document, problem: Problem): number {
  for (let length = problem.path.length; length > 0; length--) {
    const parent = document.getIn(problem.path.slice(0, length - 1), true)
    const key = problem.path[length - 1]
    if (isMap(parent)) {
      const pair = parent.items.find((item) => isScalar(item.key) && item.key.value === key)
      const start = (pair?.key as Node | undefined)?.range?.[0]
      if (start !== undefined) return start
    }
    const node = document.getIn(problem.path.slice(0, length), true)
    if (isNode(node) && node.range) return node.range[0]
  }
  return 0
}

function invalid(lines: readonly string[], cause?: unknown): MqttError {
  return new MqttError('ERR_MQTT_INVALID_CONFIG', lines.join('\n'), { cause })
}
