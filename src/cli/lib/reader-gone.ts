/** Hears at once that the reader of standard output is gone (`| head -1`), and not with the next write. */
import { fstatSync } from 'node:fs'
import { whenReaderGone } from '../../native.js'

const STANDARD_OUTPUT = 1

/** Calls `action` once, where standard output is a pipe and this machine tells of its other end. */
export function whenNobodyReads(action: () => void): void {
  const output = fstatSync(STANDARD_OUTPUT)
  if (output.isFIFO() || output.isSocket()) whenReaderGone(STANDARD_OUTPUT, action)
}
