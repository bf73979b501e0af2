/** The checker of the ledger catches each kind of lie: one row that is true, and that row with one thing wrong. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'

/** The scripts are plain JavaScript, so nothing of them has a type here. */
const load = (path: string) => import(new URL(`../../scripts/${path}`, import.meta.url).href)
const { checkImplemented, checkListed, checkOutcomes, checkReach, checkTests } =
  await load('conformance/checks.mjs')
const { citedKeys } = await load('conformance/citations.mjs')
const { checkForm, checkIds } = await load('conformance/ledger.mjs')
const { isNamedIn, kindsIn } = await load('conformance/packets.mjs')
const { pageOf, totalsOf } = await load('conformance/page.mjs')
const { rustTestsIn } = await load('conformance/rust-tests.mjs')
const { readTests } = await load('conformance/tests.mjs')
const { clientVector } = await load('conformance/vectors.mjs')
const { vitestTestsIn } = await load('conformance/vitest-tests.mjs')
const { cargoResults, vitestResults } = await load('lib/results.mjs')

const source = 'crates/codec/src/packet/subscribe.rs'
const exchange = '__test__/vectors/exchanges/subscribe.toml: it is answered'
const coreOnly = '__test__/vectors/exchanges/subscribe.toml: it is answered in time'
const packet = '__test__/vectors/packets/subscribe.toml: reserved bits'
const clients = '__test__/vectors/client/subscribe.toml: its answer is awaited'
const rust = 'crates/broker/tests/behaviour/subscriptions.rs: each_is_answered'
const inModule = 'crates/codec/src/packet/subscribe.rs: it_is_read'
const spec = '__test__/hooks.spec.ts: a SUBSCRIBE is answered'
const eachSpec = '__test__/hooks.spec.ts: a SUBSCRIBE is answered over %s'
const aboutPublish = 'crates/broker/tests/behaviour/subscriptions.rs: nothing_of_it'

const row = {
  id: 'MQTT-3.8.4-1',
  version: '5.0',
  applies_to: 'server',
  level: 'must',
  summary: 'A SUBSCRIBE is answered.',
  implemented: [source],
  packets: ['SUBSCRIBE'],
  proof: 'wire',
  tests: [exchange],
}

/** A small project in which every test above exists and cites the row. */
const files = {
  [source]: [
    '// [MQTT-3.8.4-1]',
    'pub fn decode() {}',
    'mod tests {',
    '    // [MQTT-3.8.4-1]',
    '    #[test]',
    '    fn it_is_read() {',
    '        subscribe();',
    '    }',
    '}',
  ].join('\n'),
  '__test__/vectors/exchanges/subscribe.toml': `
[[exchange]]
name = "it is answered"
versions = ["5.0"]
statements = ["MQTT-3.8.4-1"]
steps = '''
a connects
a > 82 [ 00 01 {} "a/b" 00 ]
a < 90 [ 00 01 {} 00 ]
'''

[[exchange]]
name = "it is answered in time"
versions = ["5.0"]
statements = ["MQTT-3.8.4-1"]
wire = "it takes an hour"
steps = '''
a > 82 [ 00 01 {} "a/b" 00 ]
'''
`,
  '__test__/vectors/packets/subscribe.toml': `
[[packet]]
name = "reserved bits"
versions = ["5.0"]
from = "client"
bytes = '80 [ 00 01 {} "a/b" 00 ]'
reason_code = 0x81
statements = ["MQTT-3.8.4-1"]
`,
  '__test__/vectors/client/subscribe.toml': `
[[exchange]]
name = "its answer is awaited"
versions = ["5.0"]
statements = ["MQTT-3.8.4-1"]
steps = '''
peer < 82 [ 00 01 {} "a/b" 00 ]
'''
`,
  'crates/broker/tests/behaviour/subscriptions.rs': [
    '/// [MQTT-3.8.4-1]',
    '#[test]',
    'fn each_is_answered() {',
    '    bench.subscribe();',
    '}',
    '',
    '#[test]',
    'fn nothing_of_it() {',
    '    // [MQTT-3.8.4-1]',
    '    bench.publish();',
    '}',
  ].join('\n'),
  '__test__/hooks.spec.ts': [
    '// [MQTT-3.8.4-1]',
    "it('a SUBSCRIBE is answered', () => {})",
    'describe.each(transports)("on %s", () => {',
    '  // [MQTT-3.8.4-1]',
    "  it.each(transports)('a SUBSCRIBE is answered over %s', () => {})",
    '})',
  ].join('\n'),
}
const root = mkdtempSync(join(tmpdir(), 'topicwire-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
for (const [name, text] of Object.entries(files)) {
  mkdirSync(dirname(join(root, name)), { recursive: true })
  writeFileSync(join(root, name), text)
}
const tests = readTests(root)

const results = {
  cargo: {
    'crates/codec/tests/vectors.rs': { 'packets/subscribe.toml: reserved bits (5.0)': 'passed' },
    'crates/broker/tests/vectors.rs': {
      'exchanges/subscribe.toml: it is answered (5.0)': 'passed',
      'exchanges/subscribe.toml: it is answered in time (5.0)': 'passed',
    },
    'crates/session/tests/vectors.rs': { 'client/subscribe.toml: its answer is awaited (5.0)': 'passed' },
    'crates/broker/tests/behaviour/main.rs': { 'subscriptions::each_is_answered': 'passed' },
    'crates/codec/src/lib.rs': { 'packet::subscribe::tests::it_is_read': 'passed' },
  },
  vitest: {
    '__test__/vectors.spec.ts': {
      'exchanges exchanges/subscribe.toml: it is answered (5.0 over TCP)': 'passed',
      'exchanges exchanges/subscribe.toml: it is answered (5.0 over WebSocket)': 'passed',
      'packets that are not valid packets/subscribe.toml: reserved bits (5.0 over TCP)': 'passed',
      'packets that are not valid packets/subscribe.toml: reserved bits (5.0 over WebSocket)': 'passed',
    },
    '__test__/hooks.spec.ts': {
      'a SUBSCRIBE is answered': 'passed',
      'on TCP a SUBSCRIBE is answered over TCP': 'passed',
      'on TCP a SUBSCRIBE is answered over WebSocket': 'passed',
    },
  },
}

describe('a ledger', () => {
  const ids = { '5.0': ['MQTT-3.8.4-1', 'MQTT-3.8.4-2'], '3.1.1': ['MQTT-3.8.4-1'] }
  const second = { ...row, id: 'MQTT-3.8.4-2' }
  const old = { ...row, version: '3.1.1' }

  it.each([
    ['is whole', [row, second, old], []],
    ['lacks a row', [row, old], ['5.0 MQTT-3.8.4-2: has no row']],
    ['has a row twice', [row, row, second, old], ['5.0 MQTT-3.8.4-1: has two rows']],
    [
      'knows a statement that there is not',
      [row, second, old, { ...old, id: 'MQTT-3.8.4-2' }],
      ['3.1.1 MQTT-3.8.4-2: is no statement of the standard'],
    ],
    ['has its own order', [second, row, old], ['5.0 MQTT-3.8.4-2: stands where 5.0 MQTT-3.8.4-1 belongs']],
  ])('%s', (_, rows, problems) => {
    expect(checkIds({ rows, ids })).toEqual(problems)
  })
})

describe('the form of a row', () => {
  const problemsOf = (change: object) => checkForm({ ...row, ...change }).join()

  it('is right', () => {
    expect(checkForm(row)).toEqual([])
    expect(checkForm({ ...row, proof: 'construction', tests: [], why: 'There is no other way.' })).toEqual([])
    expect(
      checkForm({ ...row, proof: 'unobservable', tests: [], implemented: [], why: 'Nobody sees it.' }),
    ).toEqual([])
  })

  it.each([
    ['has an unknown field', { note: 'x' }, 'knows no field note'],
    ['binds nobody known', { applies_to: 'broker' }, 'applies_to is none of'],
    ['lacks a field', { level: undefined }, 'level is none of'],
    ['is only planned', { proof: 'planned' }, 'proof is none of'],
    ['has a text for a list', { tests: exchange }, 'tests is no list'],
    ['lists a test twice', { tests: [exchange, exchange] }, 'tests says something twice'],
    ['says nothing', { summary: '' }, 'has no summary'],
    ['is about nothing', { packets: [] }, 'is about no packet'],
    ['is about no packet that there is', { packets: ['HELLO'] }, 'HELLO is no kind of packet'],
    ['is implemented nowhere', { implemented: [] }, 'is implemented nowhere'],
    ['has no test', { tests: [] }, 'has no test'],
    ['cannot be seen and does not say why', { proof: 'unobservable' }, 'unobservable needs a why'],
    ['cannot be broken and does not say why', { proof: 'construction', why: '' }, 'construction needs a why'],
  ])('%s', (_, change, problem) => {
    expect(problemsOf(change)).toContain(problem)
  })
})

describe('where a row is implemented', () => {
  it.each([
    ['cites it', source, ''],
    ['is a name that is declared there', `${source}#decode`, ''],
    ['does not exist', 'crates/codec/src/nothing.rs', 'there is no crates/codec/src/nothing.rs'],
    ['declares no such name', `${source}#encode`, 'declares no encode'],
  ])('%s', (_, entry, problem) => {
    expect(checkImplemented({ ...row, implemented: [entry] }, root).join()).toContain(problem)
    if (problem === '') expect(checkImplemented({ ...row, implemented: [entry] }, root)).toEqual([])
  })

  it('cites the statement of the other version only', () => {
    expect(checkImplemented({ ...row, version: '3.1.1' }, root).join()).toContain('does not cite it')
  })
})

describe('the tests of a row', () => {
  it.each([exchange, coreOnly, packet, clients, rust, inModule, spec, eachSpec])('are real: %s', (test) => {
    expect(checkTests({ ...row, tests: [test] }, tests)).toEqual([])
  })

  it.each([
    ['a test that does not exist', { tests: ['crates/broker/tests/nothing.rs: at_all'] }, 'does not exist'],
    ['a test that does not name it back', { id: 'MQTT-3.8.4-2' }, 'does not name it back'],
    ['a test of the other version', { version: '3.1.1' }, 'does not name it back'],
    ['a vector without such a packet', { packets: ['UNSUBSCRIBE'] }, 'touches no UNSUBSCRIBE'],
    ['a packet that came from the wrong end', { packets: ['PINGRESP', 'CONNECT'] }, 'touches no'],
    ['a Rust test without such a packet', { tests: [aboutPublish] }, 'touches no SUBSCRIBE'],
    ['a vitest test without such a packet', { tests: [spec], packets: ['PUBLISH'] }, 'touches no PUBLISH'],
  ])('are not %s', (_, change, problem) => {
    expect(checkTests({ ...row, ...change }, tests).join()).toContain(problem)
  })

  it('are not a name that two tests have', () => {
    const twice = new Map([[rust, [...tests.get(rust), ...tests.get(rust)]]])
    expect(checkTests({ ...row, tests: [rust] }, twice).join()).toContain('stands for two tests')
  })

  it('list every vector that says it serves the statement', () => {
    const all = [exchange, coreOnly, packet, clients]
    expect(checkListed([{ ...row, tests: all }], tests)).toEqual([])
    expect(checkListed([{ ...row, tests: all.slice(1) }], tests)).toEqual([
      `5.0 MQTT-3.8.4-1: does not list ${exchange}`,
    ])
    expect(checkListed([], tests).join()).toContain(`is no statement, for ${exchange}`)
  })
})

describe('the reach of the tests', () => {
  const onWire = 'no test of it goes over TCP and WebSocket'
  const atClient = 'no test of it is about the client’s end'

  it.each([
    ['an exchange', { tests: [exchange] }, []],
    ['a packet that is refused', { tests: [packet] }, []],
    ['a spec for each transport', { tests: [eachSpec] }, []],
    ['an exchange that only the core has', { tests: [coreOnly] }, [onWire]],
    ['a Rust test', { tests: [rust] }, [onWire]],
    ['the core alone, with a reason', { tests: [rust], proof: 'core', why: 'It takes an hour.' }, []],
    ['a spec for one transport', { tests: [spec] }, [onWire]],
    ['a client’s test for a client', { tests: [clients], applies_to: 'client' }, []],
    ['a server’s test for a client', { tests: [exchange], applies_to: 'client' }, [atClient]],
    ['a server’s test for both ends', { tests: [exchange], applies_to: 'both' }, [atClient]],
    ['both ends', { tests: [exchange, clients], applies_to: 'both' }, []],
    [
      'a server’s test for both ends, with a reason',
      { tests: [exchange], applies_to: 'both', why: 'The transport of a client is not ours.' },
      [],
    ],
    [
      'a client’s test for both ends, with a reason',
      { tests: [clients], applies_to: 'both', why: 'The broker never sends it.' },
      [],
    ],
    [
      'neither end, whatever the reason',
      { tests: [rust], applies_to: 'both', why: 'It is late.' },
      [onWire, atClient],
    ],
    ['a WebSocket alone, in its chapter', { tests: [spec], id: 'MQTT-6.0.0-1' }, []],
    ['a vector in the chapter of WebSocket', { tests: [exchange], id: 'MQTT-6.0.0-1' }, [onWire]],
    ['words', { tests: [], proof: 'construction', why: 'There is no other way.' }, []],
  ])('%s', (_, change, problems) => {
    const changed = { ...row, ...change }
    expect(checkReach(changed, tests)).toEqual(problems.map((text) => `5.0 ${changed.id}: ${text}`))
  })
})

describe('the outcome of the tests', () => {
  const all = [exchange, coreOnly, packet, clients, rust, inModule, spec, eachSpec]
  const outcomesOf = (test: string, found: object) => checkOutcomes([{ ...row, tests: [test] }], tests, found)
  const without = (suite: 'cargo' | 'vitest', file: string, name: string, word?: string) => {
    const changed = structuredClone(results) as Record<string, Record<string, Record<string, string>>>
    const of = changed[suite]?.[file] ?? {}
    if (word === undefined) delete of[name]
    else of[name] = word
    return changed
  }

  it.each(all)('is success: %s', (test) => {
    expect(outcomesOf(test, results)).toEqual([])
  })

  it.each(all)('is unknown before the first run: %s', (test) => {
    expect(outcomesOf(test, {}).join()).toContain('did not run')
  })

  it.each([
    [
      exchange,
      'vitest',
      '__test__/vectors.spec.ts',
      'exchanges exchanges/subscribe.toml: it is answered (5.0 over WebSocket)',
    ],
    [
      packet,
      'vitest',
      '__test__/vectors.spec.ts',
      'packets that are not valid packets/subscribe.toml: reserved bits (5.0 over TCP)',
    ],
    [
      coreOnly,
      'cargo',
      'crates/broker/tests/vectors.rs',
      'exchanges/subscribe.toml: it is answered in time (5.0)',
    ],
    [
      clients,
      'cargo',
      'crates/session/tests/vectors.rs',
      'client/subscribe.toml: its answer is awaited (5.0)',
    ],
    [rust, 'cargo', 'crates/broker/tests/behaviour/main.rs', 'subscriptions::each_is_answered'],
    [inModule, 'cargo', 'crates/codec/src/lib.rs', 'packet::subscribe::tests::it_is_read'],
    [spec, 'vitest', '__test__/hooks.spec.ts', 'a SUBSCRIBE is answered'],
    [eachSpec, 'vitest', '__test__/hooks.spec.ts', 'on TCP a SUBSCRIBE is answered over TCP'],
  ] as const)('is failure where it failed or was left out: %s', (test, suite, file, name) => {
    expect(outcomesOf(test, without(suite, file, name, 'failed')).join()).toContain('failed')
    expect(outcomesOf(test, without(suite, file, name)).join()).toContain('did not run')
  })
})

describe('reading', () => {
  it('finds the packets of a line, by the first byte of each', () => {
    const kindsOf = (line: string) => [...kindsIn(line)]
    expect(kindsOf('82 [ 00 01 {} "[ 30" 00 ]')).toEqual(['SUBSCRIBE'])
    expect(kindsOf('c0 00 e0 00')).toEqual(['PINGREQ', 'DISCONNECT'])
    expect(kindsOf('30 [ "a" {} \'x\' ] 62 [ 00 01 ]')).toEqual(['PUBLISH', 'PUBREL'])
    expect(kindsOf('30 [ "a" ( 40 )*3 <50 60> ]; 90 [ 00 01 ~ ]')).toEqual(['PUBLISH', 'SUBACK'])
    expect(kindsOf('v5( e0 [ 8e ] ) v3( 40 [ 00 01 ] )')).toEqual(['DISCONNECT', 'PUBACK'])
    expect(kindsOf('82 ff ff ff ff 01 30')).toEqual(['SUBSCRIBE'])
    expect(kindsOf('')).toEqual([])
  })

  it('takes one packet’s name for another’s nowhere', () => {
    expect(isNamedIn('SUBSCRIBE', 'bench.unsubscribe(client)')).toBe(false)
    expect(isNamedIn('SUBACK', 'Got::Unsuback')).toBe(false)
    expect(isNamedIn('CONNECT', 'disconnect(); connection.close()')).toBe(false)
    expect(isNamedIn('CONNECT', 'bench.connect(Version::V5_0)')).toBe(true)
    expect(isNamedIn('AUTH', 'authorizePublish')).toBe(false)
    expect(isNamedIn('AUTH', 'Packet::Auth(auth)')).toBe(true)
  })

  it('does not take a client that is only there for a test of CONNECT', () => {
    expect(checkTests({ ...row, packets: ['CONNECT'] }, tests).join()).toContain('touches no CONNECT')
  })

  it('finds what the client under test is asked for, and what it says', () => {
    const touched = (steps: string) => {
      const { touches } = clientVector({ steps, versions: ['5.0'] })
      return ['CONNECT', 'PUBLISH', 'UNSUBSCRIBE', 'CONNACK', 'PUBACK', 'DISCONNECT'].filter(touches)
    }
    expect(touched('client connects\nserver accepts\nserver > 40 [ 00 01 ]\nserver quiet')).toEqual([
      'PUBACK',
    ])
    expect(touched('client cannot (Empty) publish "" \'x\'')).toEqual(['PUBLISH'])
    expect(touched('client connects clean=0\nserver resumes\nclient unsubscribes "a" # "b"')).toEqual([
      'CONNECT',
      'UNSUBSCRIBE',
      'CONNACK',
    ])
    expect(touched('server closed 82')).toEqual(['DISCONNECT'])
  })

  it('keeps the versions of a citation apart', () => {
    const keysOf = (text: string) => [...citedKeys(text)]
    expect(keysOf('[MQTT-1.5.4-1], v3.1.1 [MQTT-1.5.3-1] and MQTT-9.9.9-9')).toEqual([
      '5.0 MQTT-1.5.4-1',
      '3.1.1 MQTT-1.5.3-1',
    ])
    expect(keysOf('// v3.1.1\n    /// [MQTT-1.5.3-1,\n    /// 1.5.3-2]; [MQTT-1.5.4-1, 1.5.4-2]')).toEqual([
      '3.1.1 MQTT-1.5.3-1',
      '3.1.1 MQTT-1.5.3-2',
      '5.0 MQTT-1.5.4-1',
      '5.0 MQTT-1.5.4-2',
    ])
  })

  it('takes a Rust test with what stands above it, to its end', () => {
    const text = [
      '/// Why.',
      '#[test]',
      '#[cfg(unix)]',
      'fn one() {',
      '    if x {',
      '    }',
      '}',
      'fn two() {',
      '}',
    ]
    expect(rustTestsIn(text.join('\n'))).toEqual([{ name: 'one', source: text.slice(0, 7).join('\n') }])
  })

  it('takes a vitest test with its suites and the comment above it', () => {
    const [test] = vitestTestsIn(
      "describe('a', () => {\n  // why\n  it.each([1])('b %s', async () => {})\n})",
    )
    expect(test).toMatchObject({ name: 'b %s', suites: ['a'] })
    expect(test.source).toContain('// why')
  })

  it('knows the package of each of cargo’s tests', () => {
    const output = [
      '     Running unittests src/lib.rs (target/debug/deps/topicwire_codec-0123abcd)',
      'test error::tests::a ... ok',
      '     Running tests/vectors.rs (target/debug/deps/vectors-0123abcd)',
      'test b - should panic ... FAILED',
      '     Running unittests src/lib.rs (target\\debug\\deps\\topicwire_broker-0123abcd.exe)',
      '     Running tests/vectors.rs (target/debug/deps/vectors-0123abcd)',
      'test c ... ignored, takes an hour',
      'test packets/a.toml: two words (5.0)   ... ok',
      '   Doc-tests topicwire_codec',
      'test crates/codec/src/lib.rs - (line 3) ... ok',
    ].join('\n')
    const packages = { topicwire_codec: 'crates/codec', topicwire_broker: 'crates/broker' }
    expect(cargoResults(output, packages)).toEqual({
      'crates/codec/src/lib.rs': { 'error::tests::a': 'passed' },
      'crates/codec/tests/vectors.rs': { b: 'failed' },
      'crates/broker/src/lib.rs': {},
      'crates/broker/tests/vectors.rs': { c: 'skipped', 'packets/a.toml: two words (5.0)': 'passed' },
    })
  })

  it('takes the worse of two outcomes under one title', () => {
    const assertionResults = [
      { fullName: 'a', status: 'failed' },
      { fullName: 'a', status: 'passed' },
      { fullName: 'b', status: 'todo' },
    ]
    const name = new URL('../hooks.spec.ts', import.meta.url).pathname
    expect(vitestResults({ testResults: [{ name, assertionResults }] })).toEqual({
      '__test__/hooks.spec.ts': { a: 'failed', b: 'skipped' },
    })
    expect(vitestResults(undefined)).toEqual({})
  })
})

describe('the page', () => {
  const rows = [
    row,
    { ...row, version: '3.1.1', proof: 'construction', tests: [], why: 'There is | no other way.' },
  ]

  it('has the totals, and a section for each chapter', () => {
    const page: string = pageOf(rows)
    expect(page).toContain('| **Statements** | 1 | 1 |')
    expect(page).toContain('## MQTT 5.0, 3.8: SUBSCRIBE')
    expect(page).toContain(
      '| MQTT-3.8.4-1 | server | A SUBSCRIBE is answered. | wire | [exchanges/subscribe.toml](../__test__/vectors/exchanges/subscribe.toml): it is answered |',
    )
    expect(page).toContain('A SUBSCRIBE is answered. *There is \\| no other way.*')
  })

  it('counts by version', () => {
    expect(totalsOf(rows)).toMatchObject({ all: [1, 1], tests: [1, 0] })
    expect(totalsOf(rows).proofs).toMatchObject({ wire: [1, 0], construction: [0, 1] })
  })
})
