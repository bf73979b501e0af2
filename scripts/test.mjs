/**
 * `npm test`: brings the checkout up to date, then runs the Rust tests and the TypeScript tests. Arguments go to
 * vitest, which then runs alone: `npm test -- options`, `npm test -- -t "a taken port"`.
 */
import { ensure } from './ensure.mjs'
import { main } from './lib/project.mjs'
import { printSummary, runCargoTests, runVitest, sum } from './lib/tests.mjs'

await main(async () => {
  await ensure()
  const args = process.argv.slice(2)
  const results = args.length > 0 ? [await runVitest(args)] : [await runCargoTests(), await runVitest()]
  const total = sum(results)
  printSummary(total)
  return total.failed === 0 ? 0 : 1
})
