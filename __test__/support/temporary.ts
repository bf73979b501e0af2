/** A directory of a test's own, removed when the test is over. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'

/** Makes the directory with these files in it; answers its path. */
export function temporaryDirectory(files: Readonly<Record<string, string | Uint8Array>> = {}): string {
  const directory = mkdtempSync(join(tmpdir(), 'topicwire-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  for (const [name, contents] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), contents)
  }
  return directory
}

/** Makes the directory with one file; answers the file's path. */
export function temporaryFile(name: string, contents: string | Uint8Array): string {
  return join(temporaryDirectory({ [name]: contents }), name)
}
