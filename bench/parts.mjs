/**
 * `npm run bench -- --parts`: the benches of the parts that targets are about, one after the other; criterion's leave
 * their figures below `target/criterion`, the others in `bench/results/parts/`. `npm run bench` and bench/report.mjs read
 * them there. Options of a bench are given to it by hand.
 */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { inRoot, main, run, say } from '../scripts/lib/project.mjs'
import { codecFile, routerFile } from './lib/parts.mjs'

const benches = [
  ['cargo', ['bench', '--package', 'topicwire-bench-codecs', '--features', 'peers']],
  ['cargo', ['bench', '--package', 'topicwire-topics', '--bench', 'matching']],
  [process.execPath, [inRoot('bench', 'codec', 'run.mjs'), `--json=${codecFile}`]],
  [process.execPath, ['--expose-gc', inRoot('bench', 'router', 'run.mjs'), `--json=${routerFile}`]],
]

await main(async () => {
  for (const file of [codecFile, routerFile]) mkdirSync(dirname(file), { recursive: true })
  let exitCode = 0
  for (const [command, args] of benches) {
    say([command, ...args].join(' '))
    exitCode ||= await run(command, args)
  }
  return exitCode
})
