/**
 * Puts the figures of a run of `topicwire compare` into docs/comparison.md:
 *
 *   node dist/cli/main.js compare --json bench/results/compare.json --html bench/results/compare.html
 *   node bench/comparison.mjs bench/results/compare.json
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { inRoot, main, Stop, say } from '../scripts/lib/project.mjs'
import { comparisonBlocks } from './lib/comparison.mjs'
import { replaceBlocks } from './lib/page.mjs'

const page = inRoot('docs', 'comparison.md')

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(() => {
    const [path, ...more] = process.argv.slice(2)
    if (path === undefined || more.length > 0)
      throw new Stop(['usage: node bench/comparison.mjs <results.json of topicwire compare>'], 2)
    const blocks = comparisonBlocks(JSON.parse(readFileSync(path, 'utf8')))
    writeFileSync(page, replaceBlocks(readFileSync(page, 'utf8'), blocks))
    say(`docs/comparison.md: ${Object.keys(blocks).join(', ')}`)
    return 0
  })
}
