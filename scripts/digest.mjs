/**
 * `node scripts/digest.mjs LOG EXIT_CODE …`: says of logs of `npm run check` and `npm test` what failed in them, if
 * anything did. For the end of `.ci/run`.
 */
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { whatFailed } from './lib/digest.mjs'

const args = process.argv.slice(2)
for (let i = 0; i < args.length; i += 2) {
  const lines = whatFailed(readFileSync(args[i], 'utf8'), Number(args[i + 1]))
  if (lines.length > 0) process.stdout.write(`\nwhat failed in ${basename(args[i])}:\n${lines.join('\n')}\n`)
}
