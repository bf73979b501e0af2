/**
 * Puts the figures of results files into docs/performance.md and draws docs/charts/:
 *
 *   node bench/report.mjs bench/results/<time>.json [more results files]
 *
 * Each kind of file (loads, growth, soak) fills its own parts of the page; parts that no file is for stay as they are.
 * Of several files of loads the later one replaces the loads that both have.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { inRoot, main, Stop, say } from '../scripts/lib/project.mjs'
import { chartsOf } from './lib/charts.mjs'
import { writeCharts } from './lib/draw.mjs'
import { growthBlock, growthCharts } from './lib/growth.mjs'
import { loadBlocks, partLinks, replaceBlocks } from './lib/page.mjs'
import { readParts } from './lib/parts.mjs'
import { readResults, summariesOf } from './lib/results.mjs'
import { soakBlock, soakCharts } from './lib/soak.mjs'
import { judgeRecord } from './lib/verdicts.mjs'

const page = inRoot('docs', 'performance.md')
const pictures = inRoot('docs', 'charts')

/** Fills the page from results files. */
export function writeDocs(paths) {
  const records = paths.map(readResults)
  const ofKind = (kind) => records.filter((record) => record.kind === kind)
  const blocks = { parts: partLinks((name) => existsSync(inRoot('docs', name))) }
  const charts = {}
  if (ofKind('loads').length > 0) {
    const record = merge(ofKind('loads'))
    const summaries = summariesOf(record)
    const drawn = chartsOf(summaries)
    Object.assign(charts, drawn)
    Object.assign(blocks, loadBlocks(record, summaries, judgeRecord(record), drawn))
  }
  const growth = ofKind('growth').at(-1)
  if (growth !== undefined) {
    const drawn = growthCharts(summariesOf(growth))
    Object.assign(charts, drawn)
    blocks.growth = growthBlock(growth, drawn)
  }
  const soak = ofKind('soak').at(-1)
  if (soak !== undefined) {
    const drawn = soakCharts(soak)
    Object.assign(charts, drawn)
    blocks.soak = soakBlock(soak, drawn)
  }
  writeFileSync(page, replaceBlocks(readFileSync(page, 'utf8'), blocks))
  writeCharts(pictures, charts)
  say(
    `docs/performance.md: ${Object.keys(blocks).join(', ')}; docs/charts/: ${Object.keys(charts).length} charts`,
  )
}

/** The last file's head, with the results of all. What the benches of the parts wrote since then is read again. */
function merge(records) {
  const results = new Map(
    records.flatMap((record) => record.results.map((result) => [result.scenario.name, result])),
  )
  const last = records.at(-1)
  const commands = records.map(({ options }) => options.command)
  return { ...last, commands, results: [...results.values()], parts: { ...last.parts, ...readParts() } }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(() => {
    const paths = process.argv.slice(2)
    if (paths.length === 0) throw new Stop(['usage: node bench/report.mjs <results.json> [more of them]'], 2)
    writeDocs(paths)
    return 0
  })
}
