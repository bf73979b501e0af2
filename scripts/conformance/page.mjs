/** Writes docs/conformance.md, and the totals that both the page and the terminal show. */
import { versions } from './citations.mjs'

const roles = ['server', 'client', 'both', 'codec']
const proofs = ['wire', 'codec', 'core', 'client', 'construction', 'unobservable']
const meanings = {
  wire: 'bytes sent to a running broker over TCP and over WebSocket, and the bytes that come back',
  codec: 'packets for the codec; what it refuses is also sent to a running broker, over both transports',
  core: 'the core alone under virtual time, where a wire cannot show it; the row says why',
  client: 'the client against a peer made of raw bytes',
  construction: 'there is no code that could break it; the row says why',
  unobservable: 'no peer could see it; the row says why',
}
const chapters = {
  1: 'Data representation',
  2: 'The form of packets',
  3.1: 'CONNECT',
  3.2: 'CONNACK',
  3.3: 'PUBLISH',
  3.4: 'PUBACK',
  3.5: 'PUBREC',
  3.6: 'PUBREL',
  3.7: 'PUBCOMP',
  3.8: 'SUBSCRIBE',
  3.9: 'SUBACK',
  '3.10': 'UNSUBSCRIBE',
  3.11: 'UNSUBACK',
  3.12: 'PINGREQ',
  3.14: 'DISCONNECT',
  3.15: 'AUTH',
  4: 'Operational behaviour',
  6: 'WebSocket',
  7: 'Conformance',
}

/** How many rows there are of each kind, by version. */
export function totalsOf(rows) {
  const count = (version, field, value) =>
    rows.filter((row) => row.version === version && row[field] === value).length
  const table = (field, values) =>
    Object.fromEntries(
      values.map((value) => [value, versions.map((version) => count(version, field, value))]),
    )
  return {
    all: versions.map((version) => rows.filter((row) => row.version === version).length),
    tests: versions.map(
      (version) => new Set(rows.filter((row) => row.version === version).flatMap(({ tests }) => tests)).size,
    ),
    roles: table('applies_to', roles),
    proofs: table('proof', proofs),
  }
}

/** The totals for a terminal. */
export function totalsAsText(rows) {
  const { all, tests, roles, proofs } = totalsOf(rows)
  const line = (name, numbers) =>
    name.padEnd(16) + numbers.map((number) => String(number).padStart(8)).join('')
  const block = (table) => Object.entries(table).map(([name, numbers]) => line(`  ${name}`, numbers))
  return [
    line('', versions),
    line('statements', all),
    line('who is bound', []),
    ...block(roles),
    line('how it is proved', []),
    ...block(proofs),
    line('different tests', tests),
  ].join('\n')
}

/** The page. */
export function pageOf(rows) {
  const { all, tests, roles, proofs } = totalsOf(rows)
  const cells = (...values) => `| ${values.join(' | ')} |`
  const block = (table, explain = () => '') =>
    Object.entries(table).map(([name, numbers]) => cells(`${name}${explain(name)}`, ...numbers))
  return [
    '<!-- Written by `npm run conformance` from __test__/conformance/requirements.toml. -->',
    '',
    '# Conformance',
    '',
    'MQTT 5.0 and MQTT 3.1.1 number the statements that an implementation is held to. This page lists every one of',
    'them: whom it binds, what it asks for (in our words; the standard’s own count), how it is proved here, and by',
    'which tests. It is generated: `npm run conformance` fails when a statement has no row, when a test that is named',
    'here does not exist, did not pass in the last run, does not name the statement back or sends and receives no',
    'packet that the rule is about, and when the code does not cite the statement where it is done.',
    '',
    cells('', ...versions),
    cells('---', ...versions.map(() => '---:')),
    cells('**Statements**', ...all),
    cells('Different tests that prove them', ...tests),
    cells('**Who is bound**', ...versions.map(() => '')),
    ...block(roles),
    cells('**How it is proved**', ...versions.map(() => '')),
    ...block(proofs, (name) => `: ${meanings[name]}`),
    '',
    '`codec` among the bound is the form of bytes, which the codec keeps for both ends.',
    'Tests in `__test__/vectors/` are data that Rust and TypeScript read; its README explains them.',
    ...versions.flatMap((version) => pageOfVersion(rows, version)),
    '',
  ].join('\n')
}

function pageOfVersion(rows, version) {
  const lines = []
  let chapter
  for (const row of rows.filter((row) => row.version === version)) {
    const next = chapterOf(row.id)
    if (next !== chapter) {
      lines.push('', `## MQTT ${version}, ${next}: ${chapters[next]}`, '')
      lines.push(
        '| Statement | Binds | What it asks for | Proof | Tests |',
        '| --- | --- | --- | --- | --- |',
      )
    }
    chapter = next
    const summary = row.why === undefined ? row.summary : `${row.summary} *${row.why}*`
    const cells = [row.id, row.applies_to, summary, row.proof, testsOf(row)]
    lines.push(`| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
  }
  return lines
}

/** `3.10` of `MQTT-3.10.4-1`; chapter 3 alone is parted by packet. */
function chapterOf(id) {
  const [first, second] = id.replace('MQTT-', '').split(/[.-]/)
  return first === '3' ? `3.${second}` : first
}

/** So many tests of one file are named in a cell. */
const MOST_NAMED = 6

/** One line for each file, without the folders that all of a kind share. The ledger itself has every name. */
function testsOf(row) {
  const byFile = new Map()
  for (const reference of row.tests) {
    const [, file, name] = /^(.+?): (.*)$/.exec(reference) ?? []
    byFile.set(file, [...(byFile.get(file) ?? []), name])
  }
  return [...byFile]
    .map(([file, names]) => `[${file.split('/').slice(-2).join('/')}](../${file}): ${listed(names)}`)
    .join('<br>')
}

function listed(names) {
  const escaped = names.map((name) =>
    name.replaceAll('<', '&lt;').replaceAll('_', '\\_').replaceAll('*', '\\*'),
  )
  if (names.length <= MOST_NAMED) return escaped.join('; ')
  return `${escaped.slice(0, MOST_NAMED - 1).join('; ')}; and ${names.length - MOST_NAMED + 1} more`
}
