/** `npm run bench`: brings the checkout up to date (release builds), then runs bench/run.mjs with our arguments. */
import { ensure } from './ensure.mjs'
import { inRoot, main, run } from './lib/project.mjs'

await main(async () => {
  await ensure()
  return run(process.execPath, [inRoot('bench', 'run.mjs'), ...process.argv.slice(2)])
})
