/** Whether a test of the ledger ran and passed in the last whole run of each suite. */

/** Which Rust test binary reads each folder of vectors. */
const readers = {
  packet: 'crates/codec/tests/vectors.rs',
  exchange: 'crates/broker/tests/vectors.rs',
  client: 'crates/session/tests/vectors.rs',
}

/**
 * What keeps a test from having passed, or undefined.
 *
 * @param {import('./tests.mjs').Test} test
 * @param {{ cargo?: import('../lib/results.mjs').Results, vitest?: import('../lib/results.mjs').Results }} results
 */
export function failureOf(test, results) {
  if (test.kind === 'rust') return failureOfRust(test, results.cargo)
  if (test.kind === 'vitest') return failureOfVitest(test, results.vitest)
  return failureOfVector(test, results)
}

/** A vector is a test for each of its versions in Rust, and on a wire one for each transport too. */
function failureOfVector({ kind, file, name, versions, onWire }, { cargo, vitest }) {
  const inRust = cargo?.[readers[kind]] ?? {}
  const onWires = vitest?.['__test__/vectors.spec.ts'] ?? {}
  const title = `${file.split('/').slice(-2).join('/')}: ${name}`
  for (const version of versions) {
    const word = inRust[`${title} (${version})`]
    if (word !== 'passed') return `${word ?? 'did not run'} (${version} in ${readers[kind]})`
    if (!onWire) continue
    for (const transport of ['TCP', 'WebSocket']) {
      const wanted = `${title} (${version} over ${transport})`
      const found = Object.keys(onWires).find((title) => title.endsWith(wanted))
      if (onWires[found] !== 'passed') {
        return `${onWires[found] ?? 'did not run'} (${version} over ${transport})`
      }
    }
  }
  return undefined
}

/** `tests/behaviour/qos.rs` is the module `qos` of the binary `tests/behaviour/main.rs`. */
function failureOfRust({ file, name }, cargo) {
  const [, directory, kind, path] = /^(crates\/[^/]+)\/(src|tests)\/(.*)\.rs$/.exec(file) ?? []
  const [binary, module] = kind === 'src' ? ['src/lib.rs', path] : testBinary(path)
  const modules = module.replace(/(^|\/)(lib|main|mod)$/, '').replaceAll('/', '::')
  const entries = Object.entries(cargo?.[`${directory}/${binary}`] ?? {}).filter(
    ([test]) =>
      `::${test}`.endsWith(`::${name}`) && `${test}::`.startsWith(modules === '' ? '' : `${modules}::`),
  )
  if (entries.length === 0) return 'did not run'
  return entries.find(([, word]) => word !== 'passed')?.[1]
}

function testBinary(path) {
  const [first, ...rest] = path.split('/')
  return rest.length === 0 ? [`tests/${first}.rs`, ''] : [`tests/${first}/main.rs`, rest.join('/')]
}

/** A title as it is written stands for each that `%s` and its kin made of it. */
function failureOfVitest({ file, name, onWire }, vitest) {
  const pattern = name
    .split(/%[sdifjoO#$]|\$\w+(?:\.\w+)*/)
    .map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('%%', '%'))
    .join('.*')
  const matching = new RegExp(`(^| )${pattern}$`)
  const entries = Object.entries(vitest?.[file] ?? {}).filter(([title]) => matching.test(title))
  if (entries.length === 0) return 'did not run'
  const bad = entries.find(([, word]) => word !== 'passed')?.[1]
  if (bad !== undefined || !onWire) return bad
  const missing = ['TCP', 'WebSocket'].find((transport) =>
    entries.every(([title]) => !title.includes(`over ${transport}`)),
  )
  return missing === undefined ? undefined : `did not run over ${missing}`
}
