/** What the disk itself can do: the figure that a store which waits for it is measured against. */
import { closeSync, fdatasyncSync, ftruncateSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Stop } from '../../scripts/lib/project.mjs'

/** As much as a message of the load takes with what is around it. */
const RECORD_BYTES = 128
const FILE_BYTES = 1 << 20
/** statfs's numbers of file systems that are memory: tmpfs and ramfs. */
const IN_MEMORY = new Set([0x01021994, 0x858458f6])

/** @throws Stop for a directory where fdatasync has nothing to wait for */
export function requireDisk(directory) {
  if (IN_MEMORY.has(statfsSync(directory).type)) {
    throw new Stop([`${directory} is in memory: say with TMPDIR where there is a disk.`])
  }
}

/**
 * A bare loop: write a record, fdatasync, and again. The file has its length before, so that nothing but the record has
 * to be written. Gives how long each fdatasync took, in microseconds.
 */
export function syncTimes(directory, count) {
  const path = join(directory, 'sync-times')
  const file = openSync(path, 'w')
  try {
    ftruncateSync(file, FILE_BYTES)
    writeSync(file, Buffer.alloc(FILE_BYTES, 1), 0, FILE_BYTES, 0)
    fdatasyncSync(file)
    const record = Buffer.alloc(RECORD_BYTES, 2)
    return Array.from({ length: count }, (_, n) => {
      writeSync(file, record, 0, RECORD_BYTES, (n * RECORD_BYTES) % FILE_BYTES)
      const began = process.hrtime.bigint()
      fdatasyncSync(file)
      return Number(process.hrtime.bigint() - began) / 1000
    })
  } finally {
    closeSync(file)
    rmSync(path)
  }
}
