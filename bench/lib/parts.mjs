/**
 * The figures of the benches of the parts (codec, topics, router), read from what those benches wrote last: criterion's
 * estimates below `target/criterion`, and files in `bench/results/parts/`. Nothing is run here: that is bench/parts.mjs.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { inRoot } from '../../scripts/lib/project.mjs'

/** Every criterion benchmark by its id: its median in nanoseconds with criterion's confidence interval, and its date. */
export function criterionFigures(directory = inRoot('target', 'criterion')) {
  if (!existsSync(directory)) return new Map()
  const found = readdirSync(directory, { recursive: true }).filter((path) =>
    path.endsWith(join('new', 'benchmark.json')),
  )
  return new Map(
    found.map((path) => {
      const at = join(directory, path)
      const { full_id: id } = JSON.parse(readFileSync(at, 'utf8'))
      const estimates = join(at, '..', 'estimates.json')
      const { median } = JSON.parse(readFileSync(estimates, 'utf8'))
      const { lower_bound: min, upper_bound: max } = median.confidence_interval
      const date = statSync(estimates).mtime.toISOString()
      return [id, { median: median.point_estimate, min, max, date }]
    }),
  )
}

/** How many times faster than theirs ours is, for each form that both were measured with. */
export function criterionRatios(figures, group, ours, theirs) {
  const prefix = `${group}/${theirs}/`
  const forms = [...figures.keys()].filter((id) => id.startsWith(prefix)).map((id) => id.slice(prefix.length))
  return forms.flatMap((label) => {
    const [own, other] = [ours, theirs].map((name) => figures.get(`${group}/${name}/${label}`))
    if (own === undefined) return []
    return [{ label, value: quotient(other, own) }]
  })
}

/** Where the benches in JavaScript leave their figures: see bench/parts.mjs. */
export const codecFile = inRoot('bench', 'results', 'parts', 'codec.json')
export const routerFile = inRoot('bench', 'results', 'parts', 'router.json')
/** What bench/parts.mjs found in the output of the topics' memory bench. */
export const memoryFile = inRoot('bench', 'results', 'parts', 'memory.json')

function rowsOf(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).rows : []
}

/** What bench/codec found for the packets of a version: how many times as fast as mqtt-packet ours is. */
export function codecParts(rows, version) {
  return rows
    .filter(({ row13, load }) => row13 && load.startsWith(version))
    .map(({ title, packetsPerChunk, ratio: value }) => ({
      label: `${title}, chunks of ${packetsPerChunk}`,
      value,
    }))
}

/** What bench/router found for one of its works: how many times as fast as qlobber ours is. */
export function routerParts(rows, wanted) {
  return rows
    .filter(({ work }) => work === wanted)
    .map(({ filters, ratio: value }) => ({ label: filtersOf(filters), value }))
}

/** The matcher in Rust by qlobber on the same load. They cannot share a process: each is in its own bench. */
export function matchParts(rows, criterion) {
  return rows
    .filter(({ work }) => work === 'match')
    .flatMap(({ filters, nanoseconds: { qlobber: theirs } }) => {
      const ours = criterion.get(`match_hot/${filters}`)
      return ours === undefined ? [] : [{ label: filtersOf(filters), value: quotient(theirs, ours) }]
    })
}

/** The lines in which the topics' memory bench tells what a filter costs, as rows. */
export function memoryRows(output) {
  const lines = output.matchAll(
    /^(\d+) filters, (.+): (\d+) B each allocated, (\d+) B each counted, (\d+) B each resident$/gm,
  )
  return [...lines].map(([, filters, kind, allocatedBytes, countedBytes, residentBytes]) => ({
    filters: Number(filters),
    kind,
    allocatedBytes: Number(allocatedBytes),
    countedBytes: Number(countedBytes),
    residentBytes: Number(residentBytes),
  }))
}

/** The kinds of filters whose text is of a usual length. A long one costs its text on top. */
const judgedKinds = ['as in the match', 'exact and short']

/** What the allocator was asked for, for each of a million filters of one kind. */
export function memoryParts(rows) {
  return rows
    .filter(({ filters, kind }) => filters === 1_000_000 && judgedKinds.includes(kind))
    .map(({ filters, kind, allocatedBytes: bytes }) => ({
      label: `${filtersOf(filters)}, ${kind}`,
      value: { median: bytes, min: bytes, max: bytes },
    }))
}

function filtersOf(number) {
  return `${number.toLocaleString('en-GB')} filters`
}

/** Of two figures that were not measured in turns: the spread is the widest that they allow. */
function quotient(above, below) {
  return { median: above.median / below.median, min: above.min / below.max, max: above.max / below.min }
}

/** By the `part` of a target: a list of `{ label, value }`. A part whose bench has not run is not there. */
export function readParts() {
  const criterion = criterionFigures()
  const [codec, router] = [rowsOf(codecFile), rowsOf(routerFile)]
  const cold = criterion.get('match_cold/1000000')
  const parts = {
    'rumqttc decode': criterionRatios(criterion, 'decode PUBLISH 64 B', 'topicwire Packet', 'rumqttc'),
    'rumqttc encode': criterionRatios(criterion, 'encode PUBLISH 64 B', 'topicwire Packet', 'rumqttc'),
    'mqtt-packet 3.1.1': codecParts(codec, 'v4'),
    'mqtt-packet 5.0': codecParts(codec, 'v5'),
    'qlobber match in Rust': matchParts(router, criterion),
    'match among 1,000,000': cold === undefined ? [] : [{ label: filtersOf(1_000_000), value: cold }],
    'qlobber match': routerParts(router, 'match'),
    'qlobber matchMany': routerParts(router, 'matchMany'),
    'qlobber changes': routerParts(router, 'change'),
    'filter memory': memoryParts(rowsOf(memoryFile)),
  }
  return Object.fromEntries(Object.entries(parts).filter(([, found]) => found.length > 0))
}
