/**
 * Puts the figures of a run of `topicwire compare` into docs/comparison.md, and how far they repeat in a second run:
 *
 *   node dist/cli/main.js compare --rounds 7 --json bench/results/compare.json --html bench/results/compare.html
 *   node dist/cli/main.js compare --rounds 7 --json bench/results/compare-again.json --html bench/results/compare-again.html
 *   node bench/comparison.mjs bench/results/compare.json bench/results/compare-again.json
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { inRoot, main, Stop, say } from '../scripts/lib/project.mjs'
import { comparisonBlocks } from './lib/comparison.mjs'
import { replaceBlocks } from './lib/page.mjs'

const page = inRoot('docs', 'comparison.md')

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(() => {
    const paths = process.argv.slice(2)
    if (paths.length !== 2)
      throw new Stop(
        ['usage: node bench/comparison.mjs <results.json of topicwire compare> <of a second run>'],
        2,
      )
    const [results, again] = paths.map((path) => JSON.parse(readFileSync(path, 'utf8')))
    const blocks = comparisonBlocks(results, again)
    writeFileSync(page, replaceBlocks(readFileSync(page, 'utf8'), blocks))
    say(`docs/comparison.md: ${Object.keys(blocks).join(', ')}`)
    return 0
  })
}
