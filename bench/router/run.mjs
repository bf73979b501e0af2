/**
 * `TopicRouter` against qlobber from JavaScript, on the load of `load.mjs`: matching one topic, matching a hundred in one
 * call, subscribing and unsubscribing.
 *
 *   node --expose-gc bench/router/run.mjs [--quick] [--rounds N] [--json FILE]
 *
 * Both are in one process and take turns, round by round; a round's ratio is that of two figures a few milliseconds
 * apart. What is counted is the CPU time of this process, so that others on the machine disturb caches and nothing else.
 * Results are checked before anything is timed. Prints a Markdown table, and the figures as JSON.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { parseArgs } from 'node:util'
import { machine } from '../lib/machine.mjs'
import { ratioSpread, spread } from '../lib/stats.mjs'
import { draw, filterOf, fresh, topicOf } from './load.mjs'
import { matchers } from './matchers.mjs'

const { values: options } = parseArgs({
  options: { quick: { type: 'boolean' }, rounds: { type: 'string' }, json: { type: 'string' } },
})
const sizes = options.quick ? [100, 10_000] : [100, 1_000, 10_000, 100_000]
const rounds = Number(options.rounds ?? (options.quick ? 5 : 31))
const hotTopics = 256
const batch = 100
const newcomers = 1_000

const works = {
  match: {
    title: 'match',
    must: 2.5,
    aim: 4,
    ...matching((router, topics) => topics.map(router.match).length),
  },
  matchMany: {
    title: `matchMany of ${batch}`,
    must: 5,
    aim: 8,
    ...matching((router, topics) => {
      let count = 0
      for (let at = 0; at < topics.length; at += batch)
        count += router.matchMany(topics.slice(at, at + batch)).length
      return count
    }),
  },
  change: { title: 'subscribe and unsubscribe', must: 3, aim: 5, prepare: changes, run: change },
}

/** Nanoseconds of CPU time for each operation. */
function time({ run }, router, input) {
  const before = process.cpuUsage()
  const operations = run(router, input)
  const { user, system } = process.cpuUsage(before)
  return ((user + system) * 1000) / operations
}

function matching(all) {
  return {
    prepare(size) {
      const topics = draw(hotTopics, size).map(topicOf)
      // As many as take some milliseconds; each string is used once.
      return () => Array.from({ length: 40 }, () => fresh(topics))
    },
    run(router, passes) {
      let count = 0
      for (const topics of passes) count += all(router, topics)
      return count
    },
  }
}

function changes(size) {
  const filters = Array.from({ length: newcomers }, (_, at) => filterOf(size + at))
  return () => Array.from({ length: 5 }, () => fresh(filters))
}

/** Each filter comes and goes again; one operation is both. */
function change(router, passes) {
  for (const filters of passes) {
    for (const filter of filters) {
      router.add(filter, 7)
      router.remove(filter, 7)
    }
  }
  return passes.length * newcomers
}

function check(size, routers) {
  const topics = draw(1_000, size).map(topicOf)
  const results = Object.values(routers).map((router) => [router.matchMany(topics), topics.map(router.match)])
  const sorted = JSON.stringify(results.map((both) => both.map((all) => all.map((ids) => [...ids].sort()))))
  const first = JSON.stringify(topics.map((topic) => routers.qlobber.match(topic).sort()))
  if (sorted !== `[${Array(results.length).fill(`[${first},${first}]`).join(',')}]`) {
    throw new Error(`the routers do not agree at ${size} filters`)
  }
  if (routers.topicwire.match(topics[0]).length === 0) throw new Error('nothing matches')
}

function measure(size) {
  const routers = Object.fromEntries(Object.entries(matchers).map(([name, make]) => [name, make()]))
  for (const router of Object.values(routers)) {
    for (let number = 0; number < size; number += 1) router.add(filterOf(number), number)
  }
  check(size, routers)
  const names = Object.keys(routers)
  return Object.entries(works).map(([name, work]) => {
    const make = work.prepare(size)
    const figures = Object.fromEntries(names.map((router) => [router, new Map()]))
    // The first rounds warm up: they are the compiler's.
    for (let round = -3; round < rounds; round += 1) {
      // Who goes first changes from round to round.
      for (const router of round % 2 === 0 ? names : names.toReversed()) {
        const input = make()
        globalThis.gc?.()
        const nanoseconds = time(work, routers[router], input)
        if (round >= 0) figures[router].set(round, nanoseconds)
      }
    }
    const nanoseconds = Object.fromEntries(
      names.map((router) => [router, spread([...figures[router].values()])]),
    )
    const ratio = ratioSpread(figures.qlobber, figures.topicwire)
    return {
      work: name,
      title: work.title,
      filters: size,
      must: work.must,
      aim: work.aim,
      nanoseconds,
      ratio,
    }
  })
}

function versionOf(name) {
  const path = createRequire(import.meta.url).resolve(`${name}/package.json`)
  return JSON.parse(readFileSync(path, 'utf8')).version
}

const figure = ({ median, min, max }, digits) =>
  `${median.toFixed(digits)} [${min.toFixed(digits)}–${max.toFixed(digits)}]`

function print(rows) {
  console.log('| | filters | topicwire ns | qlobber ns | we are faster by | must | aim |')
  console.log('|---|--:|--:|--:|--:|--:|--:|')
  for (const { title, filters, nanoseconds, ratio, must, aim } of rows) {
    const cells = [
      title,
      filters.toLocaleString('en'),
      figure(nanoseconds.topicwire, 0),
      figure(nanoseconds.qlobber, 0),
      `${figure(ratio, 1)}x`,
      `${must}x`,
      `${aim}x`,
    ]
    console.log(`| ${cells.join(' | ')} |`)
  }
}

const rows = sizes.flatMap(measure).sort((one, other) => one.title.localeCompare(other.title))
const versions = { topicwire: versionOf('topicwire'), qlobber: versionOf('qlobber') }
const result = { machine: machine(), versions, rounds, hotTopics, batch, rows }
print(rows)
const json = JSON.stringify(result, undefined, 2)
if (options.json === undefined) console.log(`\n${json}`)
else writeFileSync(options.json, `${json}\n`)
