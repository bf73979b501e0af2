/**
 * The figures of docs/performance.md, written from results files. The page has parts between two marks,
 * `<!-- bench:name -->` and `<!-- bench:end -->`, which are replaced as a whole; everything else is prose and stays.
 */
import {
  bytesPerSecond,
  count,
  kibibytes,
  mebibytes,
  medianOf,
  micros,
  percent,
  times,
  whole,
  withSpread,
} from './format.mjs'
import { disturbedAbove, kindOf } from './summary.mjs'
import { grid } from './table.mjs'
import { verdictCounts, verdictTable } from './verdicts.mjs'

const mark = (name) => `<!-- bench:${name} -->`

/**
 * Puts blocks into a page. Parts of the page that no block is for stay as they are.
 * @throws Error for a block whose place the page does not have: the figures would be lost silently
 */
export function replaceBlocks(page, blocks) {
  let text = page
  for (const [name, block] of Object.entries(blocks)) {
    const begin = text.indexOf(mark(name))
    const end = text.indexOf(mark('end'), begin)
    if (begin === -1 || end === -1)
      throw new Error(`the page has no place for ${name}: ${mark(name)} … ${mark('end')}`)
    text = `${text.slice(0, begin)}${mark(name)}\n${block.trim()}\n${text.slice(end)}`
  }
  return text
}

/** The blocks that a run of all loads gives. */
export function loadBlocks(record, summaries, checks, charts) {
  return {
    machine: machineText(record, summaries),
    targets: `${verdictTable(checks)}\n\nSo many of each: ${verdictCounts(checks)}.`,
    loads: loadsText(record, summaries, charts),
  }
}

/** Pages about the parts of the broker, with what they tell. */
const partPages = {
  'performance-core.md': 'the codec, sessions and the core in Rust',
  'performance-topics.md': 'topic matching, in Rust and from JavaScript',
  'codec.md': 'the codec for JavaScript',
}

/** Links to those of them that `exists` finds. */
export function partLinks(exists) {
  return Object.entries(partPages)
    .filter(([page]) => exists(page))
    .map(([page, what]) => `- [${page}](${page}): ${what}`)
    .join('\n')
}

/** A picture of docs/charts/, when there is one. */
export function picture(charts, name) {
  return charts[name] === undefined ? [] : [`![${charts[name].title}](charts/${name}.svg)`]
}

/** When, where and with what it was measured. */
export function machineText({ machine, versions, options, commands, stealDuringRun }, summaries) {
  const date = new Date(machine.date).toLocaleDateString('en-GB', {
    day: 'numeric',
    month: 'long',
    year: 'numeric',
    timeZone: 'UTC',
  })
  const ran = (commands ?? [options.command]).map(
    (command) => `\`npm run bench${command === '' ? '' : ` -- ${command}`}\``,
  )
  const names = Object.keys(versions)
  // A broker that runs with several settings is named once.
  const named = names.filter((name) => !names.some((other) => name.startsWith(`${other}-`)))
  const pinned =
    machine.pinned === null
      ? 'broker and generator not pinned'
      : `broker on core ${machine.pinned.broker}, generator on core ${machine.pinned.generator}`
  const others = summaries.flatMap(({ rows }) => rows.flatMap((row) => row.otherCpu?.max ?? []))
  const most = others.length === 0 ? undefined : Math.max(...others)
  const disturbed = summaries.filter(({ rows }) =>
    rows.some((row) => (row.otherCpu?.max ?? 0) > disturbedAbove),
  )
  const sentences = [
    `${ran.length === 1 ? 'One run' : 'Runs'} of ${ran.join(' and ')} on ${date}.`,
    `${machine.cpu}, ${machine.coreCount} cores, ${(machine.memoryBytes / 2 ** 30).toFixed(0)} GiB, ${machine.system}, Node ${machine.node.slice(1)};`,
    `${pinned}; load average ${machine.loadAverage.toFixed(1)} at the start,`,
    `${stealDuringRun == null ? 'steal unknown' : `steal ${(stealDuringRun * 100).toFixed(1)} % during the run`}.`,
    `${named.map((name) => `${name} ${versions[name]}`).join(', ')}.`,
    options.repeats > 1
      ? `Medians of ${options.repeats} repeats of ${options.seconds} s, in brackets the smallest and the largest.`
      : `One run of ${options.seconds} s each.`,
    ...(most === undefined ? [] : [`Others used up to ${percent(most)} of a core.`]),
    ...(disturbed.length === 0
      ? []
      : [
          `Disturbed (more than ${percent(disturbedAbove)}): ${disturbed.map(({ scenario }) => scenario.title).join('; ')}.`,
        ]),
  ]
  return wrap(sentences.join(' '))
}

function loadsText(record, summaries, charts) {
  const of = (kind) => summaries.filter(({ scenario }) => kindOf(scenario) === kind)
  const saturated = of('saturated')
  const { ours } = record
  const notRivals = [ours, 'ceiling']
  const others = brokersOf(saturated).filter((name) => !notRivals.includes(name))
  const parts = []
  if (saturated.length > 0) {
    parts.push(
      '### Saturated',
      'Deliveries a second:',
      matrix(saturated, (row) => withSpread(row.perSecond, count)),
      ...picture(charts, 'throughput-qos-0'),
      ...picture(charts, 'throughput-qos-1-and-2'),
      ...(others.length === 0
        ? []
        : [
            'Our messages a second by theirs:',
            matrix(saturated, (row) => withSpread(row.ratio, times), notRivals),
          ]),
      'CPU time of the broker for each delivery, µs:',
      matrix(saturated, (row) => withSpread(row.cpuMicros, micros)),
      ...picture(charts, 'cpu-saturated'),
      busyText(saturated, ours),
    )
    const large = saturated.filter(({ scenario }) => (scenario.load.payloadBytes ?? 0) >= 1024)
    if (large.length > 0)
      parts.push(
        'Payload a second:',
        matrix(large, (row) => withSpread(row.bytesPerSecond, bytesPerSecond)),
      )
  }
  const rest = [
    ['fixedRate', '### At a fixed rate', ['cpu-fixed-rate', 'latency-p50', 'latency-p99']],
    ['connects', '### Connections', []],
    ['retained', '### Retained messages', []],
    ['idle', '### Idle connections', ['memory']],
  ]
  for (const [kind, heading, pictures] of rest) {
    const found = of(kind)
    if (found.length === 0) continue
    parts.push(
      heading,
      ...found.flatMap((summary) => [`${capital(summary.scenario.title)}:`, sheet(summary, kind)]),
    )
    parts.push(...pictures.flatMap((name) => picture(charts, name)))
  }
  parts.push(voidText(summaries))
  return parts.join('\n\n')
}

/** A row for each load and a column for each broker. */
export function matrix(summaries, cell, without = []) {
  const names = brokersOf(summaries).filter((name) => !without.includes(name))
  const rows = summaries.map(({ scenario, rows }) => {
    const cells = names.map((name) => rows.find((row) => row.broker === name))
    return [scenario.title, ...cells.map((row) => (row === undefined ? '–' : cell(row)))]
  })
  return grid(['load', ...names], rows)
}

const cpu = ['CPU µs/msg', (row) => withSpread(row.cpuMicros, micros)]
const ourCpu = ['our CPU is', (row) => withSpread(row.cpuRatio, times)]
const sheets = {
  fixedRate: [
    cpu,
    ourCpu,
    ['p50 µs', (row) => withSpread(row.p50, whole)],
    ['p99 µs', (row) => withSpread(row.p99, whole)],
  ],
  connects: [
    ['connections a second', (row) => withSpread(row.perSecond, count)],
    ['our connections a second by theirs', (row) => withSpread(row.ratio, times)],
    ['CPU µs for each', (row) => withSpread(row.cpuMicros, micros)],
    ['CONNECT to CONNACK, p50 µs', (row) => withSpread(row.p50, whole)],
    ['generator busy', (row) => medianOf(row.generatorBusy, percent)],
  ],
  retained: [
    ['messages a second', (row) => withSpread(row.perSecond, count)],
    ['our messages a second by theirs', (row) => withSpread(row.ratio, times)],
    ['SUBSCRIBE to the last message, p50 µs', (row) => withSpread(row.answerMicros, whole)],
    ['the same, p99 µs', (row) => withSpread(row.answerP99, whole)],
    ['CPU µs/msg', (row) => withSpread(row.cpuMicros, micros)],
    ['storing them, s', (row) => withSpread(row.storeSeconds, (value) => value.toFixed(1))],
    ['whole process, MiB', (row) => withSpread(row.residentBytes, mebibytes)],
  ],
  idle: [
    ['KiB for each connection', (row) => withSpread(row.bytesPerConnection, kibibytes)],
    ['whole process, MiB', (row) => withSpread(row.residentBytes, mebibytes)],
    ['the same without connections, MiB', (row) => withSpread(row.baseBytes, mebibytes)],
  ],
}

/** One load: a row for each figure and a column for each broker. */
function sheet({ rows }, kind) {
  return grid(
    ['', ...rows.map((row) => row.broker)],
    sheets[kind].map(([label, cell]) => [label, ...rows.map(cell)]),
  )
}

function busyText(summaries, ours) {
  const medians = (rows, figure) => rows.flatMap((row) => row[figure]?.median ?? [])
  const range = (values) => {
    const [low, high] = [Math.min(...values), Math.max(...values)].map((value) => Math.round(value * 100))
    return low === high ? `${low} %` : `${low} to ${high} %`
  }
  const brokers = summaries.flatMap(({ rows }) => rows.filter((row) => row.broker !== 'ceiling'))
  const own = brokers.filter((row) => row.broker === ours)
  const [busy, generator] = [medians(brokers, 'brokerBusy'), medians(own, 'generatorBusy')]
  if (busy.length === 0 || generator.length === 0) return ''
  return wrap(
    `The brokers were busy ${range(busy)} of the time, the generator ${range(generator)} with ${ours}. Near 100 % the generator is the limit.`,
  )
}

/** Which runs do not count, and why. */
export function voidText(summaries) {
  const voids = summaries.flatMap(({ scenario, rows }) =>
    rows.flatMap((row) => row.voids.map((reason) => `- ${scenario.title}, ${row.broker}: ${reason}`)),
  )
  if (voids.length === 0) return 'No message was lost, doubled or out of order in any of these runs.'
  return `Runs that do not count:\n\n${voids.join('\n')}`
}

export function brokersOf(summaries) {
  return [...new Set(summaries.flatMap(({ rows }) => rows.map((row) => row.broker)))]
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** Lines of at most 120 letters. */
export function wrap(text) {
  const lines = ['']
  for (const word of text.split(' ')) {
    const line = lines[lines.length - 1]
    if (line.length + word.length < 120) lines[lines.length - 1] = line === '' ? word : `${line} ${word}`
    else lines.push(word)
  }
  return lines.join('\n')
}
