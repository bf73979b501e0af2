/**
 * `npm run bench`: brings the checkout up to date (release builds), then runs bench/run.mjs with our arguments; with
 * `--growth`, `--soak`, `--parts`, `--clients`, `--store` or `--store-size` among them bench/growth.mjs, bench/soak.mjs, bench/parts.mjs,
 * bench/clients.mjs, bench/store.mjs or bench/store-size.mjs instead.
 */
import { ensure } from './ensure.mjs'
import { inRoot, main, run } from './lib/project.mjs'

const others = ['growth', 'soak', 'parts', 'clients', 'store', 'store-size']

await main(async () => {
  await ensure()
  const named = others.find((name) => process.argv.includes(`--${name}`))
  const args = process.argv.slice(2).filter((arg) => arg !== `--${named}`)
  return run(process.execPath, [inRoot('bench', `${named ?? 'run'}.mjs`), ...args])
})
