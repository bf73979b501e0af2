/**
 * `npm run bench -- --parts`: the benches of the parts that targets are about, one after the other; criterion's leave
 * their figures below `target/criterion`, the others in `bench/results/parts/`; what a filter costs in memory is in no
 * file, so it is read from what the bench prints. `npm run bench` and bench/report.mjs read them there.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { inRoot, main, run, say } from '../scripts/lib/project.mjs'
import { codecFile, memoryFile, memoryRows, routerFile } from './lib/parts.mjs'

const benches = [
  ['cargo', ['bench', '--package', 'topicwire-bench-codecs', '--features', 'peers']],
  ['cargo', ['bench', '--package', 'topicwire-topics', '--bench', 'matching']],
  ['cargo', ['bench', '--package', 'topicwire-topics', '--bench', 'memory']],
  [process.execPath, [inRoot('bench', 'codec', 'run.mjs'), `--json=${codecFile}`]],
  [process.execPath, ['--expose-gc', inRoot('bench', 'router', 'run.mjs'), `--json=${routerFile}`]],
]

await main(async () => {
  for (const file of [codecFile, routerFile]) mkdirSync(dirname(file), { recursive: true })
  const output = []
  let exitCode = 0
  for (const [command, args] of benches) {
    say([command, ...args].join(' '))
    const failed = await run(command, args, { onOutput: (chunk) => output.push(chunk) })
    exitCode ||= failed
  }
  writeFileSync(memoryFile, `${JSON.stringify({ rows: memoryRows(Buffer.concat(output).toString()) })}\n`)
  return exitCode
})
