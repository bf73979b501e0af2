/** A run as one HTML file that needs nothing else: charts, the figures behind them, and the machine. */
import { type Results, type Row, roundsText } from '../results.js'
import { digits, spreadText } from '../spread.js'
import { escaped, legendOf, svgOf } from './chart.js'
import { type Section, sectionsOf } from './charts.js'

const STYLE = `
:root{color-scheme:light dark;--page:#fbfbfa;--ink:#1d2329;--soft:#5d6770;--line:#dde1e4;--card:#fff;
--s0:#2f7ddb;--s1:#e08a2c;--s2:#3a9a6b;--s3:#9a62c9;--s4:#c2567a}
@media (prefers-color-scheme:dark){:root{--page:#14171a;--ink:#e6e9eb;--soft:#98a2ab;--line:#2d343a;--card:#1b2024;
--s0:#5a9ff0;--s1:#eba04e;--s2:#57b888;--s3:#b68ae0;--s4:#de7c9b}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:960px;margin:0 auto;padding:32px 20px 64px}
h1{font-size:1.7rem;margin:0 0 .3em}h2{margin:2.2em 0 .3em;font-size:1.3rem}h3{margin:0;font-size:1rem}
p{margin:.4em 0 .8em;max-width:46em}.soft,figcaption{color:var(--soft);font-size:.92rem}
nav{display:flex;flex-wrap:wrap;gap:.3em 1.2em;margin:1.2em 0}a{color:var(--s0);text-decoration:none}
figure{margin:16px 0;padding:16px;background:var(--card);border:1px solid var(--line);border-radius:8px;overflow-x:auto}
svg{display:block;width:100%;min-width:620px;height:auto;font:12px system-ui,sans-serif}
svg text{fill:var(--soft)}svg .name{fill:var(--ink)}svg .value{fill:var(--ink);font-size:11px}svg .tick{font-size:11px}
.grid{stroke:var(--line)}.spread{stroke:var(--ink);fill:none;stroke-opacity:.75}
rect.s0{fill:var(--s0)}rect.s1{fill:var(--s1)}rect.s2{fill:var(--s2)}rect.s3{fill:var(--s3)}rect.s4{fill:var(--s4)}
.legend{display:flex;flex-wrap:wrap;gap:.2em 1.2em;font-size:.88rem;margin:.2em 0 .6em}
.legend i{display:inline-block;width:11px;height:11px;border-radius:2px;margin-right:.4em}
i.s0{background:var(--s0)}i.s1{background:var(--s1)}i.s2{background:var(--s2)}i.s3{background:var(--s3)}i.s4{background:var(--s4)}
details{margin:1em 0}summary{cursor:pointer;color:var(--soft)}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}
td,th{padding:.25em .8em .25em 0;text-align:left;border-bottom:1px solid var(--line);white-space:nowrap}
`

/** The text of the file. */
export function reportPage(results: Results): string {
  const { machine, secs, date, version, command, broker } = results
  const sections = sectionsOf(results)
  const measured =
    broker === undefined
      ? `topicwire ${version}`
      : [broker.mqtt, broker.ws].filter((address) => address !== undefined).join(' and ')
  const memory = (machine.memoryBytes / 2 ** 30).toFixed(0)
  const about = `${machine.cpu}, ${machine.coreCount} cores, ${memory} GiB, ${machine.system}, Node ${machine.node}; load average ${machine.loadAverage.toFixed(2)} before the run`
  const missing = results.notMeasured.map(({ what, why }) => `<li>${escaped(`${what}: ${why}.`)}</li>`)
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">',
    `<title>What protocols cost: ${escaped(measured)}</title><style>${STYLE}</style></head><body><main>`,
    '<h1>What protocols cost</h1>',
    `<p>${escaped(measured)}, compared with a WebSocket server without a broker; ${escaped(date.slice(0, 10))}.</p>`,
    `<p class="soft">${escaped(about)}. <code>${escaped(command)}</code>: ${roundsText(results)} in ${(secs / 60).toFixed(1)} minutes, in each of which every way had its turn. Bars are medians, lines through them go from the least to the most of the rounds. Everything ran on this one machine: compare the bars with each other, not with those of another machine.</p>`,
    ...(missing.length === 0 ? [] : [`<p>Not measured:</p><ul>${missing.join('')}</ul>`]),
    `<nav>${sections.map(({ title }) => `<a href="#${anchorOf(title)}">${escaped(title)}</a>`).join('')}</nav>`,
    ...sections.map(sectionHtml),
    `<details><summary>All figures</summary><div class="scroll">${tableHtml(results)}</div></details>`,
    '</main></body></html>',
    '',
  ].join('\n')
}

function sectionHtml({ title, text, charts }: Section): string {
  const figures = charts.map((chart) => {
    const note = chart.note === '' ? '' : ` ${escaped(chart.note)}`
    return `<figure><h3>${escaped(chart.title)}</h3><figcaption>${capital(escaped(chart.unit))}.${note}</figcaption>${legendOf(chart)}${svgOf(chart)}</figure>`
  })
  return `<section id="${anchorOf(title)}"><h2>${escaped(title)}</h2><p>${escaped(text)}</p>${figures.join('\n')}</section>`
}

function tableHtml({ ways, rows }: Results): string {
  const names = new Map(ways.map(({ id, name }) => [id, name]))
  const lines = rows.map((row) => {
    const cells = [
      wordsOf(row.measure),
      names.get(row.way) ?? row.way,
      pairs(row.conditions, String),
      figuresOf(row),
    ]
    return `<tr>${cells.map((cell) => `<td>${escaped(cell)}</td>`).join('')}</tr>`
  })
  const head = ['measure', 'way', 'conditions', 'median [least–most]'].map((cell) => `<th>${cell}</th>`)
  return `<table><thead><tr>${head.join('')}</tr></thead><tbody>${lines.join('\n')}</tbody></table>`
}

function figuresOf({ figures }: Row): string {
  return pairs(figures, (value) => spreadText(value, digits))
}

function pairs<T>(record: Readonly<Record<string, T>>, format: (value: T) => string): string {
  return Object.entries(record)
    .map(([name, value]) => `${wordsOf(name)} ${format(value)}`)
    .join(', ')
}

/** `bytesPerConnection` as words. */
function wordsOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}

function anchorOf(title: string): string {
  return title.toLowerCase().replace(/\W+/g, '-')
}

function capital(text: string): string {
  return text.replace(/^[a-z]/, (letter) => letter.toUpperCase())
}
