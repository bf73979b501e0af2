/**
 * The figures of the benches of the parts (codec, topics, router), read from what those benches wrote last: criterion's
 * estimates below `target/criterion`, and files in `bench/results/parts/`. Nothing is run here.
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
    const value = { median: other.median / own.median, min: other.min / own.max, max: other.max / own.min }
    return [{ label, value }]
  })
}

/** One benchmark of criterion's as an absolute figure, in nanoseconds. */
function criterionFigure(figures, id, label) {
  const value = figures.get(id)
  return value === undefined ? [] : [{ label, value }]
}

/**
 * What benches other than criterion have left in `bench/results/parts/`: files of JSON, in each an object from the name
 * of a part to a list of `{ label, value: { median, min, max } }`.
 */
export function writtenParts(directory = inRoot('bench', 'results', 'parts')) {
  if (!existsSync(directory)) return {}
  const files = readdirSync(directory).filter((name) => name.endsWith('.json'))
  return Object.assign({}, ...files.map((name) => JSON.parse(readFileSync(join(directory, name), 'utf8'))))
}

/** By the `part` of a target: a list of `{ label, value }`. A part whose bench has not run is not there. */
export function readParts() {
  const criterion = criterionFigures()
  const parts = {
    'rumqttc decode': criterionRatios(criterion, 'decode PUBLISH 64 B', 'topicwire Packet', 'rumqttc'),
    'rumqttc encode': criterionRatios(criterion, 'encode PUBLISH 64 B', 'topicwire Packet', 'rumqttc'),
    'match among 1,000,000': criterionFigure(criterion, 'match_cold/1000000', '1,000,000 filters'),
    ...writtenParts(),
  }
  return Object.fromEntries(Object.entries(parts).filter(([, found]) => found.length > 0))
}
